"""The Open Inference Protocol's tensors as bytes, on both of its wires, and what it makes of inputs and outputs with filters.

Little-endian, row by row; BYTES has each element behind its length, a little-endian uint32; BF16 is the upper half of a float32
(tensors of the protocol's binary tensor data extension). An input with filters is offered as BYTES of shape [-1], one element per
sample: a picture file, or the sample as JSON text. An output with filters is answered likewise, as the JSON text of each sample.
"""

from __future__ import annotations

import base64
import dataclasses
import math
import struct
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np

from zeromind import datatypes
from zeromind.codecs import picture
from zeromind.codecs.inputs import refused
from zeromind.limits import TENSORS
from zeromind.tensors import Encoded, Tensor, TensorSpec, Value

PLAIN = frozenset(datatypes.NUMPY_OF) - {"BYTES", "BOOL", "BF16"}
"""The datatypes whose bytes are just the array's, and need not be looked at when they come."""
Bytes: TypeAlias = "bytes | bytearray | memoryview"
_JSON = "application/json"
_LENGTH = struct.Struct("<I")
_ONE = msgspec.json.Decoder(msgspec.Raw)
_SAMPLES = msgspec.json.Decoder(list[msgspec.Raw])


class Memory(Protocol):
    """Shared memory that clients have registered."""

    def read(self, name: str, offset: int, byte_size: int) -> bytes:
        """A copy of some bytes of a region. Raises INVALID_INPUT if it has no such bytes."""

    def write(self, name: str, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Put bytes into a region. Raises INVALID_INPUT if they do not fit there."""


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
    return b"".join(part for item in items for part in (_LENGTH.pack(len(item)), item))


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


def to_encoded(array: Tensor, spec: TensorSpec, media: Sequence[str]) -> Encoded:
    """What the filters of an input get, which take files of the types ``media``: one picture as it is, else a JSON list of samples.

    Raises INVALID_INPUT if it is no BYTES tensor of shape [samples], or an element is neither.
    """
    if array.dtype != np.object_ or array.ndim != 1 or not array.size:
        raise refused(
            f"input {spec.name!r} has filters and takes BYTES of shape [any]: each element a picture file, or one sample as JSON text",
            spec.name,
        )
    items: list[bytes] = array.tolist()
    if len(items) == 1 and (kind := picture.media_of(items[0])) in media and kind:
        return Encoded(kind, items[0])
    return Encoded(_JSON, b"[" + b",".join(_sample(item, index, spec, media) for index, item in enumerate(items)) + b"]")


def to_wire(value: Value, spec: TensorSpec) -> tuple[str, Tensor]:
    """An output as it is offered, its datatype and its array: of a filtered one BYTES, the JSON text of each sample."""
    if not isinstance(value, Encoded):
        return spec.datatype, value
    items = samples(value.data)
    return "BYTES", to_objects(items, (len(items),))


def samples(text: bytes) -> list[bytes]:
    """The JSON text of each entry of a list; of anything else the text itself."""
    try:
        return [bytes(sample) for sample in _SAMPLES.decode(text)]
    except msgspec.DecodeError:
        return [text]


def _sample(item: bytes, index: int, spec: TensorSpec, media: Sequence[str]) -> bytes:
    kind = picture.media_of(item)
    if kind in media and kind:
        return b'{"image":"' + base64.b64encode(item) + b'"}'
    try:
        _ONE.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"it takes no {kind} files" if kind else f"it is no JSON text: {error}"
        raise refused(f"element {index} of input {spec.name!r}: {reason}", spec.name) from None
    return item
