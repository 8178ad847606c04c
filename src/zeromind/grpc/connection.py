"""A client's connection: calls over HTTP/2, as gRPC carries them (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md).

Plain TCP, HTTP/2 with prior knowledge.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from typing import Any

from zeromind.allowance import Allowance
from zeromind.grpc import head
from zeromind.grpc.call import Call
from zeromind.grpc.fields import Fields
from zeromind.grpc.frame import CANCEL, ENHANCE_YOUR_CALM, BrokenError
from zeromind.grpc.http2 import Http2
from zeromind.grpc.method import Head, Pieces, Ran
from zeromind.grpc.outlet import Outlet
from zeromind.grpc.site import Site
from zeromind.grpc.status import Code, Fault
from zeromind.grpc.stream import Stream

_MOST_TIMEOUT_S = 1e6
_TOLD = b"this port speaks gRPC alone: the pool's pages and REST are at its other port, 'port', which is 5885 unless it is set\n"
_HEAD = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(_TOLD)

_log = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._limits = site.limits
        self._http2 = Http2(self, site.limits)
        self._outlet = Outlet(self._http2.sender, site.loop, self._forget, self._eased, self._flush_soon)
        self._streams: dict[int, Stream] = {}
        """Of the calls that have many messages."""
        self._over = False
        """Nothing more is said here."""
        self._last_calls = False
        """Closed when the present calls are answered."""
        self._flushing = False
        self._paused_at = 0.0
        self._pinged_at = 0.0

    # called by the loop

    def connection_made(self, transport: Any) -> None:
        """Wait for the client to begin; then it is told what we bear."""
        limits, site = self._limits, self._site
        self._transport: asyncio.Transport = transport
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        self._accepted_at = self._heard_at = now = site.loop.time()
        self._resets = Allowance(limits.resets_per_s, now)
        self._controls = Allowance(limits.controls_per_s, now)
        site.connections.add(self)
        # Upon a GOAWAY on a new connection clients would come again at once, until their deadline; upon this their calls are UNAVAILABLE.
        if len(site.connections) > limits.connections or site.draining:
            self._end(abort=True)
            return
        self._outlet.open(transport)

    def data_received(self, data: bytes) -> None:
        """Act upon what the client says."""
        if self._over:
            return
        self._heard_at = self._site.loop.time()
        self._pinged_at = 0.0
        self._flushing = True  # at the end of this, once
        try:
            self._http2.receive(data)
        except BrokenError as error:
            _log.info("a gRPC client broke HTTP/2: %s", error)
            if self._http2.greeted:
                self._http2.goodbye(error.code)
                self._end()
            else:
                self._turn_away()
        except Exception:
            _log.exception("a gRPC connection failed")
            self._end(abort=True)
        else:
            self._flush()

    def eof_received(self) -> bool:
        """The client has said all; what it asked for in full is still answered."""
        self._last_calls = True
        for call in [call for call in self._http2.calls.values() if not call.ended]:
            self._forget(call)
        return not self._over and bool(self._http2.calls)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Let nobody work for this client any more."""
        self._over = True
        self._forget_all()
        self._site.lost(self)

    def pause_writing(self) -> None:
        """The client is slower than the answers: it is not listened to either, so that it cannot ask for more."""
        self._outlet.paused, self._paused_at = True, self._site.loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._outlet.paused, self._heard_at = False, self._site.loop.time()
        if not self._over:
            self._transport.resume_reading()
            self._outlet.room(None)
            self._flush()

    # called by the listener

    def forget(self) -> None:
        """Decide anew over calls to come, and end those that go on without end and whose key is no longer valid."""
        self._http2.forget()
        for call in [call for call in self._http2.calls.values() if call.stream_id in self._streams]:
            if not self._site.service.entrance.gate.valid(call.head.caller):
                self._refuse(call, Fault(Code.UNAUTHENTICATED, "the API key of this call is no longer valid"))
        self._flush()

    def drain(self) -> None:
        """Tell the client to go elsewhere with new calls, answer the ones that are here, close."""
        if not self._over and not self._last_calls:
            self._http2.goodbye()
            self.leave()
            for stream in list(self._streams.values()):
                stream.leave()
            self._flush()

    def abort(self) -> None:
        """Close at once."""
        self._end(abort=True)

    def tick(self, now: float) -> None:
        """Look at what takes too long."""
        limits, paused = self._limits, self._outlet.paused
        if self._over:
            return
        late = not self._http2.opened and now - self._accepted_at > limits.open_s
        if late or (paused and now - self._paused_at > limits.write_s):
            self._end(abort=True)
            return
        for call in list(self._http2.calls.values()):
            if call.waits and now - call.began > limits.body_s:
                self._refuse(call, Fault(Code.DEADLINE_EXCEEDED, f"the message did not come within {limits.body_s:g} s"))
            elif self._outlet.stalled(call, now) > limits.write_s:
                self._forget(call)
                self._http2.sender.reset(call.stream_id, CANCEL)
        if self._pinged_at and not paused:
            if now - self._pinged_at > limits.pong_s:
                self._end(abort=True)
        elif self._http2.opened and now - self._heard_at > limits.keepalive_s and not paused:
            self._pinged_at = now
            self._http2.sender.ping()
        self._flush()

    # what the client does, as http2.Server

    def head(self, fields: Fields) -> Head:
        """What a request's fields mean, and whether they are let in."""
        service, path = self._site.service, fields[b":path"]
        return head.read(fields, service.methods.get(path), service.unknown, service.entrance, self._peer)

    def request(self, call: Call, head: Head) -> None:
        """Begin a call, or refuse it."""
        call.began = self._heard_at
        call.head = head
        call.request_id = head.request_id or self._site.service.ids.make()
        if self._site.trail is not None:
            call.came = time.monotonic()
        method = head.method
        if head.fault is not None:
            self._refuse(call, head.fault)
        elif method is None:
            self._outlet.refuse_stranger(call)
        else:
            if head.timeout_s is not None:
                call.timer = self._site.loop.call_later(min(head.timeout_s, _MOST_TIMEOUT_S), self._expire, call)
            if method.talk is not None:
                self._streams[call.stream_id] = Stream(call, method.talk, self._site, self._outlet)

    def data(self, call: Call, data: bytes) -> None:
        """Take some more of a message."""
        site = self._site
        site.buffered += len(data)
        stream = self._streams.get(call.stream_id) if self._streams else None
        if stream is not None and not call.held:
            call.began = self._heard_at
        try:
            call.receive(data, self._limits.message_bytes)
            if stream is not None:
                stream.hear()
        except Fault as fault:
            self._refuse(call, fault)
            return
        if stream is None and call.more:
            self._refuse(call, Fault(Code.INTERNAL, "the call has more than one message: this method takes exactly one"))
        elif site.buffered > self._limits.buffer_bytes and call.held:
            self._refuse(call, Fault(Code.RESOURCE_EXHAUSTED, "the pool receives too many big messages at once: try again later"))

    def ended(self, call: Call) -> None:
        """Work on a message that has come in full."""
        if call.closing:
            return
        if call.stream_id in self._streams:
            self._streams[call.stream_id].hear()
            return
        method, held = call.head.method, call.held
        try:
            message = call.message(self._limits.message_bytes)
            if message is None:
                self._refuse(call, Fault(Code.INVALID_ARGUMENT, f"the call ended within its message, after {held} bytes"))
                return
            self._site.buffered -= held
            if method is not None and method.answer is not None:
                call.withdraw = method.answer(message, call.head, functools.partial(self._reply, call))
        except Exception as error:
            self._fail(call, error)

    def reset(self, call: Call | None) -> None:
        """Work no more on a call; part with a client that makes calls for the sake of ending them (CVE-2023-44487)."""
        if call is not None:
            self._forget(call)
        if not self._resets.spend(self._heard_at):
            raise BrokenError(ENHANCE_YOUR_CALM, "calls that end before they are answered, without end")

    def room(self, call: Call | None) -> None:
        """Send more of what waits."""
        self._outlet.room(call)

    def control(self) -> None:
        """Part with a client that says nothing, over and over."""
        if not self._controls.spend(self._heard_at):
            raise BrokenError(ENHANCE_YOUR_CALM, "frames that carry nothing, without end")

    def leave(self) -> None:
        """Close when the present calls are answered."""
        self._last_calls = True

    # what we answer

    def _reply(self, call: Call, outcome: Pieces | Exception, model: str = "", ran: Ran | None = None) -> None:
        call.withdraw = None
        if self._site.trail is not None:
            call.model = model
            if ran is not None:
                submitted, run = ran
                call.work = submitted.work(run)
                call.waited_s = max(0.0, call.work[0] - submitted.since)
        if isinstance(outcome, Exception):
            self._fail(call, outcome)
        elif not self._over and call.stream_id in self._http2.calls:
            call.stop()
            self._outlet.answer(call, outcome)

    def _fail(self, call: Call, error: Exception) -> None:
        self._refuse(call, self._site.service.fault(error, call.head.name, call.request_id))

    def _refuse(self, call: Call, fault: Fault) -> None:
        """End a call with a status that is not OK."""
        if not self._over and call.stream_id in self._http2.calls:
            self._outlet.refuse(call, fault)

    def _expire(self, call: Call) -> None:
        if not call.closing:
            self._refuse(call, Fault(Code.DEADLINE_EXCEEDED, "the call's deadline passed before it was answered"))

    def _eased(self, call: Call) -> None:
        stream = self._streams.get(call.stream_id)
        if stream is not None:
            stream.eased()

    def _flush(self) -> None:
        self._flushing = False
        if not self._over:
            self._outlet.write()
            if self._last_calls and not self._http2.calls:
                self._end()

    def _flush_soon(self) -> None:
        """Write when the loop turns: what is answered together goes out together. A lone answer need not wait for that."""
        if self._flushing:
            return
        if not self._http2.calls:
            self._flush()
        else:
            self._flushing = True
            self._site.loop.call_soon(self._flush)

    # ending

    def _forget(self, call: Call) -> None:
        if self._http2.calls.pop(call.stream_id, None) is None:
            return
        self._site.answers[call.code] += 1
        if self._site.trail is not None:
            self._site.trail.answered(call)
        self._site.buffered -= call.held
        call.held = 0
        self._streams.pop(call.stream_id, None)
        self._outlet.drop(call)
        call.stop()

    def _forget_all(self) -> None:
        for call in list(self._http2.calls.values()):
            self._forget(call)

    def _turn_away(self) -> None:
        """Answer one who speaks HTTP/1, most likely a browser, so that it can be read."""
        self._over = True
        self._transport.write(_HEAD + _TOLD)
        self._transport.close()

    def _end(self, *, abort: bool = False) -> None:
        if self._over:
            return
        self._over = True
        self._forget_all()
        if abort:
            self._transport.abort()
        else:
            self._outlet.write()
            self._transport.close()
