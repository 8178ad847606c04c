"""Whether the first dimension of a model's tensors is a batch: by the names in the file or, where it has none, by how the model behaves.

Converters often leave dimensions without a name, also such as have nothing to do with each other: what a model selects, concatenates
or transposes. Requests for such a model must not be joined, nor need their inputs agree.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from zeromind.tensors import Tensor, TensorSpec

Predict = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]

_SIZES = (5, 16, 64, 256, 1)
"""Of the other dimensions that are open: a convolution may take no small ones, and with 1 much looks like a batch that is none."""
_MOST_ELEMENTS = 1 << 20
_ANONYMOUS = "unk__"
"""How converters number dimensions that they have no name for."""


def shared(names: Sequence[object], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], predict: Predict) -> bool:
    """Whether all first dimensions, of these names in the file, are the batch.

    Where several lack a name, ``predict`` is asked with a few small inputs; if it takes none of them, they are not.
    """
    if not inputs or any(spec.shape[:1] != (None,) for spec in (*inputs, *outputs)):
        return False
    known = [name if isinstance(name, str) and not name.startswith(_ANONYMOUS) else "" for name in names]
    if len(set(known) - {""}) > 1:
        return False
    return all(known) or _behaves(inputs, predict, agreed=all(known[: len(inputs)]))


def _behaves(inputs: Sequence[TensorSpec], predict: Predict, *, agreed: bool) -> bool:
    """Whether it gives as many rows as it gets; and unless it is ``agreed`` that all inputs have the same number, insists on that."""
    for size in _SIZES if any(None in spec.shape[1:] for spec in inputs) else _SIZES[:1]:
        if any(_elements(spec, size) > _MOST_ELEMENTS for spec in inputs):
            break
        try:
            # Zeros and ones: a model that selects rows by their values does not give the same number of both.
            kept = [_rows(predict(_made(inputs, [rows] * len(inputs), size, fill))) == {rows} for rows, fill in ((2, 0), (3, 1))]
        except Exception:  # noqa: S112 - this size is not for it, whatever it calls that
            continue
        return all(kept) and (agreed or len(inputs) == 1 or _insists(inputs, predict, size))
    return False


def _insists(inputs: Sequence[TensorSpec], predict: Predict, size: int) -> bool:
    """Whether it refuses each single input that has another number of rows than the others."""
    for odd in range(len(inputs)):
        try:
            predict(_made(inputs, [3 if index == odd else 2 for index in range(len(inputs))], size, 1))
        except Exception:  # noqa: S112 - as it should
            continue
        return False
    return True


def _made(inputs: Sequence[TensorSpec], rows: Sequence[int], size: int, fill: int) -> dict[str, Tensor]:
    made = {}
    for spec, count in zip(inputs, rows, strict=True):
        shape = (count, *(size if known is None else known for known in spec.shape[1:]))
        # Whole numbers may be divisors, and are more often places in a table than sizes: 1 is good for all.
        value = b"" if spec.datatype == "BYTES" else 1 if spec.dtype.kind in "iu" else fill
        made[spec.name] = np.full(shape, value, spec.dtype)
    return made


def _rows(outputs: Mapping[str, Tensor]) -> set[int]:
    return set(itertools.chain.from_iterable(array.shape[:1] or (-1,) for array in outputs.values()))


def _elements(spec: TensorSpec, size: int) -> int:
    return 3 * math.prod(size if known is None else known for known in spec.shape[1:])
