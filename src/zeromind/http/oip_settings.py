"""The Open Inference Protocol's settings that change while the pool runs: traces and the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from zeromind.access.scope import Scope
from zeromind.errors import ErrorKind
from zeromind.http.handler import Handler
from zeromind.http.oip_handler import OipHandler
from zeromind.http.operation import Operation, json


class TraceSetting(OipHandler):
    """Which requests are traced."""

    route = "/v2(?:/models/([^/]+))?/trace/setting"
    shown = "/v2[/models/{id}]/trace/setting"
    summary = "Which requests leave a timeline in the pool's `trace_file`, of all models or of one; a POST changes it."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ, "POST": Scope.MANAGE}
    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(json("Trace"), faults=(ErrorKind.MODEL_NOT_FOUND,)),
        "POST": Operation(
            json("Trace"),
            body=json("TraceChange"),
            needs_body=False,
            faults=(ErrorKind.REQUEST_ATTRIBUTE, ErrorKind.NOT_SUPPORTED, ErrorKind.MODEL_NOT_FOUND),
        ),
    }

    def get(self, model_id: str | None) -> None:
        """Answer with what holds."""
        self.send(self.engine.trace.settings(self._named(model_id)))

    def post(self, model_id: str | None) -> None:
        """Answer with what holds now."""
        self.send(self.engine.trace.change(self.fields, self._named(model_id)))

    def _named(self, model_id: str | None) -> str:
        return self.engine.registry.get(model_id).task.id if model_id else ""


class Logging(OipHandler):
    """What is logged."""

    route = "/v2/logging"
    summary = "Which messages are logged, and in which form of time; a POST changes it."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ, "POST": Scope.MANAGE}
    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(json("Logs")),
        "POST": Operation(
            json("Logs"), body=json("LogsChange"), needs_body=False, faults=(ErrorKind.REQUEST_ATTRIBUTE, ErrorKind.NOT_SUPPORTED)
        ),
    }

    def get(self) -> None:
        """Answer with what holds."""
        self.send(self.engine.logging.settings())

    def post(self) -> None:
        """Answer with what holds now."""
        self.send(self.engine.logging.change(self.fields))


ROUTES: tuple[type[Handler], ...] = (TraceSetting, Logging)
