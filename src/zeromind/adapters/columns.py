"""The columns that a model was trained on, and the tensors in which clients send them.

Columns of one kind are one ``input`` ``[None, columns]``; columns of different kinds are an input each, ``[None, 1]``, named as in
training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor, TensorSpec

_UNNAMED = "input_"
"""What columns without a name are called, with their number."""


Encoder = Callable[[Tensor], Tensor]


class Column(NamedTuple):
    """One column: its name ("" where it has none), the datatype in which it comes, and the values that it may have, if that is known.

    ``values`` are texts for BYTES, else numbers; the model knows them by their place. A value that is not among them is missing, or the
    client's fault where the column is ``strict``.
    """

    name: str
    datatype: str
    values: tuple[Any, ...] | None = None
    strict: bool = False


class Columns:
    """Makes of named arrays the table that a model takes.

    ``given`` are the task's inputs, which may be any that have as many columns together, in the model's order unless they have the
    columns' names; empty, the inputs are as this module says. Raises INPUT_SPEC for inputs that do not fit.
    """

    def __init__(self, columns: Sequence[Column], given: Sequence[TensorSpec] = ()) -> None:
        columns = [column._replace(name=column.name or f"{_UNNAMED}{place}") for place, column in enumerate(columns)]
        self.inputs = tuple(given) or _inputs(columns)
        sizes = {spec.name: math.prod(size or 0 for size in spec.shape[1:]) for spec in self.inputs}
        if any(not spec.shape or None in spec.shape[1:] for spec in self.inputs) or sum(sizes.values()) != len(columns):
            shown = ", ".join(f"{spec.name!r} {spec.shown_shape()}" for spec in self.inputs)
            text = f"the model has {len(columns)} columns, which the inputs {shown} do not make: give each [null, number of columns]"
            raise ZeroMindError(ErrorKind.INPUT_SPEC, text)
        names = [column.name for column in columns]
        order = names if set(sizes) == set(names) and set(sizes.values()) == {1} else list(sizes)
        specs = {spec.name: spec for spec in self.inputs}
        places = [(specs[name], place) for name in order for place in range(sizes[name])]
        self._parts = [(_encoder(column, spec), spec.name, place) for column, (spec, place) in zip(columns, places, strict=True)]
        self._alone = self.inputs[0].name if len(self.inputs) == 1 and not any(encode for encode, _, _ in self._parts) else ""

    def table(self, inputs: Mapping[str, Tensor], dtype: type) -> Tensor:
        """The rows of a batch, ``[rows, columns]`` in C order; texts are ``str``. Raises ValueError for a value that no model can take."""
        with np.errstate(over="ignore"):  # too large a number for FP32 is beyond every threshold all the same
            return self._filled(inputs, dtype)

    def _filled(self, inputs: Mapping[str, Tensor], dtype: type) -> Tensor:
        if self._alone and dtype is not object:
            array = inputs[self._alone]
            return np.ascontiguousarray(array.reshape(len(array), -1), dtype)
        flat = {name: array.reshape(len(array), -1) for name, array in inputs.items()}
        rows = len(next(iter(flat.values())))
        if any(len(array) != rows for array in flat.values()):
            raise ValueError("the inputs have different numbers of rows")
        table: Tensor = np.empty((rows, len(self._parts)), dtype)
        for place, (encode, name, own) in enumerate(self._parts):
            values = flat[name][:, own]
            table[:, place] = encode(values) if encode else values
        return table


def _inputs(columns: Sequence[Column]) -> tuple[TensorSpec, ...]:
    kinds = {column.datatype for column in columns}
    if len(kinds) == 1:
        return (TensorSpec("input", kinds.pop(), (None, len(columns))),)
    return tuple(TensorSpec(column.name, column.datatype, (None, 1)) for column in columns)


def _encoder(column: Column, spec: TensorSpec) -> Encoder | None:
    """What makes of an input's values those that the model takes; None where they are the same.

    Numbers for a column of known texts are the places of these, as the model knows them.
    """
    if spec.datatype == "BYTES" and column.datatype == "BYTES":
        return datatypes.as_text if column.values is None else _places_of_texts(column)
    if spec.datatype != "BYTES" and column.datatype != "BYTES":
        return None if column.values is None else _places_of_numbers(column)
    if spec.datatype != "BYTES" and column.values is not None:
        return None
    mine, its = datatypes.type_name(column.datatype), datatypes.type_name(spec.datatype)
    text = f"column {column.name!r} takes {mine}, the task's input {spec.name!r} brings {its}: correct the task"
    raise ZeroMindError(ErrorKind.INPUT_SPEC, text, spec.name)


def _places_of_texts(column: Column) -> Encoder:
    places = {str(value).encode(): float(place) for place, value in enumerate(column.values or ())}
    missing = {b"": math.nan} | places

    def encode(values: Tensor) -> Tensor:
        texts = values.tolist()
        if column.strict:
            for text in texts:
                if text not in missing:
                    raise _unknown(text.decode("utf-8", "replace"), column)
        return np.array([places.get(text, math.nan) for text in texts])

    return encode


def _places_of_numbers(column: Column) -> Encoder:
    known = np.array(column.values, np.float64)

    def encode(values: Tensor) -> Tensor:
        numbers = values.astype(np.float64)
        matches = numbers[:, None] == known
        found = matches.any(axis=1)
        if column.strict and not (found | np.isnan(numbers)).all():
            raise _unknown(numbers[~(found | np.isnan(numbers))][0].item(), column)
        return np.where(found, matches.argmax(axis=1), np.nan)

    return encode


def _unknown(value: object, column: Column) -> ValueError:
    return ValueError(f"the model does not know the value {value!r} of column {column.name!r}: it has not seen it in training")
