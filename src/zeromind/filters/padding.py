"""Sequences of any length for a model whose input has one length."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from zeromind.filters import numbers, settings
from zeromind.filters.base import Side
from zeromind.tensors import Tensor, TensorSpec


class PaddingFilter:
    """Pads and cuts sequences at the front to the input's second dimension, so that each keeps its end.

    Takes a list of sequences, each a list of numbers, or of vectors where the input has three dimensions. Gives an array
    (sequences, *input shape[1:]) in the input's dtype; raises ValueError for anything else, and for numbers that the dtype
    cannot hold. ``value`` is what fills the front.
    """

    side: ClassVar[Side] = "input"

    def __init__(self, value: float = 0) -> None:
        settings.number("value", value)
        self._value = value

    def apply(self, value: Any, spec: TensorSpec) -> Tensor:
        """The padded sequences, ready for the model."""
        shape = [size for size in spec.shape[1:] if size is not None]
        if not shape or not all(shape) or len(shape) != len(spec.shape) - 1 or spec.dtype.kind not in "biuf":
            raise settings.misfit("padding", spec, "it needs an input of numbers whose dimensions but the first are fixed")
        try:
            fill = numbers.cast(numbers.array_of(self._value), spec.dtype)
        except ValueError as error:
            raise settings.misfit("padding", spec, f"'value' is {self._value}") from error
        if not isinstance(value, (list, tuple, np.ndarray)):
            raise ValueError("expected a list of sequences, each a list of numbers")  # noqa: TRY004 - the client's JSON is at fault
        out = numbers.room((len(value), *shape), spec.dtype, fill)
        for row, sequence in zip(out, value, strict=True):
            array = numbers.array_of(sequence)
            if array.size == 0 and array.ndim == 1:
                continue
            if array.ndim != len(shape) or list(array.shape[1:]) != shape[1:]:
                wanted = "numbers" if len(shape) == 1 else f"vectors of shape {shape[1:]}"
                raise ValueError(f"expected a list of sequences, each a list of {wanted}")
            end = numbers.cast(array[-shape[0] :], spec.dtype)
            row[shape[0] - len(end) :] = end
        return out
