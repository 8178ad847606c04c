"""The door of the HTTP side: predictions take the short way, everything else goes to Tornado's application.

A prediction is answered from a message delegate of its own: no handler object, no task, no future; its route, its body and its
answer are all that is looked at. Whatever is unusual about a request sends it the long way, where the same rules hold.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Awaitable
from typing import cast

import tornado.web
from tornado import httputil

from zeromind.codecs import oip
from zeromind.codecs import zeromind as codec
from zeromind.engine import Engine, Submitted
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import envelope
from zeromind.http.exchange import Exchange
from zeromind.scheduler.dispatcher import Answer
from zeromind.tensors import InferRequest, Interface

PREDICT = "/model/predict?id="
INFER = re.compile(r"/v2/models/([A-Za-z0-9][A-Za-z0-9._-]{0,127})/infer")
_JSON = "application/json"


class Front(httputil.HTTPServerConnectionDelegate):
    """Gives each request its delegate."""

    def __init__(self, engine: Engine, application: tornado.web.Application) -> None:
        self.engine = engine
        self.application = application

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> httputil.HTTPMessageDelegate:
        """The delegate of a request, whose head is known already."""
        exchange = cast("Exchange", request_conn)
        method, path, _ = exchange.start_line
        if method == "POST" and path.startswith(PREDICT):
            return Prediction(self.engine, exchange, path[len(PREDICT) :])
        if method == "POST" and (infer := INFER.fullmatch(path)):
            return Inference(self.engine, exchange, infer[1])
        return self.application.start_request(server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """A connection has closed."""
        self.application.on_close(server_conn)


class Prediction(httputil.HTTPMessageDelegate):
    """One request to ``/model/predict``."""

    __slots__ = ("_body", "_engine", "_exchange", "_media", "_query", "_submitted")

    def __init__(self, engine: Engine, exchange: Exchange, query: str) -> None:
        self._engine = engine
        self._exchange = exchange
        self._query = query
        self._media = _JSON
        self._body: bytes | bytearray = b""
        self._submitted: Submitted | None = None

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        """Note what the body is."""
        del start_line
        media = headers.get("Content-Type", "")
        if media != _JSON:
            self._media = media.partition(";")[0].strip().lower()
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
            self._submitted = self._engine.submit(self._model(), self._decode, self._reply)
        except ZeroMindError as error:
            self._reply(error)

    def on_connection_close(self) -> None:
        """The client has left: it needs no answer."""
        if self._submitted is not None:
            self._submitted.withdraw()

    def _model(self) -> str:
        """The model's id. Raises REQUEST_ATTRIBUTE if it is missing."""
        return _model_id(self._query)

    def _decode(self, interface: Interface) -> InferRequest:
        return codec.decode(bytes(self._body), self._media, interface)

    def _reply(self, answer: Answer) -> None:
        if isinstance(answer, ZeroMindError):
            self._exchange.respond(envelope.status(answer), envelope.fields(answer), envelope.body(answer))
        else:
            self._exchange.respond(200, envelope.FIELDS, codec.encode_response(answer))


class Inference(Prediction):
    """One request to ``/v2/models/{id}/infer``, in the Open Inference Protocol's JSON."""

    __slots__ = ("_interface", "_request_id")

    def _model(self) -> str:
        return self._query

    def _decode(self, interface: Interface) -> InferRequest:
        request = oip.decode_infer(bytes(self._body), interface)
        self._interface, self._request_id = interface, request.id
        return request

    def _reply(self, answer: Answer) -> None:
        if isinstance(answer, ZeroMindError):
            self._exchange.respond(envelope.status(answer), envelope.fields(answer), envelope.plain(answer))
        else:
            body = oip.encode_infer(answer, self._interface, self._query, self._request_id)
            self._exchange.respond(200, envelope.FIELDS, body)


def _model_id(query: str) -> str:
    """The model's id in what follows ``id=``. Raises REQUEST_ATTRIBUTE if it is empty."""
    if "%" in query or "+" in query or "&" in query:
        query = urllib.parse.parse_qs(f"id={query}", keep_blank_values=True)["id"][-1]
    if not query:
        raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, "the request needs the query argument 'id': /model/predict?id=…", "id")
    return query
