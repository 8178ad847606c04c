"""One connection: bytes in, Tornado's delegates called, answers out.

It knows ``tornado.httputil`` and nothing of what is served. One request is in the application's hands at a time; what a client sends
ahead of its answer waits, at first here and then, reading being paused, in the kernel.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, cast

from tornado import httputil
from tornado.iostream import IOStream, StreamClosedError

from zeromind.http.exchange import Context, Exchange
from zeromind.http.head import Head
from zeromind.http.inbox import Inbox
from zeromind.http.pace import Pace
from zeromind.http.parser import HEAD_END, Refused
from zeromind.http.routing import found
from zeromind.http.site import Site
from zeromind.http.upgrade import detached

_log = logging.getLogger(__name__)
_NOBODY = httputil.HTTPMessageDelegate()


class HTTPProtocol(asyncio.Protocol):
    """One connection, from accept to close."""

    def __init__(self, site: Site) -> None:
        self.context = Context(None)
        self.drained = site.done
        """Done unless the client is slower than the answer: then when it has caught up."""
        self.deadline = math.inf
        """When ``expire`` is to be called, on the loop's clock."""
        self.site = site
        self._limits = site.limits
        self._inbox = Inbox(site)
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._exchange: Exchange | None = None
        self._delegate = _NOBODY
        self._waiting: asyncio.Future[Any] | None = None
        self._consuming = False  # a synchronous answer must not begin the next request below itself
        self.ending = self._paused = False
        self._dropped = 0
        self._body_began = self._held_since = 0.0
        self._pace = Pace(site.limits)

    # called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or refuse it when there are too many."""
        self.transport = cast("asyncio.Transport", transport)
        self.context = Context(self.transport)
        connections = self.site.connections
        connections.add(self)
        self.deadline = self.site.loop.time() + self._limits.header_s
        if len(connections) > 2 * self._limits.connections:  # refusing has its price, too
            self.abort()
        elif len(connections) > self._limits.connections:
            self._refuse(Refused(503, f"the server has its {self._limits.connections} connections: try again later"))

    def data_received(self, data: bytes) -> None:
        """Parse and deliver as far as the application is ready for it."""
        if self.ending:
            self._dropped += len(data)
            if self._dropped > self._limits.linger_bytes and not self._paused:
                self._paused = True
                self.transport.pause_reading()
            return
        inbox = self._inbox
        if self._exchange is None and not inbox.data and self._take_whole(data):
            return
        inbox.add(data)
        self._consume()
        if len(inbox) > self._limits.head_bytes and not self._paused and self._blocked():
            self._paused = True
            self.transport.pause_reading()

    def eof_received(self) -> None:
        """Close: a client that has shut down its side cannot be told from one that left."""

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell whoever works for this client that it is gone."""
        self.ending = True
        if not self.drained.done():
            self.drained.set_exception(StreamClosedError())
            self.drained.exception()  # retrieved: nobody need await it
        self.site.left(self._exchange, self._inbox.parser.received)
        self._forsake()
        self._inbox.close()
        self.site.lost(self)
        self.site.application.on_close(self)

    def pause_writing(self) -> None:
        """The client is slower than the answer."""
        self.drained = self.site.loop.create_future()
        now = self.site.loop.time()
        self._pace.begin(self.transport.get_write_buffer_size(), now)
        self.deadline = min(self.deadline, now + self._limits.write_s)

    def resume_writing(self) -> None:
        """The client has caught up."""
        if not self.drained.done():
            self.drained.set_result(None)
        self.drained = self.site.done
        if not self.ending:
            self._set_deadline()
            self._continue()

    # called by the exchange

    def send(self, data: bytes) -> None:
        """Write."""
        if self.drained is not self.site.done:
            self._pace.unsent += len(data)
        self.transport.write(data)

    def answered(self) -> None:
        """The answer is complete: close, or go on with the next request."""
        exchange, site = self._exchange, self.site
        if exchange is None:
            return
        site.answers[exchange.status] += 1
        if site.trail is not None:
            site.trail.answered(exchange, exchange.status, self._inbox.parser.received)
        self._release()
        if exchange.read_finished and exchange.keep_alive:  # also while draining: an answer that did not say so is not the last
            if self.drained is site.done:
                self.deadline = site.loop.time() + self._limits.idle_s
            if (self._inbox.data or self._paused) and not self._consuming:
                site.loop.call_soon(self._continue)
        else:
            self._end(linger=not exchange.read_finished or bool(self._inbox.data))

    def detach(self, head: bytes) -> IOStream:
        """The socket as a stream of Tornado's, ``head`` written first. Raises StreamClosedError over TLS, or behind a stuck answer."""
        if self.ending or self.transport.get_write_buffer_size() or self.context.protocol != "http":
            self.abort()
            raise StreamClosedError
        stream = detached(self.transport, self._inbox.rest(), head)
        self._release()
        self.abort()
        return stream

    def abort(self) -> None:
        """Close at once."""
        self.ending = True
        if self._exchange is not None:
            self._exchange.cut()
        self.transport.abort()

    def expire(self, now: float) -> None:
        """The deadline has passed: grant more time where the client keeps its rate, else answer 408 or close."""
        limits = self._limits
        if self.ending or self.drained is not self.site.done:
            if self._pace.kept(self.transport.get_write_buffer_size(), now):
                self.deadline = now + min(limits.linger_s, limits.write_s)
            else:
                self.abort()
        elif self._exchange is not None:
            self._set_deadline()
            if self.deadline <= now:
                self._refuse(Refused(408, "the request body did not come in time"))
        elif self._inbox.data:
            self._refuse(Refused(408, "the request head did not come in time"))
        else:
            self._end(linger=False)

    def drain(self) -> None:
        """Close; when a request is under way, behind its answer."""
        if self._exchange is not None:
            self._exchange.keep_alive = False
        elif not self._inbox.data and not self.ending:
            self._end(linger=False)

    def _blocked(self) -> bool:
        """Whether somebody has to do something before more is read."""
        if self._waiting is not None:
            return True
        if self._exchange is None:
            return self.drained is not self.site.done
        return self._exchange.read_finished

    def _continue(self) -> None:
        """Read on, if nothing is in the way."""
        if self.ending or self._consuming:
            return
        self._consume()
        if self._paused and not self.ending and not self._blocked():
            self._paused = False
            self.transport.resume_reading()

    def _take_whole(self, data: bytes) -> bool:
        """Begin a request that came whole and whose head is known; False if it is not so."""
        site = self.site
        end = data.find(HEAD_END) + len(HEAD_END)
        head = site.heads.get(data[:end])
        if head is None or head.length != len(data) - end or self.drained is not site.done:
            return False
        try:
            if head.answering is not None and not site.draining:
                exchange = self._exchange = Exchange(self, head)
                exchange.read_finished = exchange.handed = True
                self.deadline = math.inf
                head.answering(exchange, data[end:])
            elif head.length > self._limits.piece_bytes:
                return False
            else:
                self._inbox.whole(head, data, end)
                self._begin(head)
        except Exception as error:
            self._refuse(site.fault(error, self._exchange))
        return True

    def _consume(self) -> None:
        """Read on in what has come."""
        self._consuming, inbox = True, self._inbox
        try:
            while inbox.data and not self.ending:
                exchange = self._exchange
                if exchange is None:
                    if self.drained is not self.site.done or not self._read_head():
                        return
                elif exchange.read_finished or self._waiting is not None:
                    return
                else:
                    self._read_body(exchange)
        except Refused as refused:
            self._refuse(refused)
        finally:
            self._consuming = False
            if self.ending:
                inbox.clear()

    def _read_head(self) -> bool:
        """Begin the next request; False when its head is not complete."""
        begun = self._inbox.searched
        head = self._inbox.head()
        if head is not None:
            self._begin(head)
        elif not begun:
            self.deadline = self.site.loop.time() + self._limits.header_s
        return head is not None

    def _begin(self, head: Head) -> None:
        """Tell the application of the next request."""
        site = self.site
        exchange = self._exchange = Exchange(self, head)
        exchange.keep_alive, exchange.read_finished = head.keep_alive and not site.draining, head.length == 0
        exchange.max_body_bytes = self._limits.body_bytes
        self.deadline = math.inf
        if head.also or not head.admitted:
            site.admit(head, exchange)
        headers = head.headers()
        try:
            delegate = self._delegate = site.application.start_request(self, exchange)
            delegate = self._delegate = found(delegate, head, headers)
            result = delegate.headers_received(head.start_line, headers)
        except Exception as error:
            raise site.fault(error, self._exchange) from None
        if result is not None:
            self._hold(result, self._head_delivered)
        elif exchange.read_finished and self._exchange is exchange:
            self._request_delivered(exchange)
        else:
            self._head_delivered()

    def _head_delivered(self) -> None:
        exchange = self._exchange
        if exchange is None:  # answered or detached already
            return
        if exchange.read_finished:
            self._request_delivered(exchange)
            return
        inbox = self._inbox
        length = inbox.parser.length
        if length is not None and length > exchange.max_body_bytes:
            raise Refused(413, f"the request body has more than {exchange.max_body_bytes} bytes")
        self._body_began = self.site.loop.time()
        if length is not None and length <= len(inbox):
            self._read_body(exchange)
            return
        self._set_deadline()
        if inbox.parser.expects_continue and not exchange.status and not inbox.data:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_body(self, exchange: Exchange) -> None:
        piece = self._inbox.body(exchange.max_body_bytes)
        if piece:
            try:
                result = self._delegate.data_received(piece)
            except Exception as error:
                raise self.site.fault(error, self._exchange) from None
            if result is not None:
                self._hold(result, self._body_delivered)
                return
        self._body_delivered()

    def _body_delivered(self) -> None:
        if self._inbox.parser.complete and self._exchange is not None:
            self._request_delivered(self._exchange)

    def _request_delivered(self, exchange: Exchange) -> None:
        exchange.read_finished = exchange.handed = True
        if self.drained is self.site.done:
            self.deadline = math.inf
        try:
            self._delegate.finish()
        except Exception as error:
            exchange.handed = False
            raise self.site.fault(error, self._exchange) from None

    def _hold(self, result: Awaitable[None], then: Callable[[], None]) -> None:
        """Read on, beginning with ``then``, when what the delegate returned is done."""
        self._waiting = asyncio.ensure_future(result)
        self._held_since = self.site.loop.time()
        self._waiting.add_done_callback(functools.partial(self._settled, then))

    def _settled(self, then: Callable[[], None], future: asyncio.Future[Any]) -> None:
        if self._waiting is not future:  # the connection went on without it
            if not future.cancelled() and future.exception() is not None:
                _log.info("a delegate failed after its request", exc_info=future.exception())
            return
        self._waiting = None
        self._body_began += self.site.loop.time() - self._held_since
        try:
            future.result()
            then()
        except (Exception, asyncio.CancelledError) as error:
            self._refuse(self.site.fault(error, self._exchange))
            return
        self._continue()
        if self._exchange is not None and not self.ending:
            self._set_deadline()

    def _set_deadline(self) -> None:
        now, limits, exchange = self.site.loop.time(), self._limits, self._exchange
        if exchange is None:
            self.deadline = now + (limits.header_s if self._inbox.data else limits.idle_s)
        elif exchange.read_finished or self._waiting is not None:
            self.deadline = math.inf
        else:
            longest = limits.body_s if exchange.body_timeout is None else exchange.body_timeout
            self.deadline = self._body_began + min(longest, limits.grace_s + self._inbox.parser.received / limits.min_rate)
        if self.drained is not self.site.done:
            self.deadline = min(self.deadline, now + limits.write_s)

    def _release(self) -> None:
        """Be done with the request under way."""
        if self._exchange is not None:
            self._exchange.release()
        self._exchange, self._delegate, self._waiting = None, _NOBODY, None

    def _forsake(self) -> None:
        """Tell whoever works on the request under way that nobody waits for it."""
        exchange = self._exchange
        if exchange is None:
            return
        tell = exchange.close_callback if exchange.handed else self._delegate.on_connection_close
        self._release()
        try:
            if tell is not None:
                tell()
        except Exception:
            _log.exception("a delegate failed on being told that its client is gone")

    def _refuse(self, refused: Refused) -> None:
        """Answer in the application's stead, if nobody has begun to, and close."""
        exchange = self._exchange
        _log.info("refused %s: %d, %s", self.context, refused.status, refused.message)
        request_id = self.site.refused(refused, exchange, self.context.remote_ip, self._inbox.parser.received)
        self._forsake()
        if self.ending:
            return
        if exchange is not None and exchange.status:
            self._end(linger=False)
            return
        bodiless = self._inbox.startswith(b"HEAD ") if exchange is None else exchange.start_line.method == "HEAD"
        self.transport.write(self.site.refusal(refused, request_id, bodiless=bodiless))
        self._end(linger=True)

    def _end(self, *, linger: bool) -> None:
        """Close behind what was written; ``linger``: while reading on, since closing on unread bytes would destroy the answer."""
        self.ending = True
        now = self.site.loop.time()
        self._pace.begin(self.transport.get_write_buffer_size(), now)
        self.deadline = now + min(self._limits.linger_s, self._limits.write_s)
        if linger and self.transport.can_write_eof():
            self.transport.write_eof()
            if self._paused:
                self._paused = False
                self.transport.resume_reading()
        else:
            self.transport.close()
