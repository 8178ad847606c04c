"""From real numbers to whole ones."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from zeromind.filters import numbers
from zeromind.filters.base import Side
from zeromind.tensors import TensorSpec


class RoundFilter:
    """Every element of a sample rounded to the nearest integer; halves go to the even neighbour, as IEEE 754 and numpy's rint do.

    A single number gives an int, anything else an integer array of the same shape (int64, or the sample's own integer dtype).
    Raises ValueError for anything but numbers, and for NaN and numbers beyond 64 bits, which no integer is near.
    """

    side: ClassVar[Side] = "both"

    def apply(self, value: Any, spec: TensorSpec) -> Any:
        """The rounded sample."""
        del spec
        array = numbers.array_of(value)
        if array.dtype.kind == "f":
            array = np.rint(array)
        if array.dtype.kind in "bf":
            array = numbers.cast(array, np.dtype(np.int64))
        return array if array.ndim else int(array)
