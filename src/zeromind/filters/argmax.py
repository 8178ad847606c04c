"""From scores to the winner."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from zeromind.filters import numbers
from zeromind.filters.base import Side
from zeromind.tensors import TensorSpec


class ArgMaxFilter:
    """The index of the largest element of a sample, as an int; of several equal ones the first.

    A sample of more than one dimension is read as if it were flat. With ``axis`` (a dimension of the sample, -1 = the last)
    the answer is instead an int64 array of the winners along it: a segmentation's map of classes.
    Raises ValueError for a sample that is empty, holds anything but numbers, or holds NaN, since nothing is largest then.
    """

    side: ClassVar[Side] = "both"

    def __init__(self, axis: int | None = None) -> None:
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
            raise ValueError("'axis' must be a whole number, or absent")
        self._axis = axis

    def apply(self, value: Any, spec: TensorSpec) -> Any:
        """The index, or the indices along ``axis``."""
        del spec
        array = numbers.array_of(value)
        if array.size == 0:
            raise ValueError("expected at least one number to find the largest of")
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ValueError("there is NaN among the numbers, so none of them is the largest")
        if self._axis is None:
            return int(np.argmax(array))
        if not -array.ndim <= self._axis < array.ndim:
            raise ValueError(f"expected numbers in more dimensions: 'axis' is {self._axis}, the shape {list(array.shape)}")
        return np.argmax(array, axis=self._axis)
