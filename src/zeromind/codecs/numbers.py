"""JSON arrays to tensors and back, strict about what fits the spec."""

from __future__ import annotations

import base64
import functools
import types
from typing import Annotated, Any

import msgspec
import numpy as np

from zeromind import datatypes
from zeromind.codecs import arrays
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import JSON, TENSORS
from zeromind.tensors import Tensor, TensorSpec

_SCALARS: dict[str, Any] = {"BOOL": bool, "BYTES": str, "FP64": float, "INT64": int, "UINT64": int}


def to_tensor(text: bytes | msgspec.Raw, spec: TensorSpec) -> Tensor:
    """The tensor that nested JSON lists hold, in the spec's dtype and fitting its shape.

    Raises INVALID_INPUT for anything else: other types, ragged lists, numbers that the dtype cannot hold, no rows.
    """
    text = bytes(text)
    if (quick := arrays.nested(text, spec)) is not None:
        return quick
    check_count(text, spec)
    try:
        data = _decoder(spec.datatype, len(spec.shape)).decode(text)
        array = np.array(data, spec.dtype)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        raise _refused(spec, _reason(error)) from None
    if spec.datatype == "BYTES":
        array = _nested_text(data, len(spec.shape), spec)
    if array.size == 0:
        raise _refused(spec, "it holds no rows")
    return datatypes.rounded(spec.check(array), spec.datatype)


def from_values(data: Any, spec: TensorSpec) -> Tensor:
    """The same of values that are parsed already, none of them text: floats may be NaN and infinite here. Raises as ``to_tensor``."""
    floats = spec.dtype.kind == "f"
    try:
        values = msgspec.convert(data, _type(spec.datatype, len(spec.shape), bounded=not floats))
        given = np.array(values, np.float64 if floats else spec.dtype)
    except (msgspec.ValidationError, ValueError, OverflowError, RecursionError) as error:
        raise _refused(spec, _reason(error)) from None
    with np.errstate(over="ignore"):
        array = datatypes.rounded(given.astype(spec.dtype), spec.datatype)
    if array.size == 0:
        raise _refused(spec, "it holds no rows")
    if floats and (np.isinf(array) & np.isfinite(given)).any():
        raise _refused(spec, "it holds a number that is too large")
    return spec.check(array)


def to_flat(text: bytes | msgspec.Raw, spec: TensorSpec) -> Tensor | None:
    """The elements of a flat JSON list, shape (n,), in the spec's dtype; None for anything else, which ``to_tensor`` can explain."""
    text = bytes(text)
    if (quick := arrays.flat(text, spec)) is not None:
        return quick
    if text[1:2] == b"[":
        return None
    check_count(text, spec)
    try:
        data = _decoder(spec.datatype, 1).decode(text)
        if spec.datatype == "BYTES":
            return _nested_text(data, 1, spec)
        return datatypes.rounded(np.array(data, spec.dtype), spec.datatype)
    except (msgspec.DecodeError, ValueError, OverflowError):
        return None


def check_count(text: bytes, spec: TensorSpec) -> None:
    """Raise INVALID_INPUT for a list of very many values, each of which would become an object."""
    most = JSON.values
    if spec.datatype == "BYTES":
        few = len(text) < 2 * TENSORS.texts or text.count(b'"') - text.count(b'\\"') <= 2 * (most := TENSORS.texts)
    else:
        few = len(text) < 2 * most or text.count(b",") < most
    if not few:
        raise _refused(spec, f"it has more than {most} values, or they are no even lists of numbers: send bytes, or several requests")


def to_json(array: Tensor) -> Any:
    """What the JSON encoder takes for a tensor: the array itself, or lists of text; bytes that are no UTF-8 become ``{"b64"}``."""
    if array.dtype.kind in "OSUT":
        return _text_lists(datatypes.as_bytes(array).tolist())
    if array.ndim == 0:
        return array.item()
    return np.ascontiguousarray(array)


@functools.lru_cache(256)
def _decoder(datatype: str, dimensions: int) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_type(datatype, dimensions))


def _type(datatype: str, dimensions: int, bounded: bool = True) -> Any:
    """Nested lists of what stands for a datatype in JSON."""
    dtype = datatypes.NUMPY_OF[datatype]
    kind = _SCALARS.get(datatype) or (float if dtype.kind == "f" else int)
    if bounded and datatype not in _SCALARS:  # narrower numbers: the parser checks the range, as it does for the widest by itself
        least, most = datatypes.bounds(datatype)
        kind = Annotated[kind, msgspec.Meta(ge=least, le=most)]
    return listed(kind, dimensions)


def listed(kind: Any, dimensions: int) -> Any:
    """The type of lists in lists, so deep."""
    for _ in range(dimensions):
        kind = types.GenericAlias(list, (kind,))
    return kind


def _nested_text(data: Any, dimensions: int, spec: TensorSpec) -> Tensor:
    array = np.array(data, np.object_)
    if array.ndim != dimensions:
        raise _refused(spec, "its lists have different lengths")
    return datatypes.as_bytes(array)


def _text_lists(value: Any) -> Any:
    if isinstance(value, list):
        return [_text_lists(item) for item in value]
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _reason(error: Exception) -> str:
    text = str(error)
    return "its lists have different lengths" if "inhomogeneous" in text else text


def _refused(spec: TensorSpec, reason: str) -> ZeroMindError:
    return ZeroMindError(
        ErrorKind.INVALID_INPUT,
        f"input {spec.name!r} must be nested lists of {datatypes.type_name(spec.datatype)} of shape {spec.shown_shape()}: {reason}",
        spec.name,
    )
