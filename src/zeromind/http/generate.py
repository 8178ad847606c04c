"""The generate extension's routes: a model asked with flat JSON, for one answer or for a stream of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import ClassVar

from tornado.iostream import StreamClosedError

from zeromind.access.scope import Scope
from zeromind.codecs import generate as codec
from zeromind.codecs.oip_fault import check_version
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http.handler import Handler
from zeromind.http.oip_handler import OipHandler
from zeromind.http.oip_models import MODEL, SHOWN
from zeromind.http.operation import FILTERS, NON_FINITE, PREDICTING, Operation, json
from zeromind.scheduler.stream import Stream
from zeromind.tensors import InferRequest, InferResponse, Interface

_FAULTS = (*PREDICTING, ErrorKind.NOT_SUPPORTED)


class _Generating(OipHandler):
    """What both have in common: how a request is read and its responses are written."""

    def begin(self, model_id: str, version: str | None) -> tuple[Callable[[Interface], InferRequest], Callable[[InferResponse], bytes]]:
        """The two halves of the codec. Raises MODEL_NOT_FOUND for another version, NOT_SUPPORTED for a compressed body."""
        check_version(model_id, version)
        coding = self.request.headers.get("Content-Encoding", "identity")
        if coding.strip().lower() not in ("", "identity"):
            raise ZeroMindError(ErrorKind.NOT_SUPPORTED, f"the body of this route must not be compressed; it is with {coding!r}", coding)
        body, bare = self.body, self.bare
        decoded: list[tuple[Interface, str]] = []
        policy = self.non_finite

        def decode(interface: Interface) -> InferRequest:
            request = codec.decode(body, interface, bare)
            decoded.append((interface, request.id))
            return request

        return decode, lambda response: codec.encode(response, decoded[0][0], model_id, decoded[0][1], policy)


class Generate(_Generating):
    """Ask a model for the only response to a request."""

    route = f"{MODEL}/generate"
    shown = f"{SHOWN}/generate"
    summary = "The prediction of a model for a flat JSON object of inputs and parameters."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.PREDICT}
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(json("GenerateResponse"), (*FILTERS, NON_FINITE), json("GenerateRequest"), faults=_FAULTS)
    }

    async def post(self, model_id: str, version: str | None) -> None:
        """Answer with every output."""
        decode, encode = self.begin(model_id, version)
        self.send(encode(await self.unless_left(self.infer(model_id, decode, len(self.body)))))


class GenerateStream(_Generating):
    """Ask a model for all responses to a request, as they come."""

    route = f"{MODEL}/generate_stream"
    shown = f"{SHOWN}/generate_stream"
    summary = "The same as a stream of server-sent events, one for each response."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.PREDICT}
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation({"text/event-stream": {"type": "string"}}, (*FILTERS, NON_FINITE), json("GenerateRequest"), faults=_FAULTS)
    }
    _sending: asyncio.Task[None] | None = None

    async def post(self, model_id: str, version: str | None) -> None:
        """Send each response as an event; the next ones are made when the client has taken it, more or less."""
        decode, encode = self.begin(model_id, version)
        stream = self.engine.stream(model_id, decode, len(self.body))
        self._sending = asyncio.create_task(self._send(stream, encode))
        try:
            await asyncio.wait([self._sending])
        finally:
            await stream.aclose()  # here, since a task that is cancelled before its first step has no last one either
        if not self._sending.cancelled():
            self._sending.result()

    def on_connection_close(self) -> None:
        """The client has left: it needs no more."""
        if self._sending is not None:
            self._sending.cancel()

    async def _send(self, stream: Stream, encode: Callable[[InferResponse], bytes]) -> None:
        begun = False
        try:
            async for response in stream:
                event = encode(response) if response.outputs else b""
                if not begun:
                    begun = True
                    self.set_header("Content-Type", "text/event-stream; charset=utf-8")
                    self.set_header("Cache-Control", "no-cache")
                if event:
                    self.write(b"data: %b\n\n" % event)
                    await self.flush()
        except StreamClosedError:
            pass
        except Exception as error:
            if not begun:
                raise
            self.exchange.fault = fault = self._known(500, error)
            self.write(b"data: %b\n\n" % (self.encode_error(fault)[:-1] + b',"kind":"%b"}' % fault.kind.name.encode()))


ROUTES: tuple[type[Handler], ...] = (Generate, GenerateStream)
