"""A message on the wire: behind its prefix, compressed or not (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md and doc/compression.md)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from zeromind.codecs.inflate import WINDOWS, inflated
from zeromind.errors import ZeroMindError
from zeromind.grpc.status import Code, Fault

PREFIX_BYTES = 5
ENCODINGS = b"identity,gzip,deflate"
_CODINGS = frozenset(ENCODINGS.split(b",")) - {b"identity"}
_JOINED_BYTES = 1 << 16
_LEAST_DEFLATED_BYTES = 1 << 10
_MOST_DEFLATED_BYTES = 1 << 20
"""Compressing takes the event loop's time: 10 ms or so for as much as that."""


def framed(pieces: Sequence[bytes]) -> list[bytes]:
    """A message's pieces behind their prefix, small ones joined."""
    size = sum(map(len, pieces))
    prefix = b"\0" + size.to_bytes(4, "big")
    return [prefix + b"".join(pieces)] if size <= _JOINED_BYTES else [prefix, *(piece for piece in pieces if piece)]


def deflated(pieces: Sequence[bytes], encoding: bytes) -> list[bytes]:
    """The same compressed, with that encoding; as it is where that is not worth it, or would take too long."""
    if not _LEAST_DEFLATED_BYTES <= sum(map(len, pieces)) <= _MOST_DEFLATED_BYTES:
        return framed(pieces)
    deflater = zlib.compressobj(1, wbits=WINDOWS[encoding.decode()])
    data = b"".join([*map(deflater.compress, pieces), deflater.flush()])
    return [b"\1" + len(data).to_bytes(4, "big") + data]


def opened(data: bytes, encoding: bytes, most: int) -> bytes:
    """The message behind a prefix. Raises Fault if it cannot be decompressed within ``most`` bytes."""
    if data[0] == 0:
        return data[PREFIX_BYTES:]
    if data[0] > 1 or encoding not in _CODINGS:
        raise Fault(Code.INTERNAL, "the message says that it is compressed, the field grpc-encoding does not say how")
    try:
        return inflated(memoryview(data)[PREFIX_BYTES:], encoding.decode(), most)
    except ZeroMindError as error:
        raise Fault.of(error) from None
