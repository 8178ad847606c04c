"""The signature of an MLflow model: which columns, tensors and parameters it takes, and what it gives.

The format: https://mlflow.org/docs/latest/ml/model/signatures/
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Shape, TensorSpec

TENSOR, STR_TENSOR, COLUMN, ARRAY, JSON, DATETIME = "tensor", "tensor of str", "column", "array", "json", "datetime"
_COLUMNS = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
    "binary": "BYTES",
    DATETIME: "BYTES",
}
_PARAMETERS = frozenset({"boolean", "integer", "long", "float", "double", "string"})


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A column or tensor: our spec of it, what MLflow calls it, and of which kind it is there.

    ``key`` is None where it has no name. ``kind`` is that of a tensor, the name of a column's type, ``array`` for a column of arrays of
    numbers or texts, or ``json`` for any other, each of whose values we take and give as JSON.
    """

    spec: TensorSpec
    key: str | int | None
    kind: str
    required: bool = True

    @property
    def is_tensor(self) -> bool:
        """Whether it is no column."""
        return self.kind in (TENSOR, STR_TENSOR)


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """``inputs`` and ``outputs`` are empty where it has none; ``parameters`` are those that are single numbers or texts, by name."""

    inputs: tuple[Field, ...] = ()
    outputs: tuple[Field, ...] = ()
    parameters: frozenset[str] = frozenset()

    @property
    def is_table(self) -> bool:
        """Whether the inputs are columns."""
        return bool(self.inputs) and not any(field.is_tensor for field in self.inputs)


def parse(said: Any) -> Signature:
    """What MLmodel has under ``signature``. Raises INPUT_SPEC, OUTPUT_SPEC or LOAD_FAILED for what is none."""
    if said is None:
        return Signature()
    if not isinstance(said, Mapping):
        raise ZeroMindError(ErrorKind.LOAD_FAILED, f"the model's signature is {said!r}: save the model anew", "signature")
    inputs = _entries(said.get("inputs"), ErrorKind.INPUT_SPEC)
    outputs = _entries(said.get("outputs"), ErrorKind.OUTPUT_SPEC)
    parameters = _entries(said.get("params"), ErrorKind.LOAD_FAILED)
    single = (entry for entry in parameters if entry.get("shape") is None and entry.get("type") in _PARAMETERS)
    return Signature(
        _fields(inputs, "input", ErrorKind.INPUT_SPEC),
        _fields(outputs, "output", ErrorKind.OUTPUT_SPEC),
        frozenset(entry["name"] for entry in single if isinstance(entry.get("name"), str)),
    )


def _entries(text: Any, kind: ErrorKind) -> list[dict[str, Any]]:
    """The objects in a list that is JSON within MLmodel."""
    try:
        entries = [] if text is None else json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ZeroMindError(kind, f"the model's signature is no readable JSON: {error}", "signature") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ZeroMindError(kind, f"the model's signature is no list of columns or tensors: {str(entries)[:100]}", "signature")
    return entries


def _fields(entries: list[dict[str, Any]], name: str, kind: ErrorKind) -> tuple[Field, ...]:
    fields = []
    for index, entry in enumerate(entries):
        key = entry.get("name")
        # Columns of a table without names are numbered.
        key = key if isinstance(key, int) and not isinstance(key, bool) else str(key) if key is not None else None
        own = str(key) if key is not None else name if len(entries) == 1 else f"{name}_{index}"
        try:
            type_, datatype, shape = _described(entry, column=kind is ErrorKind.INPUT_SPEC)
        except (KeyError, TypeError, ValueError) as error:
            text = f"the model's signature describes {own!r} in a way that is not understood ({error!r}): describe it in the task"
            raise ZeroMindError(kind, text, own) from None
        fields.append(Field(TensorSpec(own, datatype, shape), key, type_, entry.get("required", True) is not False))
    if len({field.spec.name for field in fields}) < len(fields):
        raise ZeroMindError(kind, "the model's signature names two columns or tensors alike", name)
    return tuple(fields)


def _described(entry: Mapping[str, Any], *, column: bool) -> tuple[str, str, Shape]:
    """The kind, datatype and shape; ``column`` says that one value of each row is a column of its own."""
    type_ = entry["type"]
    if type_ == TENSOR:
        spec = entry["tensor-spec"]
        shape = tuple(None if int(size) < 0 else int(size) for size in spec["shape"])
        return STR_TENSOR if spec["dtype"] == "str" else TENSOR, datatypes.parse_datatype(str(spec["dtype"])), shape
    shape = (None, 1) if column else (None,)
    if type_ in _COLUMNS:
        return type_, _COLUMNS[type_], shape
    items = entry.get("items")
    if type_ == ARRAY and isinstance(items, dict) and items.get("type") in _COLUMNS and items["type"] != DATETIME:
        return ARRAY, _COLUMNS[items["type"]], (None, None)
    return JSON, "BYTES", shape
