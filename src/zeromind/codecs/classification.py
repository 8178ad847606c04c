"""The classification extension of the Open Inference Protocol: the highest numbers of an output, told as text."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import TENSORS
from zeromind.tensors import Tensor


def classify(array: Tensor, top: int, batches: bool, labels: Sequence[str]) -> Tensor:
    """The ``top`` highest of all numbers, or of each row where the first dimension is the batch, as BYTES ``value:index[:label]``.

    Shape (min(top, n),), with ``batches`` (rows, min(top, n)); descending, of equal ones the first comes first; NaN is as
    low as can be. Floats have six decimals. Raises INVALID_INPUT for an output that has no numbers, and for very many classes.
    """
    if array.dtype.kind not in "iuf":
        raise ZeroMindError(ErrorKind.INVALID_INPUT, f"class result not available for output due to unsupported type {array.dtype.name}")
    rows = array.reshape(array.shape[0], math.prod(array.shape[1:])) if batches else array.reshape(1, array.size)
    count = min(top, rows.shape[1])
    if len(rows) * count > TENSORS.classes:
        text = f"{len(rows)} rows of {count} classes are more than the {TENSORS.classes} of one answer: ask for fewer, or for numbers"
        raise ZeroMindError(ErrorKind.INVALID_INPUT, text)
    found = np.empty((len(rows), count), np.object_)
    for place, row in enumerate(rows):
        found[place] = [_told(row[index], int(index), labels) for index in _highest(row, count)]
    return found if batches else found[0]


def _highest(row: Tensor, count: int) -> Tensor:
    """Where the highest numbers of a row are."""
    if not count:
        return np.empty(0, np.int64)
    if row.dtype.kind == "f":
        row = np.where(np.isnan(row), row.dtype.type(-np.inf), row)
    least = np.partition(row, len(row) - count)[len(row) - count]
    places: Tensor = np.flatnonzero(row >= least)
    ascending = places[::-1][np.argsort(row[places[::-1]], kind="stable")]
    return ascending[::-1][:count]


def _told(value: np.generic, index: int, labels: Sequence[str]) -> bytes:
    text = f"{value:f}" if value.dtype.kind == "f" else str(value)
    label = labels[index] if index < len(labels) else ""
    return f"{text}:{index}:{label}".encode() if label else f"{text}:{index}".encode()
