"""What a python_function gives, as named arrays: tables, mappings, arrays, lists of anything."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Shape, Tensor, TensorSpec

_ONLY = "output"
_MISSING = ("NAType", "NaTType")
"""What pandas puts where nothing is."""


def named(result: Any) -> dict[str, Tensor]:
    """The columns of a table, the entries of a mapping or of the mappings in a list, else ``output``."""
    if hasattr(result, "columns") and hasattr(result, "iloc"):
        return {str(name): _array(result.iloc[:, index]) for index, name in enumerate(result.columns)}
    if isinstance(result, Mapping):
        return {str(name): _array(value) for name, value in result.items()}
    if isinstance(result, list) and result and all(isinstance(row, Mapping) and row.keys() == result[0].keys() for row in result):
        return {str(name): _array([row[name] for row in result]) for name in result[0]}
    return {_ONLY: _array(result)}


def described(array: Tensor) -> tuple[str, Shape]:
    """The datatype and shape of an output of which this is a sample: any number of rows."""
    return datatypes.datatype_of(array.dtype), (None, *array.shape[1:])


def fitted(found: Mapping[str, Tensor], specs: Sequence[TensorSpec]) -> dict[str, Tensor]:
    """What was found in the specs' names, shapes and types; by its order where names differ. Raises OUTPUT_NAME or PREDICTION_FAILED."""
    if any(spec.name not in found for spec in specs):
        if len(found) != len(specs):
            missing = next(spec.name for spec in specs if spec.name not in found)
            text = f"the model gave no {missing!r}, only {', '.join(map(repr, found)) or 'nothing'}"
            raise ZeroMindError(ErrorKind.OUTPUT_NAME, text, missing)
        found = {spec.name: array for spec, array in zip(specs, found.values(), strict=True)}
    return {spec.name: _fitted(found[spec.name], spec) for spec in specs}


def _fitted(array: Tensor, spec: TensorSpec) -> Tensor:
    if not spec.fits(array.shape):
        # A column is as good as a list.
        reshaped = array.reshape(len(array), *(1 for _ in spec.shape[1:])) if array.size == len(array) else array
        if not spec.fits(reshaped.shape):
            text = f"the model gave shape {list(array.shape)} for output {spec.name!r}, which is to be {spec.shown_shape()}"
            raise ZeroMindError(ErrorKind.PREDICTION_FAILED, text, spec.name)
        array = reshaped
    if spec.datatype == "BYTES":
        return datatypes.as_bytes(array)
    if not np.can_cast(array.dtype, spec.dtype, "same_kind"):
        text = f"the model gave {array.dtype.name} for output {spec.name!r}, which is to be {datatypes.type_name(spec.datatype)}"
        raise ZeroMindError(ErrorKind.PREDICTION_FAILED, text, spec.name)
    return array.astype(spec.dtype, copy=False)


def _array(value: Any) -> Tensor:
    """The values as an array of numbers or of texts, JSON where they are neither; at least one dimension."""
    try:
        array = np.atleast_1d(np.asarray(value.toarray() if hasattr(value, "toarray") else value))
    except ValueError:  # lists of several lengths
        array = _objects(list(value))
    if array.dtype.kind in "mM":
        return array.astype(str)
    if array.dtype.kind not in "OVc":
        return array
    cells = array.reshape(-1).tolist()
    texts = [_text(cell) for cell in cells]
    if all(text is not None for text in texts):
        return _objects(texts).reshape(array.shape)
    try:
        numbers = np.array(cells)
    except (ValueError, TypeError):
        numbers = array
    if numbers.dtype.kind in "biuf":
        return numbers.reshape(*array.shape, *numbers.shape[1:])
    return _objects([json.dumps(cell, default=_plain) for cell in cells]).reshape(array.shape)


def _text(cell: Any) -> str | bytes | None:
    """A text as it is, a missing one as an empty one, None for anything else."""
    if isinstance(cell, (str, bytes)):
        return cell
    return "" if cell is None or type(cell).__name__ in _MISSING or (isinstance(cell, float) and math.isnan(cell)) else None


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _objects(cells: list[Any]) -> Tensor:
    array = np.empty(len(cells), object)
    array[:] = cells
    return array
