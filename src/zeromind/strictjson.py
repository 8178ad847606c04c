"""JSON as its specification has it, where the standard library's reader is more lenient than that, and as much of it as is borne."""

from __future__ import annotations

import collections
import json
import math
from typing import Any

import numpy as np

from zeromind.limits import JSON

_BRACKETS_ONLY = bytes(set(range(256)) - set(b"[]{}"))
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_ENDLESS = b"0" * (JSON.digits + 1)


def loads(text: bytes | str, constants: bool = False, values: int = JSON.values) -> Any:
    """The value in a JSON text.

    Raises ValueError for anything else: a key twice in one object, NaN and its kin, a number that no float holds, half a character, and
    for what ``check`` refuses. With ``constants`` NaN, Infinity and -Infinity are numbers, as some protocols have it.
    """
    data = text.encode() if isinstance(text, str) else text
    check(data, values)
    # Without an exponent no number of so few digits is too large.
    parse_float = _float if b"e" in data or b"E" in data else None
    constant = float if constants else _no_constant
    value = json.loads(data.decode(), object_pairs_hook=_object, parse_constant=constant, parse_float=parse_float)
    if b"\\u" in data:
        _whole(value)
    return value


def check(text: bytes, values: int = JSON.values) -> None:
    """Raise ValueError for JSON that is nested too deep, has more than so many values or numbers too long, before anything is made of it.

    All of it is done by native scans; only where one of them finds too much, strings are taken out for a second look.
    """
    if text.count(b",") >= values and _bare(text, values).count(b",") >= values:
        raise _too_many(values)
    if text.count(b"[") + text.count(b"{") > JSON.depth:
        brackets = _bare(text, values).translate(None, _BRACKETS_ONLY)
        if len(brackets) > 2 * values:
            raise _too_many(values)
        steps = (np.frombuffer(brackets, np.uint8) & 2).astype(np.int8) - 1  # of the four the bit is set in those that open
        if steps.size and steps.cumsum(dtype=np.int32).max() > JSON.depth:
            raise ValueError(f"it is nested more than {JSON.depth} levels deep")
    if len(text) > JSON.digits and _ENDLESS in text.translate(_DIGITS) and _ENDLESS in _bare(text, values).translate(_DIGITS):
        raise ValueError(f"it has a number of more than {JSON.digits} digits")


def has_more(text: bytes, mark: bytes, count: int) -> bool:
    """Whether a mark stands in a text more than so many times."""
    at = -1
    for _ in range(count + 1):  # in long data without any, to find none is ten times as fast as to count none
        at = text.find(mark, at + 1)
        if at < 0:
            return False
    return True


def check_members(text: bytes, most: int) -> None:
    """Raise ValueError for more members, or objects, than that, before they are made; strings have none."""
    if len(text) > 2 * most and any(has_more(text, mark, most) for mark in (b":", b"{")):
        bare = _bare(text, JSON.values)
        if max(bare.count(b":"), bare.count(b"{")) > most:
            raise ValueError(f"it has more than {most} members")


def _bare(text: bytes, values: int) -> bytes:
    """The text without what is in its strings."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > 4 * values + 2:  # a value and its name have two each
        raise _too_many(values)
    return b"".join(text.split(b'"')[::2])


def _too_many(values: int) -> ValueError:
    return ValueError(f"it has more than {values} values")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        counts = collections.Counter(key for key, _ in pairs)
        raise ValueError(f"the key {next(key for key in counts if counts[key] > 1)!r} stands twice in one object")
    return data


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is a number that is too large")
    return value


def _whole(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("it has half a character (a lone surrogate)") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
