"""A client's connection: calls over HTTP/2, as gRPC carries them (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md).

Plain TCP, HTTP/2 with prior knowledge.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from zeromind.grpc import http2
from zeromind.grpc.allowance import Allowance
from zeromind.grpc.call import ENCODINGS, Call, framed, seconds
from zeromind.grpc.fields import Fields
from zeromind.grpc.http2 import BrokenError, Http2
from zeromind.grpc.limits import Limits
from zeromind.grpc.service import Method, Service
from zeromind.grpc.status import Code, Fault, quoted

_WRITE_BYTES = 256 << 10
_MOST_TIMEOUT_S = 1e6

_log = logging.getLogger(__name__)


class Site:
    """What the connections of one listener share."""

    def __init__(self, service: Service, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self.service = service
        self.limits = limits
        self.loop = loop
        self.connections: set[Connection] = set()
        self.buffered = 0
        """Bytes of messages that have not come in full."""
        self.draining = False
        self.emptied: asyncio.Future[None] | None = None
        """Somebody waits until there is no connection left."""


@dataclasses.dataclass(frozen=True, slots=True)
class Head:
    """What a request's fields mean; ``fault`` is what it is answered if it cannot be served, None in both if it is no gRPC."""

    method: Method | None
    fault: Fault | None
    encoding: bytes = b""
    timeout_s: float | None = None


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._limits = site.limits
        self._http2 = Http2(self, site.limits)
        self._blocked: dict[int, Call] = {}
        """Calls whose answers wait for room: in the client's windows, or in our write buffer."""
        self._over = False
        """Nothing more is said here."""
        self._last_calls = False
        """Closed when the present calls are answered."""
        self._flushing = False
        self._paused = False
        self._paused_at = 0.0
        self._pinged_at = 0.0
        self._took_at = 0.0
        """When the client last took something of any answer."""

    # called by the loop

    def connection_made(self, transport: Any) -> None:
        """Say what we bear."""
        limits, site = self._limits, self._site
        self._transport: asyncio.Transport = transport
        self._accepted_at = self._heard_at = now = site.loop.time()
        self._resets = Allowance(limits.resets_per_s, now)
        self._controls = Allowance(limits.controls_per_s, now)
        site.connections.add(self)
        if len(site.connections) > limits.connections or site.draining:
            self._end(abort=True)
            return
        transport.set_write_buffer_limits(high=4 * _WRITE_BYTES)
        self._flush()

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
            self._http2.goodbye(error.code)
            self._end()
        except Exception:
            _log.exception("a gRPC connection failed")
            self._end(abort=True)
        else:
            self._flush()

    def eof_received(self) -> bool:
        """The client has said all; what it asked for is still answered."""
        self.leave()
        return not self._over and bool(self._http2.calls)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Let nobody work for this client any more."""
        self._over = True
        self._forget_all()
        site = self._site
        site.connections.discard(self)
        if site.emptied is not None and not site.connections and not site.emptied.done():
            site.emptied.set_result(None)

    def pause_writing(self) -> None:
        """The client is slower than the answers: it is not listened to either, so that it cannot ask for more."""
        self._paused, self._paused_at = True, self._site.loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._paused, self._heard_at = False, self._site.loop.time()
        if not self._over:
            self._transport.resume_reading()
            self.room(None)
            self._flush()

    # called by the listener

    def drain(self) -> None:
        """Tell the client to go elsewhere with new calls, answer the ones that are here, close."""
        if not self._over and not self._last_calls:
            self._http2.goodbye()
            self.leave()
            self._flush()

    def abort(self) -> None:
        """Close at once."""
        self._end(abort=True)

    def tick(self, now: float) -> None:
        """Look at what takes too long."""
        limits = self._limits
        if self._over:
            return
        late = not self._http2.opened and now - self._accepted_at > limits.open_s
        if late or (self._paused and now - self._paused_at > limits.write_s):
            self._end(abort=True)
            return
        for call in list(self._http2.calls.values()):
            if not call.ended and call.output is None and now - call.began > limits.body_s:
                self._refuse(call, Fault(Code.DEADLINE_EXCEEDED, f"the message did not come within {limits.body_s:g} s"))
            elif call.output is not None and not self._paused and now - self._since(call) > limits.write_s:
                self._forget(call)
                self._http2.reset(call.stream_id, http2.CANCEL)
        if self._pinged_at and not self._paused:
            if now - self._pinged_at > limits.pong_s:
                self._end(abort=True)
        elif self._http2.opened and now - self._heard_at > limits.keepalive_s and not self._paused:
            self._pinged_at = now
            self._http2.ping()
        self._flush()

    # what the client does, as http2.Server

    def head(self, fields: Fields) -> Head:
        """What a request's fields mean."""
        if fields[b":method"] != b"POST" or not fields.get(b"content-type", b"").startswith(b"application/grpc"):
            return Head(None, None)
        service = self._site.service
        method = service.methods.get(fields[b":path"])
        if method is None:
            return Head(None, service.unknown(fields[b":path"]))
        encoding = fields.get(b"grpc-encoding", b"")
        if encoding not in (b"", b"identity", b"gzip"):
            shown = encoding[:50].decode(errors="replace")
            return Head(None, Fault(Code.UNIMPLEMENTED, f"grpc-encoding {shown!r} is not served: send gzip or identity"))
        try:
            return Head(method, None, encoding, seconds(fields[b"grpc-timeout"]) if b"grpc-timeout" in fields else None)
        except Fault as fault:
            return Head(None, fault)

    def request(self, call: Call, head: Head) -> None:
        """Begin a call, or refuse it."""
        call.began = self._heard_at
        call.method, call.encoding = head.method, head.encoding
        if head.fault is not None:
            self._refuse(call, head.fault)
        elif head.method is None:
            self._last(call, [(b"accept", b"application/grpc")], b"415")
        elif head.timeout_s is not None:
            call.timer = self._site.loop.call_later(min(head.timeout_s, _MOST_TIMEOUT_S), self._expire, call)

    def data(self, call: Call, data: bytes) -> None:
        """Take some more of a message."""
        site = self._site
        site.buffered += len(data)
        try:
            call.receive(data, self._limits.message_bytes)
        except Fault as fault:
            self._refuse(call, fault)
            return
        if site.buffered > self._limits.buffer_bytes:
            self._refuse(call, Fault(Code.RESOURCE_EXHAUSTED, "the pool receives too many big messages at once: try again later"))

    def ended(self, call: Call) -> None:
        """Work on a message that has come in full."""
        if call.output is not None:
            return
        self._site.buffered -= call.received
        try:
            method: Method = call.method
            request = method.parse(call.message(self._limits.message_bytes))
            if method.submit is not None:
                call.withdraw = method.submit(request, lambda outcome: self._reply(call, outcome))
            elif method.work is not None:
                call.withdraw = self._site.loop.create_task(self._work(call, method.work, request)).cancel
            elif method.answer is not None:
                self._answer(call, method.answer(request))
        except Exception as error:
            self._fail(call, error)

    def reset(self, call: Call | None) -> None:
        """Work no more on a call; part with a client that makes calls for the sake of ending them (CVE-2023-44487)."""
        if call is not None:
            self._forget(call)
        if not self._resets.spend(self._heard_at):
            raise BrokenError(http2.ENHANCE_YOUR_CALM, "calls that end before they are answered, without end")

    def room(self, call: Call | None) -> None:
        """Send more of what waits."""
        if call is None:
            for blocked in list(self._blocked.values()):
                self._pump(blocked)
        elif call.stream_id in self._blocked:
            self._pump(call)

    def control(self) -> None:
        """Part with a client that says nothing, over and over."""
        if not self._controls.spend(self._heard_at):
            raise BrokenError(http2.ENHANCE_YOUR_CALM, "frames that carry nothing, without end")

    def leave(self) -> None:
        """Close when the present calls are answered."""
        self._last_calls = True

    # what we answer

    async def _work(self, call: Call, work: Callable[[Any], Awaitable[Sequence[bytes]]], request: Any) -> None:
        try:
            outcome: Sequence[bytes] | Exception = await work(request)
        except Exception as error:
            outcome = error
        self._reply(call, outcome)

    def _reply(self, call: Call, outcome: Sequence[bytes] | Exception) -> None:
        call.withdraw = None
        if isinstance(outcome, Exception):
            self._fail(call, outcome)
        else:
            self._answer(call, outcome)

    def _answer(self, call: Call, pieces: Sequence[bytes]) -> None:
        if self._over or call.stream_id not in self._http2.calls:
            return
        call.stop()
        call.output = collections.deque(framed(pieces))
        call.began = self._site.loop.time()
        self._http2.response(call.stream_id)
        self._pump(call)
        self._flush_soon()

    def _fail(self, call: Call, error: Exception) -> None:
        self._refuse(call, self._site.service.fault(error, call.method.request.DESCRIPTOR.full_name))

    def _refuse(self, call: Call, fault: Fault) -> None:
        """End a call with a status that is not OK."""
        fields = [(b"content-type", b"application/grpc"), (b"grpc-status", b"%d" % fault.code), (b"grpc-message", quoted(fault.message))]
        if fault.code is Code.UNIMPLEMENTED:
            fields.append((b"grpc-accept-encoding", ENCODINGS))
        self._last(call, fields)

    def _last(self, call: Call, fields: list[tuple[bytes, bytes]], status: bytes = b"200") -> None:
        if self._over or call.stream_id not in self._http2.calls:
            return
        self._http2.last(call.stream_id, fields, status)
        if not call.ended:  # spare the client the rest (RFC 9113, 8.1)
            self._http2.reset(call.stream_id, http2.NO_ERROR)
        self._forget(call)
        self._flush_soon()

    def _expire(self, call: Call) -> None:
        if call.output is None:
            self._refuse(call, Fault(Code.DEADLINE_EXCEEDED, "the call's deadline passed before the model answered"))

    # what goes out

    def _pump(self, call: Call) -> None:
        """Send of an answer what the client's windows and our write buffer have room for."""
        speaker, output = self._http2, call.output
        unwritten = 0
        while output:
            if unwritten > _WRITE_BYTES:
                unwritten = 0
                self._write()
            room = 0 if self._paused else min(call.window, speaker.window, speaker.frame_bytes)
            if room <= 0:
                self._blocked[call.stream_id] = call
                return
            piece = output[0]
            size = len(piece) - call.left
            if size <= room:
                speaker.send(call, memoryview(piece)[call.left :] if call.left else piece)
                output.popleft()
                call.left = 0
            else:
                size = room
                speaker.send(call, memoryview(piece)[call.left : call.left + size])
                call.left += size
            unwritten += size
            call.began = self._took_at = self._heard_at
        speaker.ok(call.stream_id)
        self._forget(call)

    def _since(self, call: Call) -> float:
        """Since when an answer waits for the client: for its own window, or for that of all."""
        return call.began if call.window <= 0 else max(call.began, self._took_at)

    def _write(self) -> None:
        out = self._http2.out
        if out and not self._transport.is_closing():
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        out.clear()

    def _flush(self) -> None:
        self._flushing = False
        if not self._over:
            self._write()
            if self._last_calls and not self._http2.calls:
                self._end()

    def _flush_soon(self) -> None:
        """Write when the loop turns: what is answered together goes out together."""
        if not self._flushing:
            self._flushing = True
            self._site.loop.call_soon(self._flush)

    # ending

    def _forget(self, call: Call) -> None:
        call.stop()
        if not call.ended:
            self._site.buffered -= call.received
        self._http2.calls.pop(call.stream_id, None)
        self._blocked.pop(call.stream_id, None)

    def _forget_all(self) -> None:
        for call in list(self._http2.calls.values()):
            self._forget(call)

    def _end(self, *, abort: bool = False) -> None:
        if self._over:
            return
        self._over = True
        self._forget_all()
        if abort:
            self._transport.abort()
        else:
            self._write()
            self._transport.close()
