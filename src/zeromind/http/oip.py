"""The Open Inference Protocol's dialect: inference with tensors as JSON or as bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from zeromind.access.scope import Scope
from zeromind.codecs import finite, oip
from zeromind.codecs.oip_answer import Asked
from zeromind.codecs.oip_fault import check_version
from zeromind.codecs.oip_raw import LENGTH
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import compression, terms
from zeromind.http.handler import Handler
from zeromind.http.oip_handler import OipHandler
from zeromind.http.oip_models import MODEL, SHOWN
from zeromind.http.operation import FILTERS, NON_FINITE, PREDICTING, Operation, Parameter, json
from zeromind.http.terms import Terms
from zeromind.tensors import InferRequest, Interface

_JSON_BYTES = Parameter(
    LENGTH, "How many bytes of the body are JSON; without it all are.", {"type": "integer", "minimum": 0}, "header", required=False
)


class Infer(OipHandler):
    """Ask a model. Usual requests take the short way of ``http.front``; what is answered is the same."""

    route = f"{MODEL}/infer"
    shown = f"{SHOWN}/infer"
    summary = "The prediction of a model for tensors in the Open Inference Protocol's JSON, or as bytes behind it."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.PREDICT}
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(
            {**json("InferResponse"), "application/octet-stream": {"description": "JSON, and behind it the tensors' bytes"}},
            (*FILTERS, NON_FINITE, _JSON_BYTES),
            {**json("InferRequest"), "application/octet-stream": {"description": "the same, or the bytes of the only input alone"}},
            faults=(ErrorKind.REQUEST_ATTRIBUTE, ErrorKind.NOT_SUPPORTED, *PREDICTING),
            headers={LENGTH: "How many bytes of the answer are JSON; without it all are."},
        )
    }

    async def post(self, model_id: str, version: str | None) -> None:
        """Answer with the outputs that are asked for."""
        check_version(model_id, version)
        self.finish(await self.unless_left(self._answer(model_id)))

    async def _answer(self, model_id: str) -> bytes:
        told = Terms.of(self.request.headers)
        body, bare = self.body, self.bare
        finite.check(told.non_finite)
        if told.came:
            body = await asyncio.to_thread(compression.expanded, body, told.came, self.engine.config.max_body_bytes)
        decoded: list[tuple[oip.Codec, Asked]] = []

        def decode(interface: Interface) -> InferRequest:
            codec = oip.Codec(interface, model_id, self.engine.regions)
            request, asked = codec.decode(body, told.json_bytes, bare)
            decoded.append((codec, asked))
            return request

        response = await self.infer(model_id, decode, len(body))
        codec, asked = decoded[0]
        data, json_bytes = codec.encode(response, asked, told.non_finite)
        self.set_header("Content-Type", "application/octet-stream" if json_bytes else "application/json")
        if json_bytes:
            self.set_header(LENGTH, str(json_bytes))
        if told.goes:
            data = await asyncio.to_thread(compression.packed, data, told.goes)
            self.set_header("Content-Encoding", told.goes)
            self.set_header("Vary", "Accept-Encoding")
        return data

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer a fault; where the coding of a body is not known, the header tells those that are."""
        cause = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(cause, ZeroMindError) and cause.kind is ErrorKind.NOT_SUPPORTED:
            self.set_header("Accept-Encoding", terms.CODINGS)
        super().write_error(status_code, **kwargs)


ROUTES: tuple[type[Handler], ...] = (Infer,)
