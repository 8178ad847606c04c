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
_WIDE = {
    dtype: np.dtype(np.float64 if dtype.kind == "f" else np.uint64 if dtype == np.uint64 else np.int64)
    for dtype in datatypes.NUMPY_OF.values()
    if dtype.kind in "fiu"
}
"""What simdjson reads the numbers of a dtype as."""
_BOUNDS = {dtype: datatypes.bounds(dtype) for dtype in _WIDE}
_NUMBER_BYTES = b"0123456789.eE+- \t\r\n"


def parse(text: bytes) -> Any:
    """The document. Nothing of it may be kept: neither a part of it nor an exception that was raised while looking at it."""
    # A parser keeps several times the size of its largest document.
    return (_PARSER if len(text) < _SMALL else simdjson.Parser()).parse(text)


def elements(array: Any, dtype: np.dtype[Any]) -> Tensor:
    """The numbers of a parsed list and of the lists in it, in order, shape (n,).

    Raises one of FAULTS, also for a number that the dtype cannot hold.
    """
    wide = _WIDE[dtype]
    values = np.frombuffer(array.as_buffer(of_type=wide.kind if wide.kind != "f" else "d"), wide)
    if wide == dtype:
        return values
    least, most = _BOUNDS[dtype]
    # Of all ways to ask for the extremes of a few numbers this is the fastest by far.
    if values.size and (values.item(values.argmin()) < least or values.item(values.argmax()) > most):
        raise OverflowError(dtype)
    return values.astype(dtype)


def flat(text: bytes, dtype: np.dtype[Any]) -> Tensor | None:
    """The numbers of one list, shape (n,)."""
    if text.rfind(b"["):  # not 0: there are lists in it
        return None
    try:
        return elements(parse(text), dtype)
    except FAULTS:
        return None


def nested(text: bytes, spec: TensorSpec) -> Tensor | None:
    """The tensor that nested lists hold whose sizes the spec knows, all but the first."""
    inner = spec.shape[1:]
    if not spec.shape or None in inner:
        return None
    try:
        values = elements(parse(text), spec.dtype)
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


@functools.lru_cache(256)
def _skeleton(shape: tuple[int, ...]) -> bytes:
    """The brackets and commas of nested lists of that shape."""
    return b"[" + b",".join([_skeleton(shape[1:])] * shape[0]) + b"]" if shape else b""
