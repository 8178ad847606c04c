"""The door of the HTTP side: predictions take the short way, everything else goes to Tornado's application.

A prediction is answered from a message delegate of its own: no handler object, no task, no future; its route, its body and its
answer are all that is looked at. Whatever is unusual about a request sends it the long way, where the same rules hold.
"""

from __future__ import annotations

import abc
import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, cast

import tornado.web
from tornado import httputil

from zeromind.codecs import finite, oip
from zeromind.codecs import zeromind as codec
from zeromind.engine import Engine, Late
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import compression, envelope, oip_status, terms
from zeromind.http.entrance import Entrance
from zeromind.http.exchange import Exchange
from zeromind.http.head import Answering
from zeromind.http.parser import Refused
from zeromind.http.terms import Terms
from zeromind.observe import incident, timing
from zeromind.observe.timing import Work
from zeromind.scheduler.entry import Answer, Entry
from zeromind.tensors import InferRequest, InferResponse, Interface, Run

_log = logging.getLogger(__name__)

PREDICT = "/model/predict?id="
INFER = re.compile(r"/v2/models/([A-Za-z0-9][A-Za-z0-9._-]{0,127})(?:/versions/1)?/infer")
_JSON = "application/json"
_MOST_CODECS = 1024
_EXPOSED = b"Access-Control-Expose-Headers: Inference-Header-Content-Length, Error-Kind, Retry-After, Server-Timing, X-Request-Id\r\n"
_CORS = b"Access-Control-Allow-Origin: %b\r\nTiming-Allow-Origin: %b\r\n" + _EXPOSED + b"Vary: Origin\r\n"


class Front(httputil.HTTPServerConnectionDelegate):
    """Gives each request its delegate."""

    def __init__(self, engine: Engine, application: tornado.web.Application, entrance: Entrance, told: bool = False) -> None:
        """With ``told`` somebody hears of each answer (``http.trail``)."""
        self.engine = engine
        self.told = told
        self.run: Run | None = None
        """The last one that was told of: as requests share it, what is told of it need not be made for each."""
        self.begun = 0.0
        self.work: Work | None = None
        self.work_field = b""
        self.application = application
        self.entrance = entrance
        self.keyed = entrance.gate.keyed
        self.codecs: dict[str, oip.Codec] = {}

    def admit(self, start_line: httputil.RequestStartLine, fields: Mapping[str, str], address: str) -> bytes:
        """Look at whom a request is for, and whose page sent it: what has its answer be readable by that page. Raises Refused."""
        gate = self.entrance.gate
        status, refused = 421, gate.refused_host(fields.get("Host", ""))
        if not refused:
            status, refused = 403, gate.refused_sender(start_line.method, fields)
        if refused:
            self.entrance.note_refused(start_line, fields, address, status)
            raise Refused(status, refused)
        origin = fields.get("Origin", "")
        return _CORS % (origin.encode(), origin.encode()) if origin and origin in gate.origins else b""

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> httputil.HTTPMessageDelegate:
        """The delegate of a request, whose start line is known already."""
        exchange = cast("Exchange", request_conn)
        way = self._way(exchange.start_line)
        if way is None:
            return self.application.start_request(server_conn, request_conn)
        kind, name = way
        if self.told:
            exchange.model, exchange.route = name, kind.route
        return kind(self, exchange, name, kind.usual)

    def on_close(self, server_conn: object) -> None:
        """A connection has closed."""
        self.application.on_close(server_conn)

    def shortcut(self, start_line: httputil.RequestStartLine, headers: httputil.HTTPHeaders) -> Answering | None:
        """What answers every prediction with this head, given its body; None for other requests."""
        way = self._way(start_line)
        who = None if way is None else self._trusted(headers, way[1])
        if way is None or who is None:
            return None
        kind, name = way
        told = kind.read(headers)

        def noted(exchange: Exchange, body: bytes) -> None:
            exchange.model, exchange.route, exchange.who = name, kind.route, who
            kind(self, exchange, name, told, body).finish()

        if self.told:
            return noted
        if kind.as_it_is(told):
            return lambda exchange, body: kind(self, exchange, name, told, body).submit()
        return lambda exchange, body: kind(self, exchange, name, told, body).finish()

    def note(self, run: Run, work: Work) -> None:
        """Another run has answered requests."""
        self.run, self.work = run, work
        self.begun, input_s, model_s, output_s, _, _ = work
        self.work_field = timing.WORK % (1e3 * input_s, 1e3 * model_s, 1e3 * output_s)

    def _trusted(self, headers: httputil.HTTPHeaders, model: str) -> str | None:
        """As whose every prediction with this head may be answered, until what allows it changes; None if it may not."""
        gate = self.entrance.gate
        if gate.refused_host(headers.get("Host", "")) or gate.refused_sender("POST", headers) or headers.get("Origin") in gate.origins:
            return None
        try:
            return self.entrance.predict(headers, model).known if self.keyed else ""
        except ZeroMindError:
            return None

    def codec(self, interface: Interface, model_id: str) -> oip.Codec:
        """The model's codec of the Open Inference Protocol, made once for each time that it is loaded."""
        codec = self.codecs.get(model_id)
        if codec is None or codec.interface is not interface:  # it was loaded anew
            if len(self.codecs) >= _MOST_CODECS:
                self.codecs.clear()
            codec = self.codecs[model_id] = oip.Codec(interface, model_id, self.engine.regions)
        return codec

    def _way(self, start_line: httputil.RequestStartLine) -> tuple[type[Prediction | Inference], str] | None:
        method, path, _ = start_line
        if method == "POST":
            if path.startswith(PREDICT) and (name := _model_id(path[len(PREDICT) :])):
                return Prediction, name
            if infer := INFER.fullmatch(path):
                return Inference, infer[1]
        return None


class _Short(httputil.HTTPMessageDelegate):
    """One request for a prediction. ``told`` is what its head says of it, ``usual`` what most say."""

    __slots__ = ("_body", "_exchange", "_front", "_model_id", "_submitted", "_told")
    route: ClassVar[str]
    usual: ClassVar[Any]

    def __init__(self, front: Front, exchange: Exchange, model_id: str, told: Any, body: bytes = b"") -> None:
        self._front = front
        self._exchange = exchange
        self._model_id = model_id
        self._told = told
        self._body: bytes | bytearray = body
        self._submitted: Entry | Late | None = None

    @staticmethod
    @abc.abstractmethod
    def read(headers: httputil.HTTPHeaders) -> Any:
        """What a head tells."""

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        """Note what the head tells, or refuse it."""
        del start_line
        self._told = self.read(headers)
        if self._front.keyed:
            try:
                self._exchange.who = self._front.entrance.predict(headers, self._model_id).known
            except ZeroMindError as error:
                self._fail(error)
        return None

    @staticmethod
    def as_it_is(told: Any) -> bool:
        """Whether the body need not be expanded."""
        del told
        return True

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
        self.submit()

    def submit(self) -> None:
        """Have it answered; its body is as it is to be read."""
        try:
            self._submitted = self._front.engine.submit(self._model_id, self._decode, self._reply, nbytes=len(self._body))
            self._exchange.close_callback = self.on_connection_close
        except ZeroMindError as error:
            self._fail(error)

    def on_connection_close(self) -> None:
        """The client has left: it needs no answer."""
        if self._submitted is not None:
            self._submitted.withdraw()

    def _reply(self, answer: Answer) -> None:
        submitted, self._submitted = self._submitted, None  # it knows this method: a circle, which would keep body and tensors
        if isinstance(answer, ZeroMindError):
            self._fail(answer)
            return
        try:
            fields, body = self._encode(answer)
        except ZeroMindError as error:
            self._fail(error)
        except Exception:
            _log.exception("an answer of model %r could not be encoded", self._model_id)
            self._fail(ZeroMindError(ErrorKind.PREDICT_UNKNOWN, "the answer cannot be written as JSON; see the server's log"))
        else:
            front, run = self._front, answer.run
            assert submitted is not None, "it was submitted"  # noqa: S101 - a fault of ours
            if run is not front.run:
                front.note(run, submitted.work(run))
            waited_s = front.begun - submitted.since
            if waited_s < 0:
                waited_s = 0.0
            if front.told:
                self._exchange.waited_s, self._exchange.work = waited_s, front.work
            self._respond(fields, body, 1e3 * waited_s)

    def _fail(self, error: ZeroMindError) -> None:
        """Answer with a fault."""
        exchange = self._exchange
        fault = incident.named(error, exchange.request_id.decode(), self.route, self._model_id)
        if self._front.told:
            exchange.fault = fault
        self._refuse(fault)

    def _respond(self, fields: bytes, body: bytes, waited_ms: float) -> None:
        self._exchange.respond(200, fields, body, waited_ms, self._front.work_field)

    @abc.abstractmethod
    def _decode(self, interface: Interface) -> InferRequest: ...

    @abc.abstractmethod
    def _encode(self, answer: InferResponse) -> tuple[bytes, bytes]: ...

    @abc.abstractmethod
    def _refuse(self, fault: ZeroMindError) -> None: ...


class Prediction(_Short):
    """One request to ``/model/predict``."""

    __slots__ = ()
    route = "/model/predict"
    usual = (_JSON, "")

    @staticmethod
    def read(headers: httputil.HTTPHeaders) -> tuple[str, str]:
        """The media type of the body, and what numbers of the answer become that JSON has not."""
        media = headers.get("Content-Type", "")
        return media if media == _JSON else media.partition(";")[0].strip().lower(), headers.get(finite.HEADER, "")

    def _decode(self, interface: Interface) -> InferRequest:
        media, policy = self._told
        if policy:
            finite.check(policy)
        return codec.decode(bytes(self._body), media, interface)

    def _encode(self, answer: InferResponse) -> tuple[bytes, bytes]:
        policy = self._told[1]
        return envelope.FIELDS, codec.encode_response(finite.applied(answer, policy) if policy else answer)

    def _refuse(self, fault: ZeroMindError) -> None:
        self._exchange.respond(envelope.status(fault), envelope.fields(fault), envelope.body(fault))


class Inference(_Short):
    """One request to ``/v2/models/{id}/infer``, in the Open Inference Protocol's JSON, with or without bytes behind it."""

    __slots__ = ("_asked", "_codec")
    route = "/v2/models/{id}/infer"
    usual = terms.USUAL

    @staticmethod
    def read(headers: httputil.HTTPHeaders) -> Terms:
        """Where its JSON ends, and how bodies are compressed."""
        return Terms.of(headers)

    @staticmethod
    def as_it_is(told: Any) -> bool:
        """Whether the body need not be expanded."""
        return not told.came

    def finish(self) -> None:
        """The request is complete: expand its body, and have it answered."""
        if not self._told.came:
            self.submit()
        elif len(self._body) <= terms.AT_ONCE_BYTES // 4:
            self._expanded(self._expand)
        else:
            asyncio.get_running_loop().run_in_executor(None, self._expand).add_done_callback(lambda done: self._expanded(done.result))

    def _expand(self) -> bytes:
        return compression.expanded(self._body, self._told.came, self._front.engine.config.max_body_bytes)

    def _expanded(self, result: Callable[[], bytes]) -> None:
        try:
            self._body = result()
        except ZeroMindError as error:
            self._fail(error)
        else:
            if not self._exchange.over:
                self.submit()

    def _decode(self, interface: Interface) -> InferRequest:
        self._codec = self._front.codec(interface, self._model_id)
        if self._told.non_finite:
            finite.check(self._told.non_finite)
        request, self._asked = self._codec.decode(self._body, self._told.json_bytes)
        return request

    def _encode(self, answer: InferResponse) -> tuple[bytes, bytes]:
        body, json_bytes = self._codec.encode(answer, self._asked, self._told.non_finite)
        return (terms.fields(json_bytes) if json_bytes else envelope.FIELDS), body

    def _respond(self, fields: bytes, body: bytes, waited_ms: float) -> None:
        coding, work = self._told.goes, self._front.work_field
        if not coding:
            self._exchange.respond(200, fields, body, waited_ms, work)
            return
        fields += b"Content-Encoding: %b\r\nVary: Accept-Encoding\r\n" % coding.encode()
        if len(body) <= terms.AT_ONCE_BYTES:
            self._exchange.respond(200, fields, compression.packed(body, coding), waited_ms, work)
            return
        packing = asyncio.get_running_loop().run_in_executor(None, compression.packed, body, coding)
        packing.add_done_callback(lambda done: self._exchange.respond(200, fields, done.result(), waited_ms, work))

    def _refuse(self, fault: ZeroMindError) -> None:
        self._exchange.respond(oip_status.status(fault), terms.fault_fields(fault), oip_status.body(fault))


def _model_id(query: str) -> str:
    """The model's id in what follows ``id=``; empty if it has to be looked for."""
    if "%" in query or "+" in query or "&" in query:
        return ""
    return query
