"""Any number of rows through a function that takes no fewer, or no more, than so many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from zeromind.tensors import Tensor

Call: TypeAlias = Callable[[Sequence[Tensor]], list[Tensor]]


def in_pieces(call: Call, arrays: Sequence[Tensor], least: int, most: int) -> list[Tensor]:
    """The outputs for all rows: at most ``most`` at a time, and with rows of zeros where there are fewer than ``least``.

    Raises ValueError where the arrays differ in their number of rows.
    """
    rows = len(arrays[0])
    if any(len(array) != rows for array in arrays):
        raise ValueError(f"the inputs hold different numbers of rows: {', '.join(str(len(array)) for array in arrays)}")
    step = min(most, max(rows, 1))
    parts = [_piece(call, [array[start : start + step] for array in arrays], least) for start in range(0, max(rows, 1), step)]
    return parts[0] if len(parts) == 1 else [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def _piece(call: Call, arrays: Sequence[Tensor], least: int) -> list[Tensor]:
    rows = len(arrays[0])
    if rows >= least:
        return call(arrays)
    padded = [np.concatenate([array, np.zeros((least - rows, *array.shape[1:]), array.dtype)]) for array in arrays]
    return [output[:rows] for output in call(padded)]
