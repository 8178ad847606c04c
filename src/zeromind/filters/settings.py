"""Checks of the settings that a task gives a filter; each gives the value back or raises ValueError, naming the setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec


def number(name: str, value: Any) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name!r} must be a number")
    return float(value)


def numbers(name: str, value: Any) -> tuple[float, ...]:
    """A finite number, as a tuple of one, or a list of them."""
    if isinstance(value, (list, tuple)) and value:
        return tuple(number(name, item) for item in value)
    return (number(name, value),)


def count(name: str, value: Any) -> int:
    """A whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name!r} must be a whole number from 1")
    return value


def flag(name: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name!r} must be true or false")  # noqa: TRY004 - build() words both alike
    return value


def choice(name: str, value: Any, known: Sequence[str]) -> str:
    """One of the known words."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name!r} must be one of {', '.join(known)}")
    return value


def misfit(filter_name: str, spec: TensorSpec, wanted: str) -> ZeroMindError:
    """The error for a filter that the task has bound to a tensor, or given settings, that cannot go together."""
    return ZeroMindError(
        ErrorKind.FILTER_PARAMETERS,
        f"the {filter_name} filter does not fit {spec.name!r}, {spec.datatype} {spec.shown_shape()}: {wanted}",
        spec.name,
    )
