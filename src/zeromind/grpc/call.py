"""One call: its messages as they come, its answer as it goes."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable

from zeromind.grpc.encoding import PREFIX_BYTES, opened
from zeromind.grpc.method import Head
from zeromind.grpc.status import Code, Fault
from zeromind.observe.timing import Work


class Call:
    """A stream of HTTP/2 that carries one call, from its head to the last byte of its answer.

    ``window`` is what the client takes of the answer, ``inbound`` what it may send, in bytes.
    """

    __slots__ = (
        "_at", "_parts", "_size", "began", "came", "choked", "closing", "code", "ended", "fault", "head", "held", "inbound", "left",
        "model", "output", "received", "request_id", "sent", "started", "stream_id", "timer", "unsent", "waited_s", "window",
        "withdraw", "work",
    )  # fmt: skip

    head: Head

    def __init__(self, stream_id: int, window: int, inbound: int) -> None:
        self.stream_id = stream_id
        self.window = window
        self.inbound = inbound
        self.began = 0.0
        """When its message began to come; once there is an answer, when the client last took something of it."""
        self._parts: list[bytes] = []
        self._at = 0
        self._size = -1
        self.held = 0
        """Bytes that have come and were not taken."""
        self.ended = False
        """Whether the client has said all."""
        self.choked = False
        """Whether it shall send no more for now."""
        self.withdraw: Callable[[], object] | None = None
        """Ends the work on it."""
        self.timer: asyncio.TimerHandle | None = None
        self.started = False
        """Whether the head of the answer has been sent."""
        self.output: collections.deque[bytes] = collections.deque()
        """What the client has yet to take of the answer."""
        self.left = 0
        """How much of the first piece it has taken."""
        self.unsent = 0
        """Bytes of them all."""
        self.closing = False
        """Whether there is no more behind that."""
        self.fault: Fault | None = None
        """The status behind that, unless it is OK."""
        self.request_id = b""
        self.came = 0.0
        """When its head had come, on the monotonic clock, where somebody is told of it."""
        self.code = Code.CANCELLED
        """How it was answered; unless it was, its client did not wait."""
        self.model = ""
        self.waited_s = 0.0
        self.work: Work | None = None
        self.received = self.sent = 0
        """Bytes of messages."""

    @property
    def more(self) -> bool:
        """Whether more has come than one message."""
        return 0 <= self._size < self.held

    @property
    def waits(self) -> bool:
        """Whether its client owes us something: the only message, or the rest of one of many."""
        if self.ended or self.choked or self.closing:
            return False
        return self.held > 0 or self.head.method is None or self.head.method.talk is None

    def receive(self, data: bytes, most: int) -> None:
        """Take what has come. Raises Fault if the message that it begins is longer than ``most``."""
        self._parts.append(data)
        self.held += len(data)
        self.received += len(data)
        if self._size < 0:
            self._measure(most)

    def message(self, most: int) -> bytes | None:
        """The next message, decompressed; None if it has not come in full. Raises Fault if that cannot be done in ``most`` bytes."""
        size = self._size
        if not 0 <= size <= self.held:
            return None
        parts, at = self._parts, self._at
        if len(parts[0]) - at < size:
            parts[:] = [b"".join(parts)[at:]]
            at = 0
        first = parts[0]
        data = first if len(first) == size else first[at : at + size]
        at += size
        self.held -= size
        if at == len(first):
            del parts[0]
            at = 0
        self._at = at
        self._size = -1
        encoding = self.head.encoding
        if self.held:
            self._measure(most)
        return data[PREFIX_BYTES:] if not data[0] else opened(data, encoding, most)

    def _measure(self, most: int) -> None:
        """Find the size of the next message, its prefix included."""
        if self.held < PREFIX_BYTES:
            return
        parts, at = self._parts, self._at
        if len(parts[0]) - at < PREFIX_BYTES:
            parts[:] = [b"".join(parts)[at:]]
            at = self._at = 0
        length = int.from_bytes(parts[0][at + 1 : at + PREFIX_BYTES], "big")
        if length > most:
            raise Fault(
                Code.RESOURCE_EXHAUSTED,
                f"the message has {length} bytes, more than {most}: send less, or raise 'max_body_bytes' of the pool",
            )
        self._size = PREFIX_BYTES + length

    def stop(self) -> None:
        """Let nobody work for it any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.withdraw is not None:
            self.withdraw()
            self.withdraw = None
