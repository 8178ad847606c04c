"""What the connections of one listener share."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Protocol, runtime_checkable

from tornado import httputil

from zeromind.http.exchange import Exchange
from zeromind.http.head import Answering, Head
from zeromind.http.parser import Parser, Refused
from zeromind.http.trail import LEFT, Trail
from zeromind.limits import HttpLimits
from zeromind.observe.request_id import RequestIds

_log = logging.getLogger(__name__)

_MOST_HEADS = 1024
_MOST_SEEN = 4096
_MOST_HEAD_BYTES = 2048


def plain(_status: int, message: str) -> tuple[str, bytes]:
    """The body of a refusal where nobody says otherwise: its content type and its bytes."""
    return "text/plain; charset=utf-8", message.encode() + b"\n"


class Connection(Protocol):
    """What a listener asks of its connections."""

    deadline: float

    def expire(self, now: float) -> None:
        """The deadline has passed."""

    def drain(self) -> None:
        """Close behind the request under way."""

    def abort(self) -> None:
        """Close at once."""


@runtime_checkable
class Hurried(Protocol):
    """An application that answers some requests by a short way: whole, and known by their head alone."""

    def shortcut(self, start_line: httputil.RequestStartLine, headers: httputil.HTTPHeaders) -> Answering | None:
        """What answers every request with this head, given its body; None for the usual way."""


@runtime_checkable
class Guarded(Protocol):
    """An application that not everybody may ask: it looks at every head before anything else, once at those that come again."""

    def admit(self, start_line: httputil.RequestStartLine, fields: Mapping[str, str], address: str) -> bytes:
        """The header lines that belong into every answer to it. Raises Refused."""


@dataclasses.dataclass(slots=True)
class Site:
    """An application, its bounds, and who is connected to it."""

    application: httputil.HTTPServerConnectionDelegate
    limits: HttpLimits
    loop: asyncio.AbstractEventLoop
    error_body: Callable[[int, str], tuple[str, bytes]] = plain
    server: str = ""
    """The Server field of refusals; nothing when empty."""
    ids: RequestIds = dataclasses.field(default_factory=RequestIds)
    trail: Trail | None = None
    """Who is told of each answer, if somebody is."""
    answers: list[int] = dataclasses.field(default_factory=lambda: [0] * 1000)
    """How many there were, by status."""
    connections: set[Connection] = dataclasses.field(default_factory=set)
    heads: dict[bytes, Head] = dataclasses.field(default_factory=dict)
    """By their bytes, those that came more than once."""
    draining: bool = False
    emptied: asyncio.Future[None] | None = None
    """Done when the last connection closes, where somebody waits for that."""
    number: Callable[[], int] = dataclasses.field(init=False)
    """That of the next request."""
    done: asyncio.Future[None] = dataclasses.field(init=False)
    """What a write returns that need not be waited for."""
    _seen: set[int] = dataclasses.field(init=False, default_factory=set)  # hashes of heads
    _guarded: Guarded | None = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.number = self.ids.number
        self.done = self.loop.create_future()
        self.done.set_result(None)
        self._guarded = self.application if isinstance(self.application, Guarded) else None

    def lost(self, connection: Connection) -> None:
        """A connection has closed."""
        self.connections.discard(connection)
        if self.emptied is not None and not self.connections and not self.emptied.done():
            self.emptied.set_result(None)

    def head(self, data: bytes, parser: Parser) -> Head:
        """The head whose bytes are ``data``, with which the parser's next request begins. Raises Refused."""
        head = self.heads.get(data)
        if head is None:
            head = parser.read(data)
            if hash(data) in self._seen:
                self._keep(data, head)
            else:  # many come but once, with the name of a trace in them: to keep those would cost more than it brings
                if len(self._seen) >= _MOST_SEEN:
                    self._seen.clear()
                self._seen.add(hash(data))
        parser.begin(head)
        return head

    def _keep(self, data: bytes, head: Head) -> None:
        if head.length is None or len(data) > _MOST_HEAD_BYTES:  # a chunked body is llhttp's, which has to have read its head
            return
        if len(self.heads) >= _MOST_HEADS:
            del self.heads[next(iter(self.heads))]
        self.heads[data] = head
        head.kept = True
        ordinary = head.keep_alive and not head.expects_continue
        if ordinary and 0 < head.length <= self.limits.body_bytes and isinstance(self.application, Hurried):
            head.answering = self.application.shortcut(head.start_line, head.headers())

    def admit(self, head: Head, exchange: Exchange) -> None:
        """Have the application look at a request's head. Raises Refused."""
        if self._guarded is not None and not head.admitted:
            head.also = self._guarded.admit(head.start_line, head.fields, exchange.context.remote_ip)
        head.admitted = True
        exchange.also = head.also

    def refused(self, refused: Refused, exchange: Exchange | None, address: str, received: int) -> bytes:
        """The name of a request that is refused in the application's stead, or of what is none; noted."""
        self.answers[refused.status] += 1
        if exchange is None:
            request_id = self.ids.make()
            if self.trail is not None:
                self.trail.refused(refused.status, address, request_id)
            return request_id
        if self.trail is not None:
            exchange.fault = exchange.fault or refused
            self.trail.answered(exchange, exchange.status or refused.status, received)
        return exchange.request_id

    def left(self, exchange: Exchange | None, received: int) -> None:
        """A client has gone before its request was answered in full."""
        if exchange is not None:
            self.answers[LEFT] += 1
            if self.trail is not None:
                self.trail.answered(exchange, exchange.status or LEFT, received)

    def forget(self) -> None:
        """Have every head read, and decided over, anew."""
        self.heads.clear()

    def fault(self, error: BaseException, exchange: Exchange | None) -> Refused:
        """What a client hears of an exception of its delegate's: of one that is not its own fault, no more than an id to quote."""
        if isinstance(error, Refused):
            return error
        if isinstance(error, httputil.HTTPInputError):
            return Refused(400, str(error))
        name = (exchange.request_id if exchange is not None else self.ids.make()).decode()
        _log.error("unknown error %s: a delegate failed", name, exc_info=error, extra={"request_id": name})
        return Refused(500, f"an unknown error; the server's log tells more under {name}")

    def refusal(self, refused: Refused, request_id: bytes, *, bodiless: bool) -> bytes:
        """The answer in the application's stead, after which the connection closes."""
        content_type, body = self.error_body(refused.status, refused.message)
        lines = [f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}"]
        if self.server:
            lines.append(f"Server: {self.server}")
        lines.append(f"X-Request-Id: {request_id.decode()}")
        if refused.status == HTTPStatus.SERVICE_UNAVAILABLE:
            lines.append("Retry-After: 1")
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}", "Connection: close", "\r\n"]
        return "\r\n".join(lines).encode() + (b"" if bodiless else body)
