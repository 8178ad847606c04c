"""Protobuf's wire form (protobuf.dev/programming-guides/encoding), walked in place.

Nothing is copied, so a model of gigabytes costs as little as a small one, and a file's beginning tells as much as it holds.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Data = bytes | mmap.mmap
Span = tuple[int, int]


def inner(data: Data, spans: list[Span], *path: int) -> list[Span]:
    """Where the length-delimited fields lie to which a path of field numbers leads. Raises ValueError for what is no message."""
    for number in path:
        spans = [(start, end) for span in spans for found, wire, start, end in fields(data, *span) if found == number and wire == BYTES]
    return spans


def fields(data: Data, position: int, end: int, *, cut: bool = False) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, start and end of each field of a message; the last may reach beyond ``end`` if the data are ``cut``.

    Raises ValueError for what is no message.
    """
    while position < end:
        tag, position = varint(data, position, end)
        if tag >> 32:
            # Other parsers drop these bits and would see another field than we do.
            raise ValueError("a field number is too large")
        wire = tag & 7
        start = position
        if wire == VARINT:
            _, position = varint(data, position, end)
        elif wire == FIXED64:
            position += 8
        elif wire == FIXED32:
            position += 4
        elif wire == BYTES:
            size, start = varint(data, position, end)
            position = start + size
        else:
            raise ValueError(f"wire type {wire}")
        if position > end and not cut:
            raise ValueError("a field reaches beyond its message")
        yield tag >> 3, wire, start, position


def varint(data: Data, position: int, end: int) -> tuple[int, int]:
    """A number and where it ends. Raises ValueError where it has no end."""
    value = shift = 0
    while position < end and shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a number has no end")
