"""One unary call: its head, its message as it comes, its answer as it goes."""

from __future__ import annotations

import asyncio
import collections
import re
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from zeromind.grpc.status import Code, Fault

PREFIX_BYTES = 5
ENCODINGS = b"identity,gzip"
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


class Call:
    """A stream that carries one call, from its head to the last byte of its answer.

    ``window`` is what the client takes of the answer, ``inbound`` what it may send, in bytes.
    """

    __slots__ = (
        "began", "encoding", "ended", "inbound", "left", "method", "output", "parts", "received", "size", "stream_id",  "timer",
        "window", "withdraw",
    )  # fmt: skip

    def __init__(self, stream_id: int, window: int, inbound: int) -> None:
        self.stream_id = stream_id
        self.window = window
        self.inbound = inbound
        self.method: Any = None
        self.encoding = b""
        self.began = 0.0
        """When it came; once it is answered, when the client last took something of the answer."""
        self.parts: list[bytes] = []
        self.received = 0
        self.size = -1
        """Bytes of the message and its prefix; -1 before it is known."""
        self.ended = False
        """Whether the client has said all."""
        self.withdraw: Callable[[], object] | None = None
        """Ends the work on it."""
        self.timer: asyncio.TimerHandle | None = None
        self.output: collections.deque[bytes] | None = None
        """What the client has yet to take of the answer; None before there is one."""
        self.left = 0
        """How much of the first piece it has taken."""

    def receive(self, data: bytes, most: int) -> None:
        """Take some more of the message. Raises Fault if it is longer than ``most``, or there is more than one."""
        self.parts.append(data)
        self.received += len(data)
        if self.size < 0 and self.received >= PREFIX_BYTES:
            prefix = data if len(self.parts) == 1 else b"".join(self.parts)
            length = int.from_bytes(prefix[1:PREFIX_BYTES], "big")
            if length > most:
                raise Fault(
                    Code.RESOURCE_EXHAUSTED,
                    f"the message has {length} bytes, more than {most}: send less, or raise 'max_body_bytes' of the pool",
                )
            self.size = PREFIX_BYTES + length
        if 0 <= self.size < self.received:
            raise Fault(Code.INTERNAL, "the call has more than one message: every method here takes exactly one")

    def message(self, most: int) -> bytes:
        """The whole message, decompressed. Raises Fault if it is cut short, or cannot be decompressed within ``most`` bytes."""
        if self.received != self.size:
            raise Fault(Code.INVALID_ARGUMENT, f"the call ended within its message, after {self.received} bytes")
        data = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        self.parts.clear()
        if data[0] == 0:
            return data[PREFIX_BYTES:]
        if data[0] > 1 or self.encoding in (b"", b"identity"):
            raise Fault(Code.INTERNAL, "the message says that it is compressed, the field grpc-encoding does not say how")
        return _inflate(memoryview(data)[PREFIX_BYTES:], most)

    def stop(self) -> None:
        """Let nobody work for it any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.withdraw is not None:
            self.withdraw()
            self.withdraw = None


def framed(pieces: Iterable[bytes]) -> list[bytes]:
    """A message's pieces behind their prefix, small ones joined."""
    pieces = list(pieces)
    size = sum(map(len, pieces))
    prefix = b"\0" + size.to_bytes(4, "big")
    return [prefix + b"".join(pieces)] if size <= 1 << 16 else [prefix, *(piece for piece in pieces if piece)]


def seconds(field: bytes) -> float:
    """The time that the field ``grpc-timeout`` leaves (doc/PROTOCOL-HTTP2.md). Raises Fault for anything else."""
    match = _TIMEOUT.fullmatch(field)
    if match is None:
        raise Fault(Code.INVALID_ARGUMENT, "the field grpc-timeout is up to eight digits and one of H, M, S, m, u, n")
    return int(match[1]) * _UNITS[match[2]]


def _inflate(data: memoryview, most: int) -> bytes:
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        whole = inflater.decompress(data, most + 1)
    except zlib.error:
        raise Fault(Code.INVALID_ARGUMENT, "the message is not what gzip makes") from None
    if len(whole) > most:
        raise Fault(Code.RESOURCE_EXHAUSTED, f"the message has more than {most} bytes when decompressed")
    if not inflater.eof or inflater.unused_data:
        raise Fault(Code.INVALID_ARGUMENT, "the message is not one whole gzip stream")
    return whole
