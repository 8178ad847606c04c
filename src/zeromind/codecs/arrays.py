"""JSON lists of numbers to numpy without an object per number: simdjson reads them into one buffer.

Everything here gives None for what it does not take; the slower readers of ``codecs.numbers`` then take it, or say what is wrong.
Not for several threads: the parser's memory is used again.
"""

from __future__ import annotations

import collections
import functools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import simdjson

from zeromind import datatypes
from zeromind.limits import JSON
from zeromind.tensors import Shape, Tensor, TensorSpec

FAULTS = (ValueError, TypeError, AttributeError, KeyError, IndexError, RuntimeError, ArithmeticError)
"""What simdjson raises for text that is not JSON, or that holds something else than was asked for; and numpy for what overflows."""
_SMALL = 1 << 20
_PARSER = simdjson.Parser()
_NUMBER_BYTES = b"0123456789.eE+- \t\r\n"


def parse(text: bytes) -> Any:
    """The document. Nothing of it may be kept: neither a part of it nor an exception that was raised while looking at it."""
    # A parser keeps several times the size of its largest document.
    if len(text) < _SMALL:
        return _PARSER.parse(text)
    if len(text) > 2 * JSON.numbers and text.count(b",") >= JSON.numbers:
        raise OverflowError("too many numbers")
    return simdjson.Parser().parse(text)


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
    """The tensor that nested lists hold, which are as long as the spec has it, or where that is open as the first of their level."""
    inner, numbers = spec.shape[1:], reader(spec.datatype)
    if numbers is None or not spec.shape:
        return None
    try:
        document = parse(text)
        sizes: Any = _sizes(document, inner) if None in inner else inner
        values = numbers.elements(document)
    except FAULTS:
        return None
    size = math.prod(sizes)
    if not values.size or not size or values.size % size or spec.shape[0] not in (None, values.size // size):
        return None
    rows = values.size // size
    # That all of it is numbers is known by now. Without them only the brackets and commas are left, which the shape foretells.
    one = (_skeleton if sizes is inner else _brackets)(sizes)
    if text.translate(None, _NUMBER_BYTES) != b"[" + b",".join([one] * rows) + b"]":
        return None
    return values.reshape(rows, *sizes)


def length(text: bytes) -> int | None:
    """How many items a list has; None for what is no JSON."""
    try:
        return len(parse(text))
    except FAULTS:
        return None


def repeated(text: bytes) -> str:
    """A name that stands twice in an object, or in those that it or a list has as inputs, outputs and parameters; empty if none does.

    Raises ValueError for what cannot be read.
    """
    try:
        return _repeated(parse(text))
    except FAULTS as error:
        raise ValueError(str(error) or type(error).__name__) from None


def _repeated(value: Any) -> str:
    inner: Iterable[Any] = ()
    kind = type(value)
    if kind is simdjson.Object:
        names: list[str] = list(value)
        if len(set(names)) < len(names):
            return next(name for name, count in collections.Counter(names).items() if count > 1)
        inner = [value[name] for name in ("inputs", "outputs", "parameters") if name in names]
    elif kind is simdjson.Array and len(value) and type(value[0]) is simdjson.Object:
        inner = value
    return next(filter(None, map(_repeated, inner)), "")


def _sizes(document: Any, inner: Shape) -> tuple[int, ...]:
    """The sizes besides the first, those that are open as the first lists have them."""
    sizes = []
    for size in inner:
        document = document[0]
        sizes.append(len(document) if size is None else size)
    return tuple(sizes)


@functools.lru_cache(256)
def _skeleton(shape: tuple[int, ...]) -> bytes:
    """The same as ``_brackets``, of a model's own shape."""
    return _brackets(shape)


def _brackets(shape: tuple[int, ...]) -> bytes:
    """The brackets and commas of nested lists of that shape."""
    return b"[" + b",".join([_brackets(shape[1:])] * shape[0]) + b"]" if shape else b""
