"""Batches of any size through a function that is compiled for a few sizes only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor

# Powers of two while a program is quick to make up for; then steps of 32, so that at most 31 rows are computed in vain.
LADDER = (1, 2, 4, 8, 16, *range(32, 257, 32))


def ladder(value: Any) -> tuple[int, ...]:
    """The batch sizes that a task gives, ascending. Raises TASK_ATTRIBUTE unless they are a list of positive integers."""
    if not isinstance(value, list) or not value or not all(type(size) is int and size > 0 for size in value):
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"'batch_sizes' is a list of positive integers, not {value!r}", "batch_sizes")
    return tuple(sorted(set(value)))


def run(function: Callable[[Sequence[Tensor]], list[Tensor]], sizes: Sequence[int], arrays: Sequence[Tensor]) -> list[Tensor]:
    """The outputs of ``function`` for arrays of n rows, called only with the ascending ``sizes``: cut at the largest, padded with zeros.

    ``function`` keeps rows apart. Raises ValueError where the arrays differ in n.
    """
    rows = arrays[0].shape[0]
    if any(array.shape[0] != rows for array in arrays):
        raise ValueError(f"the inputs hold different numbers of rows: {', '.join(str(array.shape[0]) for array in arrays)}")
    most = sizes[-1]
    parts = [_piece(function, sizes, [array[start : start + most] for array in arrays]) for start in range(0, max(rows, 1), most)]
    return parts[0] if len(parts) == 1 else [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def _piece(function: Callable[[Sequence[Tensor]], list[Tensor]], sizes: Sequence[int], arrays: Sequence[Tensor]) -> list[Tensor]:
    rows = arrays[0].shape[0]
    size = next(each for each in sizes if each >= rows)
    if size == rows:
        return function(arrays)
    return [output[:rows] for output in function([_padded(array, size) for array in arrays])]


def _padded(array: Tensor, size: int) -> Tensor:
    padded = np.zeros((size, *array.shape[1:]), array.dtype)
    padded[: len(array)] = array
    return padded
