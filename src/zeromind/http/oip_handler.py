"""What the handlers of the Open Inference Protocol stand on: its form of a fault, bodies of any content type, one version."""

from __future__ import annotations

from typing import Any

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import oip_status
from zeromind.http.handler import Handler, NotFound
from zeromind.http.operation import OPEN_INFERENCE


class OipHandler(Handler):
    """A handler of a route under ``/v2``."""

    dialect = OPEN_INFERENCE

    def status_of(self, error: ZeroMindError) -> int:
        """As Triton answers."""
        return oip_status.status(error)

    def encode_error(self, error: ZeroMindError) -> bytes:
        """``{"error": sentence}``."""
        return oip_status.body(error)

    @property
    def fields(self) -> dict[str, Any]:
        """The body as a JSON object, empty if the body is; its content type does not matter. Raises REQUEST_ATTRIBUTE if it is none."""
        return self.object_in(self.body, ErrorKind.REQUEST_ATTRIBUTE) if self.body.strip() else {}

    @property
    def bare(self) -> bool:
        """Whether the query asks for the model without its filters: ``?filters=off``."""
        return self.get_query_argument("filters", "") in ("off", "false")

    @property
    def wants_json(self) -> bool:
        """Whether the client asks for JSON where the usual answer is empty."""
        return "application/json" in self.request.headers.get("Accept", "")

    def empty(self) -> None:
        """Finish with an empty 200, which is what a deed that was done is answered."""
        self.finish()

    def _misdirected(self) -> ZeroMindError:
        text = f"Method Not Allowed: {self.request.path} answers {self._allowed()}, not {self.request.method}{self._hint()}"
        return ZeroMindError(ErrorKind.METHOD_NOT_ALLOWED, text, self.request.method)


class OipNotFound(OipHandler, NotFound):
    """Any route under ``/v2`` that nobody answers."""

    route = "/v2(?:/.*)?"

    def _misdirected(self) -> ZeroMindError:
        return ZeroMindError(ErrorKind.ROUTE_NOT_FOUND, "Not Found", self.request.path)
