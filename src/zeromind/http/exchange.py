"""One request's answer: Tornado's HTTPConnection over our transport."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol, cast

from tornado import httputil
from tornado.iostream import IOStream, StreamClosedError

from zeromind.http import envelope
from zeromind.http.fields import lists
from zeromind.observe.request_id import RequestIds
from zeromind.observe.timing import Work

REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_USUAL = b"%bX-Request-Id: %b%d\r\nServer-Timing: queue;dur=%.3f, %b\r\nContent-Length: %d\r\n\r\n"
_OTHER = b"%bX-Request-Id: %b\r\n%bContent-Length: %d\r\n\r\n"
_JOINED = 65_536  # a body of more bytes is not copied behind its head


class Context:
    """Who is at the other end; what HTTPServerRequest looks for in ``connection.context``."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self.address: object = None
        self.address_family: int | None = None
        self.protocol = "http"
        if transport is not None:
            self.address = transport.get_extra_info("peername")
            sock = transport.get_extra_info("socket")
            self.address_family = sock and sock.family
            if transport.get_extra_info("sslcontext") is not None:
                self.protocol = "https"
        # A Unix socket has no address of its own; what Tornado's server says then.
        self.remote_ip = str(self.address[0]) if isinstance(self.address, tuple) and self.address else "0.0.0.0"  # noqa: S104 - it is shown, not listened on

    def __str__(self) -> str:
        return self.remote_ip


class Socket:
    """As much of Tornado's stream as handlers use under ``connection.stream``."""

    def __init__(self, exchange: Exchange, transport: asyncio.Transport) -> None:
        self._exchange = exchange
        self._transport = transport

    @property
    def socket(self) -> Any:
        """The socket, for its options and addresses; with TLS the object that has ``getpeercert``."""
        return self._transport.get_extra_info("ssl_object") or self._transport.get_extra_info("socket")

    def closed(self) -> bool:
        """Whether the client is gone, or the request over."""
        return self._exchange.over

    def close(self) -> None:
        """Close the connection at once."""
        self._exchange.close()

    def set_nodelay(self, value: bool) -> None:
        """Nothing: the event loop sets TCP_NODELAY on every connection."""


class Asked(Protocol):
    """What an exchange needs of its request's head, as ``http.head`` has it."""

    start_line: httputil.RequestStartLine
    fields: dict[str, str]
    length: int | None
    modern: bool
    request_id: bytes


class Told(Protocol):
    """Who is told of answers, as ``http.trail`` has it."""

    def answered(self, exchange: Exchange, status: int, received: int) -> None:
        """An answer is complete."""


class Place(Protocol):
    """What the connections of a listener share, as ``http.site`` has it."""

    ids: RequestIds

    @property
    def number(self) -> Callable[[], int]:
        """Gives their next."""

    @property
    def trail(self) -> Told | None:
        """Who is told of each answer, if somebody is."""


class Wire(Protocol):
    """What an exchange needs of its connection."""

    @property
    def site(self) -> Place:
        """What it shares with others."""

    context: Context
    drained: asyncio.Future[None]
    transport: asyncio.Transport

    def send(self, data: bytes) -> None:
        """Write, or keep to write."""

    def answered(self) -> None:
        """The answer is complete."""

    def detach(self, head: bytes) -> IOStream:
        """Give the socket away, ``head`` to be written first."""

    def abort(self) -> None:
        """Close at once."""


class Exchange(httputil.HTTPConnection):
    """Writes the answer to one request; of no use, and harmless, once that is complete or the client is gone."""

    # What every request looks at is the instance's: looked up here it takes thrice as long.
    body_timeout: float | None = None
    max_body_bytes = 0
    read_finished = False
    handed = False
    """Whether the application has been told that the request is complete."""
    close_callback: Callable[[], None] | None = None
    began = 0.0
    """When its head had come, on the monotonic clock, if somebody is told of it; what follows is for them."""
    status = 0
    """Of the answer, once it has begun; 0 while nothing of it has been written."""
    sent = 0
    """Bytes of the answer's body so far."""
    who = ""
    """The name of the key that it was asked with."""
    model = ""
    route = ""
    waited_s = 0.0
    work: Work | None = None
    fault: BaseException | None = None
    """Why the answer is none that was asked for."""
    _chunked = False
    _remaining: int | None = None  # body bytes until Content-Length; None without one
    _upgrade = b""

    def __init__(self, wire: Wire, head: Asked) -> None:
        site = wire.site
        self.context = wire.context
        self.head = head
        self.keep_alive = True
        self.also = b""
        """Header lines that belong into the answer, whoever gives it."""
        self._ids = site.ids
        self.number = site.number()
        if site.trail is not None:
            self.began = time.monotonic()
        self._wire: Wire | None = wire

    @property
    def request_id(self) -> bytes:
        """What the request is called, by its client or by us."""
        return self.head.request_id or self._ids.name(self.number)

    @property
    def start_line(self) -> httputil.RequestStartLine:
        """The request's."""
        return self.head.start_line

    # what Tornado's own connection offers beside the interface

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """What to call, once, when the client leaves between its request's end and the answer's."""
        self.close_callback = callback

    def set_max_body_size(self, max_body_size: int) -> None:
        """The limit for this request's body, in bytes; to be called before the body is read."""
        self.max_body_bytes = max_body_size

    def set_body_timeout(self, timeout: float) -> None:
        """The seconds for this request's body; to be called before the body is read."""
        self.body_timeout = timeout

    def close(self) -> None:
        """Close the connection at once."""
        if self._wire is not None:
            self._wire.abort()

    @property
    def over(self) -> bool:
        """Whether nothing can be written any more."""
        return self._wire is None

    @property
    def stream(self) -> Socket:
        """The connection below. Raises StreamClosedError without a client."""
        if self._wire is None:
            raise StreamClosedError
        return Socket(self, self._wire.transport)

    def detach(self) -> IOStream:
        """The socket, as a stream of Tornado's, for another protocol; HTTP ends here. Raises StreamClosedError without a client."""
        if self._wire is None:
            raise StreamClosedError
        trail = self._wire.site.trail
        stream = self._wire.detach(self._upgrade)
        if trail is not None:
            trail.answered(self, 101, 0)
        return stream

    def cut(self) -> None:
        """Forget the connection: later writes fail with StreamClosedError."""
        self._wire = None

    def release(self) -> None:
        """Forget the connection and the application."""
        self._wire = None
        self.close_callback = None

    def respond(self, code: int, fields: bytes, body: bytes, waited_ms: float = 0.0, work: bytes = b"") -> None:
        """Write a whole answer at once; ``fields`` are header lines, each with its CR LF. Nothing happens without a client.

        Of a prediction it is told how long it waited, and what else ``Server-Timing`` has.
        """
        wire = self._wire
        if wire is None:
            return
        self.status, self.sent, head = code, len(body), self.head
        if self.also:
            fields = self.also + fields
        if not (self.keep_alive and self.read_finished and head.modern):
            self.keep_alive = self.keep_alive and self.read_finished
            fields += b"Connection: Keep-Alive\r\n" if self.keep_alive else b"Connection: close\r\n"
        if work and not head.request_id:
            data = _USUAL % (
                _USUAL_OPENINGS.get(fields) or _opening(code, fields),
                self._ids.prefix,
                self.number,
                waited_ms,
                work,
                len(body),
            )
        else:
            timing = b"Server-Timing: queue;dur=%.3f, %b\r\n" % (waited_ms, work) if work else b""
            data = _OTHER % (_opening(code, fields), self.request_id, timing, len(body))
        if len(body) < _JOINED:
            wire.send(data + body)
        else:
            wire.send(data)
            wire.send(body)
        wire.answered()

    # the interface

    def write_headers(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
        chunk: bytes | None = None,
    ) -> asyncio.Future[None]:
        """Write the head, and the first bytes of the body. The future is done when the client keeps up.

        Raises ValueError for a CR or LF inside a field, HTTPOutputError for more body than Content-Length.
        """
        wire = self._wire
        if wire is None:
            return closed()
        _, code, reason = cast("httputil.ResponseStartLine", start_line)
        fields = lists(headers)
        if code >= 200 and not self._framed(code, fields):
            self._frame(code, headers)
            fields = lists(headers)
        lines = [f"{name}: {value}\r\n" for name, values in fields.items() for value in values]
        text = f"HTTP/1.1 {code} {reason}\r\n{''.join(lines)}\r\n"
        if not len(lines) + 2 == text.count("\n") == text.count("\r"):
            raise ValueError("a field of the answer contains CR or LF")
        head = text.encode("latin1")
        if code >= 200 or code == 101:  # the others come before the answer
            own = b"" if "X-Request-Id" in fields else b"X-Request-Id: %b\r\n" % self.request_id
            head = b"%b%b%b\r\n" % (head[:-2], own, self.also)
            self.status = min(code, 999)
        if code == 101:
            self._upgrade = head
        elif not chunk:
            wire.send(head)
        elif len(chunk) < _JOINED:
            wire.send(head + self._body(chunk))
        else:
            chunk = self._body(chunk)
            wire.send(head)
            wire.send(chunk)
        return wire.drained

    def write(self, chunk: bytes) -> asyncio.Future[None]:
        """Write bytes of the body. The future is done when the client keeps up. Raises HTTPOutputError beyond Content-Length."""
        wire = self._wire
        if wire is None:
            return closed()
        if chunk:
            wire.send(self._body(chunk))
        return wire.drained

    def finish(self) -> None:
        """End the answer. Raises HTTPOutputError when Content-Length promised more."""
        wire = self._wire
        if wire is None:
            return
        if self._upgrade:
            asyncio.get_running_loop().call_soon(self._unclaimed)
            return
        if self._remaining:
            wire.abort()
            raise httputil.HTTPOutputError(f"Tried to write {self._remaining} bytes less than Content-Length")
        if self._chunked:
            wire.send(b"0\r\n\r\n")
        wire.answered()

    def _unclaimed(self) -> None:
        """A 101 was answered, and when the loop turned its handler had not detached: the connection ends behind the head."""
        if self._wire is not None:
            self.keep_alive = False
            self._wire.send(self._upgrade)
            self._wire.answered()

    def _framed(self, code: int, fields: Mapping[str, list[str]]) -> bool:
        """Whether the fields need no addition, as those of nearly every answer."""
        lengths = fields.get("Content-Length")
        if lengths is None or "Connection" in fields or not self.keep_alive or not self.read_finished or code in (204, 304):
            return False
        method, _, version = self.start_line
        length = lengths[0]
        if method == "HEAD" or version != "HTTP/1.1" or len(lengths) > 1 or not (length.isascii() and length.isdigit()):
            return False
        self._remaining = int(length)
        return True

    def _frame(self, code: int, headers: httputil.HTTPHeaders) -> None:
        """How the body ends, and whether the connection lives on (RFC 9112 sections 6.3 and 9.3)."""
        method, _, version = self.start_line
        bodiless = method == "HEAD" or code in (204, 304)
        modern = version == "HTTP/1.1"
        if "Content-Length" in headers:
            length = headers["Content-Length"]
            if not (length.isascii() and length.isdigit()):
                raise ValueError(f"Content-Length of the answer is no number: {length!r}")
            self._remaining = 0 if bodiless else int(length)
        elif bodiless:
            self._remaining = 0
        elif modern:
            self._chunked = True
            headers["Transfer-Encoding"] = "chunked"
        else:
            self.keep_alive = False  # only closing tells an HTTP/1.0 client where such a body ends
        if not self.read_finished or ("Connection" in headers and headers["Connection"].lower() == "close"):
            self.keep_alive = False
        if modern and not self.keep_alive:
            headers["Connection"] = "close"
        elif self.keep_alive and not modern:
            headers["Connection"] = "Keep-Alive"

    def _body(self, chunk: bytes) -> bytes:
        self.sent += len(chunk)
        if self._chunked:
            return b"%x\r\n%b\r\n" % (len(chunk), chunk)
        if self._remaining is not None:
            self._remaining -= len(chunk)
            if self._remaining < 0:
                if self._wire is not None:
                    self._wire.abort()
                raise httputil.HTTPOutputError("Tried to write more data than Content-Length")
        return chunk


@functools.lru_cache(256)
def _opening(code: int, fields: bytes) -> bytes:
    return b"HTTP/1.1 %d %b\r\n%b" % (code, REASONS[code], fields)


_USUAL_OPENINGS = {envelope.FIELDS: _opening(200, envelope.FIELDS)}


def closed() -> asyncio.Future[None]:
    """A future that says that the client is gone; it may be dropped."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_exception(StreamClosedError())
    future.exception()  # retrieved: nobody need await it
    return future
