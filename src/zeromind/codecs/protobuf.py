"""Protobuf's wire form (protobuf.dev/programming-guides/encoding) by hand: fields that are written, read, and counted.

A parsed message may need forty times its bytes: of two bytes each a client makes messages within a message, by the million.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

Schema: TypeAlias = "Mapping[int, Schema | int]"
"""By number: the fields of an inner message, or how many bytes of packed numbers a field may have. Other fields are only counted."""


def field(number: int, data: bytes) -> bytes:
    """A length-delimited field with a number below 16."""
    return bytes((number << 3 | 2,)) + varint(len(data)) + data


def varint(value: int) -> bytes:
    """A number from 0 on."""
    return bytes((value,)) if value < 0x80 else bytes(_septets(value))


def members(data: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message, by number, in their order: numbers as they are, anything of a length as its bytes.

    Raises ValueError for what is no message.
    """
    view, at = memoryview(data), 0
    try:
        while at < len(view):
            tag, at = _read(view, at)
            kind, size = tag & 7, 0
            if kind == 0:
                value, at = _read(view, at)
                yield tag >> 3, value
                continue
            if kind == 2:
                size, at = _read(view, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise ValueError("it has groups")
            if at + size > len(view):
                raise ValueError("a field is cut short")
            yield tag >> 3, view[at : at + size]
            at += size
    except IndexError:
        raise ValueError("a field is cut short") from None


def numbers(data: memoryview) -> list[int]:
    """Packed signed numbers. Raises ValueError for what is none."""
    found, at = [], 0
    try:
        while at < len(data):
            value, at = _read(data, at)
            found.append(signed(value))
    except IndexError:
        raise ValueError("a number is cut short") from None
    return found


def signed(value: int) -> int:
    """The number of an int64 field."""
    return value - (1 << 64) if value >> 63 else value


def count(data: bytes, schema: Schema, most: int) -> int:
    """How many fields a message has, inner ones of the schema included.

    Raises ValueError for more than ``most``, for too many packed numbers, and for what is no message.
    """
    try:
        return most - _rest(data, 0, len(data), schema, most)
    except IndexError:
        raise ValueError("a field is cut short") from None


def spans(data: bytes | memoryview, number: int, most: int) -> list[tuple[int, int]]:
    """Where a sound message has the contents of a length-delimited field, from here to there, if nothing stands behind them.

    Empty if that is not so, or if more than ``most`` bytes stand before them.
    """
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(data):
        tag, at = _read(data, at)
        if tag & 7 == 0:
            _, at = _read(data, at)
        elif tag & 7 == 2:
            size, at = _read(data, at)
            if tag >> 3 == number:
                found.append((at, at + size))
            at += size
        else:
            return []
        if (found and tag >> 3 != number) or (not found and at > most):
            return []
    return found


def _rest(data: bytes, at: int, end: int, schema: Schema, left: int) -> int:
    while at < end:
        left -= 1
        if left < 0:
            raise ValueError("it has too many fields")
        tag, at = _read(data, at)
        kind = tag & 7
        if kind == 2:
            size, at = _read(data, at)
            inner = schema.get(tag >> 3)
            if at + size > end:
                raise ValueError("a field is cut short")
            if isinstance(inner, int):
                if size > inner:
                    raise ValueError(f"a field has more than {inner} bytes of numbers")
            elif inner is not None:
                left = _rest(data, at, at + size, inner, left)
            at += size
        elif kind == 0:
            _, at = _read(data, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError("it has groups")
    return left


def _read(data: bytes | memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number without end")


def _septets(value: int) -> Iterator[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
