"""JSON lists of numbers to numpy without an object per number: simdjson reads them into one buffer.

Everything here gives None for what it does not take; the slower readers of ``codecs.numbers`` then take it, or say what is wrong.
Not for several threads: the parser's memory is used again.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import simdjson

from zeromind import datatypes
from zeromind.tensors import Tensor, TensorSpec

FAULTS = (ValueError, TypeError, AttributeError, KeyError, IndexError, RuntimeError, ArithmeticError)
"""What simdjson raises for text that is not JSON, or that holds something else than was asked for; and numpy for what overflows."""
_SMALL = 1 << 20
_PARSER = simdjson.Parser()
_NUMBER_BYTES = b"0123456789.eE+- \t\r\n"


def parse(text: bytes) -> Any:
    """The document. Nothing of it may be kept: neither a part of it nor an exception that was raised while looking at it."""
    # A parser keeps several times the size of its largest document.
    return (_PARSER if len(text) < _SMALL else simdjson.Parser()).parse(text)


class Reader:
    """Reads the numbers of parsed lists into one datatype of the Open Inference Protocol."""

    def __init__(self, datatype: str) -> None:
        dtype = self._dtype = datatypes.NUMPY_OF[datatype]
        self._coarse = datatype == "BF16"
        self._wide = np.dtype(np.float64 if dtype.kind == "f" else np.uint64 if dtype == np.uint64 else np.int64)
        self._as = "d" if dtype.kind == "f" else self._wide.kind
        self._narrow = dtype != self._wide
        self._least, self._most = datatypes.bounds(datatype)

    def elements(self, array: Any) -> Tensor:
        """The numbers of a list and of the lists in it, in order, shape (n,).

        Raises one of FAULTS, also for a number that the dtype cannot hold.
        """
        values = np.frombuffer(array.as_buffer(of_type=self._as), self._wide)
        if not self._narrow:
            return values
        # Of all ways to ask for the extremes of a few numbers this is the fastest by far.
        if values.size and (values.item(values.argmin()) < self._least or values.item(values.argmax()) > self._most):
            raise OverflowError(self._dtype)
        array = values.astype(self._dtype)
        return datatypes.rounded(array, "BF16") if self._coarse else array


@functools.lru_cache(64)
def reader(datatype: str) -> Reader | None:
    """The reader for a datatype of the Open Inference Protocol; None for those that are no numbers."""
    return Reader(datatype) if datatypes.NUMPY_OF[datatype].kind in "fiu" else None


def flat(text: bytes, spec: TensorSpec) -> Tensor | None:
    """The numbers of one list, shape (n,), in the spec's dtype."""
    numbers = reader(spec.datatype)
    if numbers is None or text.rfind(b"["):  # not 0: there are lists in it
        return None
    try:
        return numbers.elements(parse(text))
    except FAULTS:
        return None


def nested(text: bytes, spec: TensorSpec) -> Tensor | None:
    """The tensor that nested lists hold whose sizes the spec knows, all but the first."""
    inner, numbers = spec.shape[1:], reader(spec.datatype)
    if numbers is None or not spec.shape or None in inner:
        return None
    try:
        values = numbers.elements(parse(text))
    except FAULTS:
        return None
    size = math.prod(inner)  # type: ignore[arg-type]  # there is no None in it
    if not values.size or values.size % size or spec.shape[0] not in (None, values.size // size):
        return None
    rows = values.size // size
    # That all of it is numbers is known by now. Without them only the brackets and commas are left, which the shape foretells.
    if text.translate(None, _NUMBER_BYTES) != b"[" + b",".join([_skeleton(inner)] * rows) + b"]":
        return None
    return values.reshape(rows, *inner)


def length(text: bytes) -> int | None:
    """How many items a list has; None for what is no JSON."""
    try:
        return len(parse(text))
    except FAULTS:
        return None


def lengths(text: bytes) -> list[int] | None:
    """How many members each object of a list has, one whose name stands twice counting twice; None for anything else."""
    try:
        return [len(item) for item in parse(text)]
    except FAULTS:
        return None


@functools.lru_cache(256)
def _skeleton(shape: tuple[int, ...]) -> bytes:
    """The brackets and commas of nested lists of that shape."""
    return b"[" + b",".join([_skeleton(shape[1:])] * shape[0]) + b"]" if shape else b""
