"""A task's keys for one model, checked. Wrong ones raise TASK_ATTRIBUTE, which names the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zeromind.errors import ErrorKind, ZeroMindError


def count(options: Mapping[str, Any], key: str, default: int, most: int) -> int:
    """A whole number from 1 to ``most``."""
    value = options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise wrong(key, value, f"a whole number from 1 to {most}")
    return value


def flag(options: Mapping[str, Any], key: str, default: bool) -> bool:
    """True or false."""
    value = options.get(key, default)
    if not isinstance(value, bool):
        raise wrong(key, value, "true or false")
    return value


def choice(options: Mapping[str, Any], key: str, default: str, known: Sequence[str]) -> str:
    """One of the known words."""
    value = options.get(key, default)
    if value not in known:
        raise wrong(key, value, f"one of {', '.join(map(repr, known))}")
    return str(value)


def wrong(key: str, value: Any, wanted: str) -> ZeroMindError:
    """What to say of a value that cannot be."""
    return ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"task key {key!r} is {value!r}: {wanted} is expected", key)
