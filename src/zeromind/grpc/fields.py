"""HTTP/2's header fields: which requests are well-formed (RFC 9113, 8.2 and 8.3), and fields written without a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

Fields: TypeAlias = dict[bytes, bytes]

_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority"))
_NEEDED = frozenset((b":method", b":scheme", b":path"))
_HOP_BY_HOP = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"))
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_BAD_VALUE = re.compile(rb"[\0\r\n]")


def check(fields: Sequence[tuple[bytes, bytes]]) -> Fields | None:
    """A request's fields by name, the last where a name repeats; None if they are malformed. Trailers are read over."""
    found: Fields = {}
    regular = False
    for name, value in fields:
        if name.startswith(b":"):
            if regular or name not in _PSEUDO or name in found:
                return None
        elif not _NAME.fullmatch(name) or name in _HOP_BY_HOP or (name == b"te" and value != b"trailers"):
            return None
        else:
            regular = True
        if _BAD_VALUE.search(value):
            return None
        found[name] = value
    return found if found.keys() >= _NEEDED and found[b":path"] else None


def literal(name: bytes, value: bytes) -> bytes:
    """A field as HPACK writes it outside any table (RFC 7541, 6.2.2), without Huffman's code."""
    return b"\0" + sized(len(name)) + name + sized(len(value)) + value


def sized(length: int) -> bytes:
    """The length of a string that follows (RFC 7541, 5.1)."""
    if length < 0x7F:
        return bytes((length,))
    size, rest = bytearray((0x7F,)), length - 0x7F
    while rest > 0x7F:
        size.append(rest & 0x7F | 0x80)
        rest >>= 7
    size.append(rest)
    return bytes(size)
