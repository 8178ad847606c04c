"""What every request handler of the pool stands on: the engine, bounded bodies, JSON, the error envelope.

The third door: a class in one of the pool's ``handler_folders``

    class Hello(Handler):
        route = "/hello"

        async def get(self):
            self.send({"models": self.engine.registry.ids()})

answers its ``route`` (a regular expression; its groups are the method's arguments) with Tornado's ways and these additions. Where the
pool has keys, its ``scopes`` say which key may ask it: ``scopes = {"GET": Scope.READ}``; without them one that may manage the pool.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, ClassVar, TypeVar, cast

import orjson
import tornado.web

from zeromind import strictjson
from zeromind.access.scope import Caller, Scope
from zeromind.codecs import finite, oip_fault
from zeromind.engine import Engine
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import envelope
from zeromind.http.entrance import asked_by
from zeromind.http.exchange import Exchange
from zeromind.http.operation import ZEROMIND, Dialect, Operation
from zeromind.limits import JSON
from zeromind.observe import incident, timing
from zeromind.observe.timing import Work
from zeromind.tensors import InferRequest, InferResponse, Interface

T = TypeVar("T")


@tornado.web.stream_request_body
class Handler(tornado.web.RequestHandler):
    """A request handler that knows the pool's engine."""

    route: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    """What the route does, in one sentence, for the list of routes."""
    shown: ClassVar[str] = ""
    """How the list of routes writes the route, where the expression itself is not fit to be read: ``{name}`` is any part of a
    path, ``[what may stand]`` there or not, ``(one|or|another)``."""
    dialect: ClassVar[Dialect] = ZEROMIND
    """The form of its errors, and where the list of routes puts it."""
    operations: ClassVar[Mapping[str, Operation]] = {}
    """By method, what it takes and gives."""
    scopes: ClassVar[Mapping[str, Scope]] = {}
    """By method, what it needs of a key; ``manage`` where nothing is said."""
    for_some_models: ClassVar[bool] = False
    """Whether keys that are for some models only may ask it although it names none: it tells of no others."""

    def initialize(self, engine: Engine) -> None:
        """Take the engine that the application was made with."""
        self.engine = engine
        self._parts: list[bytes] = []
        self._work: asyncio.Future[Any] | None = None
        self._left = False

    def set_default_headers(self) -> None:
        """Name the server as the original did."""
        self.set_header("Server", "0Mind")

    def prepare(self) -> Awaitable[None] | None:
        """Refuse a method that is not answered before the body is read."""
        if not self._has(self.request.method):
            raise self._misdirected()
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Gather the body, which the transport bounds."""
        self._parts.append(chunk)
        return None

    @property
    def body(self) -> bytes:
        """The whole request body."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    @property
    def content_type(self) -> str:
        """The media type of the body, lower case, without parameters."""
        return self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def non_finite(self) -> str:
        """What numbers of the answer become that JSON has not; empty for the dialect's own way. Raises REQUEST_ATTRIBUTE."""
        policy: str = self.request.headers.get(finite.HEADER, "")
        finite.check(policy)
        return policy

    def json_object(self, kind: ErrorKind) -> dict[str, Any]:
        """The body as a JSON object. Raises CONTENT_TYPE, or ``kind`` if it is none."""
        if self.content_type != "application/json":
            raise ZeroMindError(ErrorKind.CONTENT_TYPE, "the request needs the header Content-Type: application/json", self.content_type)
        return self.object_in(self.body, kind)

    @staticmethod
    def object_in(body: bytes, kind: ErrorKind) -> dict[str, Any]:
        """The JSON object in a text. Raises ``kind`` if it is none, or one that no client may send."""
        try:
            data = strictjson.loads(body, values=JSON.plain)
            orjson.dumps(data)  # an integer of more than 64 bits, which cannot be sent back
        except (ValueError, TypeError) as error:
            reason = f"it is not JSON: {error}" if body.strip() else "it is empty"
            raise ZeroMindError(kind, f"the body must be a JSON object: {reason}") from None
        if not isinstance(data, dict):
            raise ZeroMindError(kind, f"the body must be a JSON object, not {type(data).__name__}")
        return data

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return asked_by(self.request).caller

    def is_about(self, model_id: str) -> None:
        """Note the model that a body names. Raises PERMISSION_DENIED if it is not for the caller's key."""
        asked_by(self.request).model = self.exchange.model = model_id
        self.caller.check_model(model_id)

    @property
    def exchange(self) -> Exchange:
        """The answer as it is written, and what is noted of the request."""
        return cast("Exchange", self.request.connection)

    @property
    def request_id(self) -> str:
        """What the request is called in logs, and in its answer."""
        return self.exchange.request_id.decode()

    async def infer(self, model_id: str, decode: Callable[[Interface], InferRequest], nbytes: int) -> InferResponse:
        """The answer of a model to the request that ``decode`` makes of so many bytes, its times noted. Raises the request's fault."""
        self.exchange.model = model_id
        return await self.engine.infer(model_id, decode, nbytes, self._timed)

    def _timed(self, waited_s: float, work: Work) -> None:
        self.exchange.waited_s, self.exchange.work = waited_s, work
        self.set_header("Server-Timing", timing.field(waited_s, work))

    async def unless_left(self, work: Coroutine[Any, Any, T]) -> T:
        """What some work gives, which ends when the client leaves, and with it the handler."""
        working: asyncio.Task[T] = asyncio.create_task(work)
        self._work = working
        try:
            return await working
        except asyncio.CancelledError:
            if self._left:
                raise tornado.web.Finish from None  # else Tornado takes it for a fault
            raise

    def on_connection_close(self) -> None:
        """The client has left: it needs no answer."""
        self._left = True
        if self._work is not None:
            self._work.cancel()

    def argument(self, name: str) -> str:
        """A query argument. Raises REQUEST_ATTRIBUTE if it is missing or empty."""
        value = self.get_query_argument(name, "") or ""
        if not value:
            raise ZeroMindError(
                ErrorKind.REQUEST_ATTRIBUTE, f"the request needs the query argument {name!r}: {self.request.path}?{name}=…", name
            )
        return value

    def send(self, answer: Any) -> None:
        """Finish with JSON: bytes as they are, anything else encoded."""
        self.set_header("Content-Type", "application/json")
        self.finish(answer if isinstance(answer, bytes) else orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer a fault with the envelope; of an unknown one the client learns no more than an id to quote."""
        error = self._known(status_code, kwargs.get("exc_info", (None, None, None))[1])
        if self.exchange.began:
            self.exchange.fault = error
        self.set_status(self.status_of(error))
        self.set_header(oip_fault.KIND, error.kind.name)
        if error.kind in envelope.RETRYABLE:
            self.set_header("Retry-After", str(envelope.RETRY_AFTER_S))
        if error.kind is ErrorKind.UNAUTHENTICATED:
            self.set_header("WWW-Authenticate", envelope.CHALLENGE)
        if error.kind is ErrorKind.METHOD_NOT_ALLOWED:
            self.set_header("Allow", self._allowed())
        self.send(self.encode_error(error))

    def encode_error(self, error: ZeroMindError) -> bytes:
        """The body of a fault's answer, in the handler's dialect."""
        return envelope.body(error)

    def status_of(self, error: ZeroMindError) -> int:
        """The status of a fault's answer, in the handler's dialect."""
        return envelope.status(error)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Leave known faults to the access log; ``write_error`` logs the others with their id."""

    def _hint(self) -> str:
        """What helps one who has put a route that wants data into a browser's line."""
        get = self.request.method == "GET" and "POST" in self._allowed()
        return ": the data are the body (curl -d …); a browser has forms at /console" if get else ""

    def _misdirected(self) -> ZeroMindError:
        """What to say to a method that the route does not answer."""
        text = f"{self.request.path} answers {self._allowed()}, not {self.request.method}{self._hint()}"
        return ZeroMindError(ErrorKind.METHOD_NOT_ALLOWED, text, self.request.method)

    def _known(self, status_code: int, cause: BaseException | None) -> ZeroMindError:
        if isinstance(cause, tornado.web.HTTPError) and status_code == 405:  # a method that Tornado has never heard of
            return self._misdirected()
        if isinstance(cause, tornado.web.HTTPError) and 400 <= status_code < 500:
            return ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, cause.log_message or cause.reason or "the request cannot be understood")
        error = cause or RuntimeError(f"the handler answered {status_code}")
        fault = incident.named(error, self.request_id, self.request.path, self.exchange.model)
        if fault is error or not self.engine.config.debug:
            return fault
        return ZeroMindError(fault.kind, fault.message, *fault.params, *traceback.format_exception(error))

    @classmethod
    def methods(cls) -> list[str]:
        """The HTTP methods that it answers."""
        return [method for method in cls.SUPPORTED_METHODS if cls._has(method)]

    @classmethod
    def _has(cls, method: str) -> bool:
        name = method.lower()
        return getattr(cls, name) is not getattr(tornado.web.RequestHandler, name)

    def _allowed(self) -> str:
        return ", ".join(self.methods())


class Refusal(Handler):
    """What a request is answered in place of its handler, in that one's dialect."""

    def initialize(self, engine: Engine, fault: ZeroMindError | None = None, like: type[Handler] = Handler) -> None:
        """Take the fault and the handler."""
        super().initialize(engine)
        self._fault = fault
        self._like = like

    def prepare(self) -> Awaitable[None] | None:
        """Refuse at once."""
        raise self._misdirected()

    def encode_error(self, error: ZeroMindError) -> bytes:
        """As the handler would."""
        return self._like.encode_error(self, error)

    def status_of(self, error: ZeroMindError) -> int:
        """As the handler would."""
        return self._like.status_of(self, error)

    def _misdirected(self) -> ZeroMindError:
        return self._fault or super()._misdirected()


class Preflight(Handler):
    """What a browser is told that asks whether a page of a trusted origin may send what it is about to (CORS)."""

    scopes: ClassVar[Mapping[str, Scope]] = {"OPTIONS": Scope.OPEN}

    def options(self) -> None:
        """That it may; the origin itself is named in every answer to it."""
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
        wanted = self.request.headers.get("Access-Control-Request-Headers", "")
        self.set_header("Access-Control-Allow-Headers", wanted[:1000] or "Content-Type")
        self.set_header("Access-Control-Max-Age", "600")
        self.set_status(204)
        self.finish()


class NotFound(Handler):
    """Any route that nobody answers."""

    def prepare(self) -> Awaitable[None] | None:
        """Refuse at once."""
        raise self._misdirected()

    def _misdirected(self) -> ZeroMindError:
        return ZeroMindError(ErrorKind.ROUTE_NOT_FOUND, f"there is no route {self.request.path}; /docs lists them all", self.request.path)
