"""The Open Inference Protocol's tensors as bytes, on both of its wires and at both of their ends.

Little-endian, row by row; BYTES has each element behind its length, a little-endian uint32; BF16 is the upper half of a float32
(tensors of the protocol's binary tensor data extension).
"""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from zeromind import datatypes
from zeromind.codecs.inputs import refused
from zeromind.limits import TENSORS
from zeromind.tensors import Tensor

PLAIN = frozenset(datatypes.NUMPY_OF) - {"BYTES", "BOOL", "BF16"}
"""The datatypes whose bytes are just the array's, and need not be looked at when they come."""
Bytes: TypeAlias = "bytes | bytearray | memoryview"
LENGTH = "Inference-Header-Content-Length"
"""HTTP's header that tells how many bytes of a body are JSON, if not all; 0 means that there is none: the body is the only tensor."""
_SIZE = struct.Struct("<I")


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """Where in a message the numbers of a tensor are, whose bytes are just the array's."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int

    def array(self, data: Bytes) -> Tensor:
        """The tensor, which looks at the message where that can be; aligned, since adapters may insist on that."""
        if self.begin % self.dtype.itemsize:
            return np.ndarray(self.shape, self.dtype, bytes(data[self.begin : self.end]))
        return np.ndarray(self.shape, self.dtype, data, self.begin)


def pack_bytes(items: Sequence[bytes]) -> bytes:
    """A BYTES tensor's elements as they travel."""
    return b"".join(part for item in items for part in (_SIZE.pack(len(item)), item))


def unpack_bytes(data: Bytes, count: int) -> list[bytes]:
    """The ``count`` elements of a BYTES tensor. Raises ValueError unless the data hold exactly these."""
    data = bytes(data)
    items, at = [], 0
    for index in range(count):
        end = at + 4
        if end <= len(data):
            at, end = end, end + int.from_bytes(data[at:end], "little")
        if end > len(data):
            raise ValueError(f"its data end within element {index} of {count}")
        items.append(data[at:end])
        at = end
    if at < len(data):
        raise ValueError(f"its data go on behind element {count}")
    return items


def check_shape(name: str, datatype: str, shape: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """The shape of an input and how many elements it has. Raises INVALID_INPUT if no tensor of that datatype may be so."""
    shape = tuple(shape)
    if len(shape) > TENSORS.dimensions or any(size < 0 for size in shape):
        raise refused(f"input {name!r} has shape {list(shape[:64])}: up to {TENSORS.dimensions} sizes from 0 on", name)
    count = math.prod(shape)
    if not count and math.prod(filter(None, shape)) > TENSORS.hollow:
        raise refused(f"input {name!r} has a shape whose sizes besides 0 come to more than {TENSORS.hollow}", name)
    if datatype == "BYTES" and count > TENSORS.texts:
        raise refused(f"input {name!r} has {count} elements; BYTES tensors may have {TENSORS.texts}", name)
    return shape, count


def check_datatype(name: str, datatype: str) -> np.dtype[Any]:
    """The numpy dtype of an input's datatype. Raises INVALID_INPUT if there is no such."""
    dtype = datatypes.NUMPY_OF.get(datatype)
    if dtype is None:
        raise refused(f"input {name!r} has the datatype {datatype!r}; known are {', '.join(datatypes.NUMPY_OF)}", name)
    return dtype


def from_raw(name: str, datatype: str, shape: Sequence[int], data: Bytes) -> Tensor:
    """The array in an input's bytes, aligned; where it can, it looks at these. Raises INVALID_INPUT if they are no such tensor."""
    dtype = check_datatype(name, datatype)
    shape, count = check_shape(name, datatype, shape)
    if datatype == "BYTES":
        try:
            return to_objects(unpack_bytes(data, count), shape)
        except ValueError as error:
            raise refused(f"input {name!r} is no BYTES tensor of shape {list(shape)}: {error}", name) from None
    wire = np.dtype(np.uint16) if datatype == "BF16" else dtype
    if len(data) != count * wire.itemsize:
        raise refused(f"input {name!r} has {len(data)} bytes of data; {datatype} of shape {list(shape)} has {count * wire.itemsize}", name)
    array: Tensor = np.frombuffer(data, wire.newbyteorder("<")).astype(wire, copy=False)
    if datatype == "BOOL" and count and array.view(np.uint8).max() > 1:
        raise refused(f"input {name!r} is BOOL: each byte must be 0 or 1", name)
    if datatype == "BF16":
        array = datatypes.from_bfloat16(array)
    elif not array.flags.aligned:  # adapters may insist on that
        array = array.copy()
    return array.reshape(shape)


def to_raw(array: Tensor, datatype: str) -> Bytes:
    """The bytes of an output; where it can be, they are the array's own memory."""
    if not array.size:
        return b""
    if datatype == "BYTES":
        return pack_bytes(datatypes.as_bytes(array).reshape(-1).tolist())
    if datatype == "BF16":
        array = datatypes.to_bfloat16(array)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data.cast("B")


def to_objects(items: list[bytes], shape: tuple[int, ...]) -> Tensor:
    """A BYTES tensor of that shape."""
    array = np.empty(len(items), np.object_)
    array[:] = items
    return array.reshape(shape)
