"""The door of the HTTP side: predictions take the short way, everything else goes to Tornado's application.

A prediction is answered from a message delegate of its own: no handler object, no task, no future; its route, its body and its
answer are all that is looked at. Whatever is unusual about a request sends it the long way, where the same rules hold.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable
from typing import cast

import tornado.web
from tornado import httputil

from zeromind.codecs import oip
from zeromind.codecs import zeromind as codec
from zeromind.engine import Engine, Late
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import envelope, oip_status
from zeromind.http.exchange import Exchange
from zeromind.http.head import Answering
from zeromind.scheduler.entry import Answer, Entry
from zeromind.tensors import InferRequest, InferResponse, Interface

_log = logging.getLogger(__name__)

PREDICT = "/model/predict?id="
INFER = re.compile(r"/v2/models/([A-Za-z0-9][A-Za-z0-9._-]{0,127})/infer")
_JSON = "application/json"
_MOST_CODECS = 1024


class Front(httputil.HTTPServerConnectionDelegate):
    """Gives each request its delegate."""

    def __init__(self, engine: Engine, application: tornado.web.Application) -> None:
        self.engine = engine
        self.application = application
        self.codecs: dict[str, oip.Codec] = {}

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> httputil.HTTPMessageDelegate:
        """The delegate of a request, whose start line is known already."""
        exchange = cast("Exchange", request_conn)
        way = self._way(exchange.start_line)
        if way is None:
            return self.application.start_request(server_conn, request_conn)
        kind, name = way
        return kind(self, exchange, name)

    def on_close(self, server_conn: object) -> None:
        """A connection has closed."""
        self.application.on_close(server_conn)

    def shortcut(self, start_line: httputil.RequestStartLine, headers: httputil.HTTPHeaders) -> Answering | None:
        """What answers every prediction with this head, given its body; None for other requests."""
        way = self._way(start_line)
        if way is None:
            return None
        kind, name = way
        media = _media(headers)
        return lambda exchange, body: kind(self, exchange, name, media, body).finish()

    def codec(self, interface: Interface, model_id: str) -> oip.Codec:
        """The model's codec of the Open Inference Protocol, made once for each time that it is loaded."""
        codec = self.codecs.get(model_id)
        if codec is None or codec.interface is not interface:  # it was loaded anew
            if len(self.codecs) >= _MOST_CODECS:
                self.codecs.clear()
            codec = self.codecs[model_id] = oip.Codec(interface, model_id)
        return codec

    def _way(self, start_line: httputil.RequestStartLine) -> tuple[type[Prediction], str] | None:
        method, path, _ = start_line
        if method == "POST":
            if path.startswith(PREDICT) and (name := _model_id(path[len(PREDICT) :])):
                return Prediction, name
            if infer := INFER.fullmatch(path):
                return Inference, infer[1]
        return None


class Prediction(httputil.HTTPMessageDelegate):
    """One request to ``/model/predict``."""

    __slots__ = ("_body", "_exchange", "_front", "_media", "_model_id", "_submitted")

    def __init__(self, front: Front, exchange: Exchange, model_id: str, media: str = _JSON, body: bytes = b"") -> None:
        self._front = front
        self._exchange = exchange
        self._model_id = model_id
        self._media = media
        self._body: bytes | bytearray = body
        self._submitted: Entry | Late | None = None

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        """Note what the body is."""
        del start_line
        self._media = _media(headers)
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Gather the body, which the transport bounds."""
        if not self._body:
            self._body = chunk
        elif isinstance(self._body, bytearray):
            self._body += chunk
        else:
            self._body = bytearray(self._body) + chunk
        return None

    def finish(self) -> None:
        """The request is complete: have it answered."""
        try:
            self._submitted = self._front.engine.submit(self._model_id, self._decode, self._reply)
            self._exchange.close_callback = self.on_connection_close
        except ZeroMindError as error:
            self._reply(error)

    def on_connection_close(self) -> None:
        """The client has left: it needs no answer."""
        if self._submitted is not None:
            self._submitted.withdraw()

    def _decode(self, interface: Interface) -> InferRequest:
        return codec.decode(bytes(self._body), self._media, interface)

    def _reply(self, answer: Answer) -> None:
        self._submitted = None  # it knows this method: a circle, which would keep body and tensors until the collector comes
        code = 200
        fields = envelope.FIELDS
        try:
            if isinstance(answer, ZeroMindError):
                code, fields, body = envelope.status(answer), envelope.fields(answer), self._encode_fault(answer)
            else:
                body = self._encode(answer)
        except Exception:
            _log.exception("an answer of model %r could not be encoded", self._model_id)
            fault = ZeroMindError(ErrorKind.PREDICT_UNKNOWN, "the answer cannot be written as JSON; see the server's log")
            code, body = envelope.status(fault), self._encode_fault(fault)
        self._exchange.respond(code, fields, body)

    def _encode(self, answer: InferResponse) -> bytes:
        return codec.encode_response(answer)

    def _encode_fault(self, fault: ZeroMindError) -> bytes:
        return envelope.body(fault)


class Inference(Prediction):
    """One request to ``/v2/models/{id}/infer``, in the Open Inference Protocol's JSON."""

    __slots__ = ("_codec", "_request_id")

    def _decode(self, interface: Interface) -> InferRequest:
        codec = self._codec = self._front.codec(interface, self._model_id)
        request = codec.decode(bytes(self._body), self._media)
        self._request_id = request.id
        return request

    def _encode(self, answer: InferResponse) -> bytes:
        return self._codec.encode(answer, self._request_id)

    def _encode_fault(self, fault: ZeroMindError) -> bytes:
        return oip_status.body(fault)


def _media(headers: httputil.HTTPHeaders) -> str:
    media = headers.get("Content-Type", "")
    return media if media == _JSON else media.partition(";")[0].strip().lower()


def _model_id(query: str) -> str:
    """The model's id in what follows ``id=``; empty if it has to be looked for."""
    if "%" in query or "+" in query or "&" in query:
        return ""
    return query
