"""Whether the first dimension of a model's tensors is a batch: as the file has it, and as the model behaves.

A name in the file says that tensors have equally many rows, not that a row's answer is its own: the samples of a sound, the words of a
text have a common first dimension, too. And converters leave dimensions without a name, also such as have nothing to do with each
other. Requests for such models must not be joined. So a model is tried on a few rows when it is loaded.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from zeromind.tensors import Tensor, TensorSpec

Predict = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]

_SIZES = (5, 16, 64, 256, 1)
"""Of the other dimensions that are open: a convolution may take no small ones, and with 1 much looks like a batch that is none."""
_MOST_ELEMENTS = 1 << 24
_OTHERS = ((0, 1), (1, 0)), ((2, 1),)
"""Rows around another: what is a place in a table is there, since one that is not is more than an error on a GPU; but no size is 0."""
_ANONYMOUS = "unk__"
"""How converters number dimensions that they have no name for."""
_TOLERANCE = 0.1
"""Of the largest number: quantization and half precision make that of a row's answer depend on its neighbours, a little."""


def shared(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], predict: Predict, names: Sequence[object] = ()) -> bool:
    """Whether all first dimensions, of these ``names`` in the file, inputs' before outputs', are the batch; it may know no names.

    ``predict`` is asked with a few rows of made-up numbers. If it takes none of them, the names decide: all must be the same.
    """
    if not inputs or any(spec.shape[:1] != (None,) for spec in (*inputs, *outputs)):
        return False
    names = names or [None] * (len(inputs) + len(outputs))
    known = [name if isinstance(name, str) and not name.startswith(_ANONYMOUS) else "" for name in names]
    if len(set(known) - {""}) > 1:
        return False
    for size in _SIZES if any(None in spec.shape[1:] for spec in inputs) else _SIZES[:1]:
        if any(math.prod(_shape(spec, 3, size)) > _MOST_ELEMENTS for spec in inputs):
            break
        try:
            agreed = all(known[: len(inputs)]) or len(inputs) == 1
            kept = all(known) or _keeps(inputs, predict, size)
            return kept and _by_themselves(inputs, predict, size) and (agreed or _insists(inputs, predict, size))
        except Exception:  # noqa: S112 - this size is not for it, whatever it calls that
            continue
    return all(known)


def _keeps(inputs: Sequence[TensorSpec], predict: Predict, size: int) -> bool:
    """Whether it gives as many rows as it gets even if these are all zeros: of those a model that selects rows seldom selects all."""
    return all(output.shape[:1] == (2,) for output in predict({spec.name: _zeros(spec, 2, size) for spec in inputs}).values())


def _by_themselves(inputs: Sequence[TensorSpec], predict: Predict, size: int) -> bool:
    """Whether it gives as many rows as it gets, to one with neighbours the same answer as if that came alone."""
    feed = {spec.name: sample(spec, 3, size) for spec in inputs}
    if not _apart(feed, predict):
        return False
    # Whole numbers and texts are alike in all rows, of which a mean says nothing: other ones, if the model takes such.
    for ways in _OTHERS if any(array.dtype.kind in "iuO" for array in feed.values()) else ():
        with contextlib.suppress(Exception):
            return all(_apart({name: _beside(array, *way) for name, array in feed.items()}, predict) for way in ways)
    return True


def _beside(array: Tensor, neighbour: int, middle: int) -> Tensor:
    """Other whole numbers and texts around another middle row; of other types the array itself."""
    if array.dtype.kind not in "iuO":
        return array
    other = array.copy()
    other[::2], other[1::2] = (bool(number) * b"1" if array.dtype.hasobject else number for number in (neighbour, middle))
    return other


def _apart(feed: Mapping[str, Tensor], predict: Predict) -> bool:
    """Whether of three rows the middle one gets the answer that it gets alone."""
    together = predict(feed)
    if any(output.shape[:1] != (3,) for output in together.values()):
        return False
    alone = predict({name: array[1:2] for name, array in feed.items()})
    if all(_alike(array[1:2], alone[name]) for name, array in together.items()):
        return True
    again = predict(feed)
    return not all(_alike(array, again[name]) for name, array in together.items())  # a model of chance says nothing


def _insists(inputs: Sequence[TensorSpec], predict: Predict, size: int) -> bool:
    """Whether it refuses each single input that has another number of rows than the others."""
    for odd in inputs:
        try:
            predict({spec.name: sample(spec, 3 if spec is odd else 2, size) for spec in inputs})
        except Exception:  # noqa: S112 - as it should
            continue
        return False
    return True


def _alike(mine: Tensor, its: Tensor) -> bool:
    if mine.shape != its.shape or mine.dtype.kind != "f":
        return mine.shape == its.shape and bool(np.array_equal(mine, its))
    finite = mine[np.isfinite(mine)]
    most = float(np.abs(finite).max()) if finite.size else 0.0
    return bool(np.allclose(mine, its, rtol=0, atol=_TOLERANCE * most, equal_nan=True))


def sample(spec: TensorSpec, rows: int, size: int) -> Tensor:
    """Made-up numbers for a tensor of so many rows, where their number is open, and of that size wherever else one is."""
    shape = _shape(spec, rows, size)
    return _filled(spec, np.sin(np.arange(1, math.prod(shape) + 1)).reshape(shape))


def _zeros(spec: TensorSpec, rows: int, size: int) -> Tensor:
    return _filled(spec, np.zeros(_shape(spec, rows, size)))


def _filled(spec: TensorSpec, numbers: Tensor) -> Tensor:
    """An input of such numbers; whole ones may be divisors, and are more often places in a table than sizes: 1 is good for all."""
    if spec.datatype == "BYTES":
        return np.full(numbers.shape, b"", object)
    if spec.dtype.kind in "iu":
        return np.ones(numbers.shape, spec.dtype)
    return np.asarray(numbers > 0 if spec.dtype.kind == "b" else numbers, spec.dtype)


def _shape(spec: TensorSpec, rows: int, size: int) -> list[int]:
    shape = [size if known is None else known for known in spec.shape]
    return [rows, *shape[1:]] if spec.shape[:1] == (None,) else shape
