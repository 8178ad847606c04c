"""The Open Inference Protocol's gRPC messages and back; the parsed ones come in, so that this needs no protobuf.

Tensors: little-endian, row by row; BYTES has each element behind its length, a little-endian uint32 (tensors of the protocol's
binary tensor data extension). An input with filters is offered as BYTES of shape [-1], one element per sample: a picture file, or
the sample as JSON text. An output with filters is answered likewise, as the JSON text of each sample.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from zeromind import datatypes
from zeromind.codecs.oip_frame import output
from zeromind.codecs.protobuf import Schema, count, field, varint
from zeromind.codecs.zeromind import complete
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface, Tensor, TensorSpec, Value, find

MOST_ELEMENTS = 1 << 20
"""Of one BYTES tensor: each costs an object, and the event loop's time to make it."""
MOST_DIMENSIONS = 32
MOST_FIELDS = 1 << 18
"""Of one message, its inner ones included."""
_SMALL_BYTES = 1 << 16
_PACKED_BYTES = 8 << 20
_PARAMETERS: Schema = {2: {}}
_REQUEST: Schema = {
    4: _PARAMETERS,
    5: {4: _PARAMETERS, 5: dict.fromkeys((2, 3, 4, 5), _PACKED_BYTES)},
    6: {2: _PARAMETERS},
}
_JSON = "application/json"
_LENGTH = struct.Struct("<I")
_ONE = msgspec.json.Decoder(msgspec.Raw)
_SAMPLES = msgspec.json.Decoder(list[msgspec.Raw])
_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


def check_infer(data: bytes) -> None:
    """Refuse a ``ModelInferRequest`` that would need many times its bytes when parsed. Raises INVALID_INPUT."""
    if len(data) > _SMALL_BYTES:
        try:
            count(data, _REQUEST, MOST_FIELDS)
        except ValueError as error:
            raise _refused(f"the message is refused: {error}; tensors travel in raw_input_contents") from None


def decode_infer(request: Any, interface: Interface) -> InferRequest:
    """The request in a ``ModelInferRequest``; its requested outputs are only checked: see ``encode_response``.

    Raises INVALID_INPUT for names that are unknown or stand twice, data that do not fit, and what is not served (shared
    memory, classification), INPUT_MISSING.
    """
    inputs: dict[str, Value] = {}
    raws = request.raw_input_contents
    if raws and len(raws) != len(request.inputs):
        raise _refused(f"raw_input_contents has {len(raws)} entries for {len(request.inputs)} inputs: send one for each, in their order")
    for index, tensor in enumerate(request.inputs):
        spec = find(interface.spec.inputs, tensor.name)
        if spec is None:
            names = ", ".join(repr(spec.name) for spec in interface.spec.inputs)
            raise _refused(f"the model has no input {tensor.name!r}; its inputs are {names}", tensor.name)
        if spec.name in inputs:
            raise _refused(f"input {spec.name!r} is given twice", spec.name)
        if tensor.parameters:
            _check_parameters(tensor)
        if not raws:
            array = _typed(tensor)
        elif tensor.HasField("contents"):
            raise _refused(f"input {spec.name!r} has contents beside raw_input_contents: send one of them", spec.name)
        else:
            array = _raw(tensor, raws[index])
        filtered = spec.name in interface.filtered_inputs
        inputs[spec.name] = _encoded(array, spec, interface.media.get(spec.name, ())) if filtered else spec.check(array)
    requested(request, interface)
    return InferRequest(complete(inputs, interface), request.id)


def encode_response(request: Any, interface: Interface, response: InferResponse) -> list[bytes]:
    """A ``ModelInferResponse`` as the pieces of its bytes: the requested outputs in the order of the request, raw.

    Written by hand: a big tensor is copied once, not into a message and out of it again.
    """
    head = [field(1, request.model_name.encode()), b"\x12\x011"]  # model_version = "1"
    if request.id:
        head.append(field(3, request.id.encode()))
    tail: list[bytes] = []
    for spec in requested(request, interface):
        value = response.outputs[spec.name]
        if isinstance(value, Encoded):
            items = _samples(value.data)
            datatype, shape, data = "BYTES", (len(items),), pack_bytes(items)
        elif spec.datatype == "BYTES":
            datatype, shape, data = "BYTES", value.shape, pack_bytes(datatypes.as_bytes(value).reshape(-1).tolist())
        elif spec.datatype == "BF16":
            datatype, shape, data = "BF16", value.shape, datatypes.to_bfloat16(value).tobytes()
        else:
            datatype, shape, data = spec.datatype, value.shape, value.tobytes()
        head.append(output(spec.name, datatype, shape))
        tail += (b"\x32" + varint(len(data)), data)  # raw_output_contents = 6
    return [b"".join(head), *tail]


def empty_response(model: str, request_id: str) -> list[bytes]:
    """A ``ModelInferResponse`` without outputs."""
    return [field(1, model.encode()) + b"\x12\x011" + (field(3, request_id.encode()) if request_id else b"")]


def wants_empty_final(request: Any) -> bool:
    """Whether a ``ModelInferRequest`` wants to be told of the end of its responses by one without outputs."""
    name = "triton_enable_empty_final_response"
    return name in request.parameters and bool(request.parameters[name].bool_param)


def describe(interface: Interface) -> dict[str, Any]:
    """The fields ``inputs``, ``outputs`` and ``platform`` of a ``ModelMetadataResponse``."""
    inputs = [_describe(spec, spec.name in interface.filtered_inputs) for spec in interface.spec.inputs]
    outputs = [_describe(spec, spec.name in interface.filtered_outputs) for spec in interface.spec.outputs]
    return {"platform": interface.adapter, "inputs": inputs, "outputs": outputs}


def pack_bytes(items: Sequence[bytes]) -> bytes:
    """A BYTES tensor's elements as they travel."""
    return b"".join(part for item in items for part in (_LENGTH.pack(len(item)), item))


def unpack_bytes(data: bytes, count: int) -> list[bytes]:
    """The ``count`` elements of a BYTES tensor. Raises ValueError unless the data hold exactly these."""
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


def _describe(spec: TensorSpec, filtered: bool) -> dict[str, Any]:
    if filtered:
        return {"name": spec.name, "datatype": "BYTES", "shape": [-1]}
    return {"name": spec.name, "datatype": spec.datatype, "shape": [-1 if size is None else size for size in spec.shape]}


# --- tensors that come


def _shape(tensor: Any) -> tuple[tuple[int, ...], int]:
    """The shape and how many elements it has."""
    shape = tuple(tensor.shape)
    if len(shape) > MOST_DIMENSIONS or any(size < 0 for size in shape):
        raise _refused(f"input {tensor.name!r} has shape {list(shape[:64])}: up to {MOST_DIMENSIONS} sizes from 0 on", tensor.name)
    count = math.prod(shape)
    if tensor.datatype == "BYTES" and count > MOST_ELEMENTS:
        raise _refused(f"input {tensor.name!r} has {count} elements; BYTES tensors may have {MOST_ELEMENTS}", tensor.name)
    return shape, count


def _dtype(tensor: Any) -> np.dtype[Any]:
    dtype = datatypes.NUMPY_OF.get(tensor.datatype)
    if dtype is None:
        known = ", ".join(datatypes.NUMPY_OF)
        raise _refused(f"input {tensor.name!r} has the datatype {tensor.datatype!r}; known are {known}", tensor.name)
    return dtype


def _raw(tensor: Any, data: bytes) -> Tensor:
    """The array in an entry of raw_input_contents, read-only."""
    dtype = _dtype(tensor)
    shape, count = _shape(tensor)
    if tensor.datatype == "BYTES":
        try:
            return _objects(unpack_bytes(data, count), shape)
        except ValueError as error:
            raise _refused(f"input {tensor.name!r} is no BYTES tensor of shape {list(shape)}: {error}", tensor.name) from None
    if tensor.datatype == "BF16":
        dtype = np.dtype(np.uint16)
    if len(data) != count * dtype.itemsize:
        raise _refused(
            f"input {tensor.name!r} has {len(data)} bytes of data; {tensor.datatype} of shape {list(shape)} has {count * dtype.itemsize}",
            tensor.name,
        )
    array: Tensor = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False)
    if dtype == np.bool_ and count and array.view(np.uint8).max() > 1:
        raise _refused(f"input {tensor.name!r} is BOOL: each byte must be 0 or 1", tensor.name)
    if tensor.datatype == "BF16":
        array = datatypes.from_bfloat16(array)
    return array.reshape(shape)


def _typed(tensor: Any) -> Tensor:
    """The array in a tensor's ``contents``."""
    dtype = _dtype(tensor)
    shape, count = _shape(tensor)
    name = _CONTENTS.get(tensor.datatype)
    if name is None:
        raise _refused(f"input {tensor.name!r}: {tensor.datatype} comes in raw_input_contents only", tensor.name)
    values = getattr(tensor.contents, name)
    if len(values) != count:
        raise _refused(f"input {tensor.name!r} has {len(values)} {name}; shape {list(shape)} has {count}", tensor.name)
    if tensor.datatype == "BYTES":
        return _objects(list(values), shape)
    wide: Tensor = np.array(values, {"b": np.bool_, "i": np.int64, "u": np.uint64, "f": np.float64}[dtype.kind])
    if dtype.kind in "iu" and count and not np.iinfo(dtype).min <= wide.min() <= wide.max() <= np.iinfo(dtype).max:
        raise _refused(f"input {tensor.name!r} holds numbers from {wide.min()} to {wide.max()}: not {tensor.datatype}", tensor.name)
    return wide.astype(dtype, copy=False).reshape(shape)


def _objects(items: list[bytes], shape: tuple[int, ...]) -> Tensor:
    array = np.empty(len(items), np.object_)
    array[:] = items
    return array.reshape(shape)


def _encoded(array: Tensor, spec: TensorSpec, media: Sequence[str]) -> Encoded:
    """What the filters of an input get: one picture as it is, anything else as a JSON list with one entry per sample."""
    if array.dtype != np.object_ or array.ndim != 1 or not array.size:
        raise _refused(
            f"input {spec.name!r} has filters and takes BYTES of shape [any]: each element a picture file, or one sample as JSON text",
            spec.name,
        )
    items: list[bytes] = array.tolist()
    if len(items) == 1 and (kind := _picture(items[0])) in media and kind:
        return Encoded(kind, items[0])
    return Encoded(_JSON, b"[" + b",".join(_sample(item, index, spec, media) for index, item in enumerate(items)) + b"]")


def _sample(item: bytes, index: int, spec: TensorSpec, media: Sequence[str]) -> bytes:
    kind = _picture(item)
    if kind in media and kind:
        return b'{"image":"' + base64.b64encode(item) + b'"}'
    try:
        _ONE.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"it takes no {kind} files" if kind else f"it is no JSON text: {error}"
        raise _refused(f"element {index} of input {spec.name!r}: {reason}", spec.name) from None
    return item


def _picture(item: bytes) -> str:
    """The media type of a picture file, from its first bytes; empty for anything else."""
    for magic, media in _MAGIC:
        if item.startswith(magic):
            return media
    return "image/webp" if item[:4] == b"RIFF" and item[8:12] == b"WEBP" else ""


def _check_parameters(tensor: Any) -> None:
    """Refuse what changes where a tensor comes from or what is answered; other parameters are hints."""
    for name in ("shared_memory_region", "classification"):
        if name in tensor.parameters:
            raise _refused(f"tensor {tensor.name!r} has the parameter {name!r}, which is not served over gRPC here", tensor.name, name)


def requested(request: Any, interface: Interface) -> Sequence[TensorSpec]:
    """The outputs that a ``ModelInferRequest`` asks for, in its order. Raises INVALID_INPUT."""
    if not request.outputs:
        return interface.spec.outputs
    specs: list[TensorSpec] = []
    for wanted in request.outputs:
        spec = find(interface.spec.outputs, wanted.name)
        if spec is None:
            names = ", ".join(repr(spec.name) for spec in interface.spec.outputs)
            raise _refused(f"the model has no output {wanted.name!r}; its outputs are {names}", wanted.name)
        if spec in specs:
            raise _refused(f"output {spec.name!r} is asked for twice", spec.name)
        if wanted.parameters:
            _check_parameters(wanted)
        specs.append(spec)
    return specs


def _refused(message: str, *params: Any) -> ZeroMindError:
    return ZeroMindError(ErrorKind.INVALID_INPUT, message, *params)


# --- messages that go


def _samples(text: bytes) -> list[bytes]:
    """The JSON text of each entry of a list; of anything else the text itself."""
    try:
        return [bytes(sample) for sample in _SAMPLES.decode(text)]
    except msgspec.DecodeError:
        return [text]
