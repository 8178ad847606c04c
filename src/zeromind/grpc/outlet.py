"""What goes out on a connection: answers wait here for room, in their client's windows and in the write buffer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from zeromind.codecs import oip_fault
from zeromind.grpc.call import Call
from zeromind.grpc.encoding import ENCODINGS, deflated, framed
from zeromind.grpc.frame import NO_ERROR
from zeromind.grpc.sender import Sender
from zeromind.grpc.status import Code, Fault, quoted

WRITE_BYTES = 256 << 10
_TYPE = (b"content-type", b"application/grpc")
_STATUS = (b":status", b"200")


class Outlet:
    """Answers of one connection, whose loop tells the time.

    ``forget`` is called when all of a call is said, ``eased`` when its client took some of what waited, ``flush`` when there is
    something to write, soon.
    """

    def __init__(
        self,
        sender: Sender,
        loop: asyncio.AbstractEventLoop,
        forget: Callable[[Call], None],
        eased: Callable[[Call], None],
        flush: Callable[[], None],
    ) -> None:
        self._sender = sender
        self._flush = flush
        self._loop = loop
        self._forget = forget
        self._eased = eased
        self._transport: asyncio.Transport | None = None
        self._blocked: dict[int, Call] = {}
        """Calls whose answers wait for room."""
        self._took_at = 0.0
        """When the client last took something of any answer."""
        self.paused = False
        """Whether the write buffer is full."""

    def open(self, transport: asyncio.Transport) -> None:
        """Write to a transport."""
        self._transport = transport
        transport.set_write_buffer_limits(high=4 * WRITE_BYTES)

    def answer(self, call: Call, pieces: Sequence[bytes]) -> None:
        """Send the one message of an answer, and its end."""
        if not call.head.answer_encoding and not self.paused and self._sender.whole(call, pieces):
            call.code = Code.OK
            self._forget(call)
            self._flush()
        else:
            call.closing = True
            self.say(call, pieces)

    def say(self, call: Call, pieces: Sequence[bytes]) -> None:
        """Send one message."""
        encoding = call.head.answer_encoding
        if not call.started:
            self._sender.response(call)
        if not call.output:
            call.began = self._loop.time()
        message = deflated(pieces, encoding) if encoding else framed(pieces)
        call.output += message
        call.unsent += sum(map(len, message))
        self.pump(call)
        self._flush()

    def close(self, call: Call, fault: Fault | None = None) -> None:
        """End an answer behind what is said; the fault is its status."""
        if not call.started and fault is None:
            self._sender.response(call)
        call.closing, call.fault = True, fault
        self.pump(call)
        self._flush()

    def refuse(self, call: Call, fault: Fault) -> None:
        """End an answer at once, with a status that is not OK."""
        call.code, call.fault = fault.code, fault
        fields = [(b"grpc-status", b"%d" % fault.code), (b"grpc-message", quoted(fault.message)), (b"x-request-id", call.request_id)]
        if fault.kind:
            fields.append((oip_fault.KIND.lower().encode(), fault.kind.encode()))
        if not call.started:
            fields = [_STATUS, _TYPE, *fields]
        if fault.code is Code.UNIMPLEMENTED:
            fields.append((b"grpc-accept-encoding", ENCODINGS))
        self._last(call, fields)

    def refuse_stranger(self, call: Call) -> None:
        """Answer what is no gRPC."""
        call.code = Code.UNIMPLEMENTED
        self._last(call, [(b":status", b"415"), (b"accept", b"application/grpc"), (b"x-request-id", call.request_id)])

    def _last(self, call: Call, fields: list[tuple[bytes, bytes]]) -> None:
        self._sender.last(call.stream_id, fields)
        self._end(call)
        self._flush()

    def _end(self, call: Call) -> None:
        if not call.ended:  # spare the client the rest (RFC 9113, 8.1)
            self._sender.reset(call.stream_id, NO_ERROR)
        self._forget(call)

    def pump(self, call: Call) -> None:
        """Send of an answer what there is room for."""
        sender, output = self._sender, call.output
        unwritten = 0
        while output:
            if unwritten > WRITE_BYTES:
                unwritten = 0
                self.write()
            room = 0 if self.paused else min(call.window, sender.window, sender.frame_bytes)
            if room <= 0:
                self._blocked[call.stream_id] = call
                break
            piece = output[0]
            size = len(piece) - call.left
            if size <= room:
                sender.send(call, memoryview(piece)[call.left :] if call.left else piece)
                output.popleft()
                call.left = 0
            else:
                size = room
                sender.send(call, memoryview(piece)[call.left : call.left + size])
                call.left += size
            unwritten += size
            call.unsent -= size
        if unwritten:
            call.began = self._took_at = self._loop.time()
        if output:
            return
        self._blocked.pop(call.stream_id, None)
        if call.closing:
            if call.fault is not None:
                self.refuse(call, call.fault)
            else:
                call.code = Code.OK
                sender.ok(call.stream_id)
                self._end(call)

    def room(self, call: Call | None) -> None:
        """Send more of an answer that waits; None: of any."""
        if call is None:
            for blocked in list(self._blocked.values()):
                self.room(blocked)
        elif call.stream_id in self._blocked:
            self.pump(call)
            self._eased(call)

    def admit(self, call: Call) -> None:
        """Let its client send on."""
        self._sender.admit(call)
        self._flush()

    def stalled(self, call: Call, now: float) -> float:
        """For how long an answer has waited for its client: for its own window, or for that of all."""
        if self.paused or not call.output:
            return 0.0
        return now - (call.began if call.window <= 0 else max(call.began, self._took_at))

    def drop(self, call: Call) -> None:
        """Send no more of a call."""
        self._blocked.pop(call.stream_id, None)

    def write(self) -> None:
        """Write what was said."""
        out, transport = self._sender.out, self._transport
        if out and transport is not None and not transport.is_closing():
            transport.write(out[0] if len(out) == 1 else b"".join(out))
        out.clear()
