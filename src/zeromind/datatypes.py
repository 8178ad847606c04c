"""The datatypes of the Open Inference Protocol and their numpy twins.

BYTES tensors are numpy object arrays of ``bytes`` everywhere between the wires and the adapters. BF16 tensors are float32 there, which
holds every bfloat16 exactly; only the wires know its two bytes.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

NUMPY_OF: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BF16": np.dtype(np.float32),
    "BYTES": np.dtype(np.object_),
}
DATATYPE_OF = {dtype: name for name, dtype in NUMPY_OF.items() if name != "BF16"}
_NUMPY_NAME = re.compile(r"[<>=|]?[A-Za-z][A-Za-z0-9_]*")
_TEXT = ("string", "str", "bytes", "object")
_BFLOAT16 = "bfloat16"
_MOST_BFLOAT16 = float(np.uint32(0x7F7F7FFF).view(np.float32))
"""The last float32 below the middle between the largest bfloat16 and infinity."""


def bounds(datatype: str) -> tuple[float, float]:
    """The least and the greatest number that a datatype can hold, of floats the greatest that is still rounded to its largest."""
    dtype = NUMPY_OF[datatype]
    if dtype.kind != "f":
        return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    if datatype == "BF16":
        return -_MOST_BFLOAT16, _MOST_BFLOAT16
    most = np.finfo(dtype).max
    if dtype.itemsize == 8:
        return -float(most), float(most)
    step = float(most) - float(np.nextafter(most, dtype.type(0)))
    beyond = float(np.nextafter(float(most) + step / 2, 0.0))
    return -beyond, beyond


def datatype_of(dtype: np.dtype[Any]) -> str:
    """The protocol's name of a numpy dtype; text of any kind is BYTES. Raises KeyError for a dtype without one."""
    return "BYTES" if dtype.kind in "OSUT" else DATATYPE_OF[dtype.newbyteorder("=")]


def parse_datatype(text: str) -> str:
    """The protocol's name of a type written as numpy (``float32``, ``string``) or the protocol (``FP32``) writes it.

    Raises ValueError for anything else.
    """
    if text.upper() in NUMPY_OF:
        return text.upper()
    if text.lower() in _TEXT:
        return "BYTES"
    if text.lower() == _BFLOAT16:
        return "BF16"
    try:
        # numpy also reads structures and shapes, and gives up on some with a SyntaxError
        return datatype_of(np.dtype(text if _NUMPY_NAME.fullmatch(text) else "void"))
    except (TypeError, KeyError):
        known = ", ".join(type_name(name) for name in NUMPY_OF)
        raise ValueError(f"{text!r} is no tensor type; known are {known}") from None


def type_name(datatype: str) -> str:
    """The name that 0Mind's own interface description uses: ``float32``, ``string``."""
    return {"BYTES": "string", "BF16": _BFLOAT16}.get(datatype) or NUMPY_OF[datatype].name


def to_bfloat16(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The upper two bytes of each float32 as uint16, same shape: bfloat16, rounded to the nearest, ties to even; NaN stays NaN."""
    bits = np.asarray(array, np.float32, order="C").view(np.uint32)
    rounded = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) >> np.uint32(16)
    # Rounding could carry a NaN's bits over into zero: such a one keeps its upper half, made quiet.
    return np.where(np.isnan(array), (bits >> np.uint32(16)) | np.uint32(0x40), rounded).astype(np.uint16)


def from_bfloat16(bits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The float32 numbers that uint16 bits of bfloat16 stand for, same shape."""
    wide = bits.astype(np.uint32)
    wide <<= np.uint32(16)
    return wide.view(np.float32)


def rounded(array: np.ndarray[Any, Any], datatype: str) -> np.ndarray[Any, Any]:
    """The array itself, of BF16 with each number rounded to what that can hold."""
    return from_bfloat16(to_bfloat16(array)) if datatype == "BF16" else array


def as_bytes(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A text array of any numpy kind as an object array of ``bytes``, UTF-8, same shape."""
    flat = [item if isinstance(item, bytes) else str(item).encode() for item in array.reshape(-1).tolist()]
    out = np.empty(len(flat), np.object_)
    out[:] = flat
    return out.reshape(array.shape)


def as_text(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A BYTES tensor as an object array of ``str``, same shape. Raises UnicodeDecodeError where it is not UTF-8."""
    flat = [item.decode() if isinstance(item, bytes) else item for item in array.reshape(-1).tolist()]
    out = np.empty(len(flat), np.object_)
    out[:] = flat
    return out.reshape(array.shape)
