"""Plain numbers between JSON and numpy: what a client sent as an array, checked; arrays in another dtype, checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from zeromind.limits import TENSORS
from zeromind.tensors import Tensor


def array_of(value: Any) -> Tensor:
    """A number or evenly nested lists of numbers as an array of integers or floats; arrays pass, of booleans too.

    Raises ValueError for anything else.
    """
    kinds = "biuf" if isinstance(value, (np.ndarray, np.generic)) else "iuf"
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise ValueError("expected a number or lists of numbers, nested evenly") from None
    if array.dtype.kind not in kinds:
        raise ValueError("expected a number or lists of numbers, and nothing but numbers of at most 64 bits in them")
    return array


def cast(array: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """The array in ``dtype``, rounded only from float to float. Raises ValueError where a number does not fit."""
    with np.errstate(over="ignore", invalid="ignore"):
        out = array.astype(dtype)
    fits = np.isfinite(out) | ~np.isfinite(array) if dtype.kind == "f" else out == array
    if not np.all(fits):
        raise ValueError(f"expected numbers that fit the type {dtype.name}")
    return out


def room(shape: Sequence[int], dtype: np.dtype[Any], fill: Any = 0) -> Tensor:
    """A new array filled with ``fill``. Raises ValueError for more bytes than one request may make of a filter."""
    if math.prod(shape) * dtype.itemsize > TENSORS.filtered:
        raise ValueError(f"the data would fill {list(shape)} numbers, more than {TENSORS.filtered >> 20} MiB: send it in several requests")
    return np.full(tuple(shape), fill, dtype)
