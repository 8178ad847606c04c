"""The Open Inference Protocol's gRPC messages and back; the parsed ones come in, so that this needs no protobuf.

Tensors travel as ``codecs.oip_tensors`` has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zeromind.codecs.oip_frame import output
from zeromind.codecs.oip_tensors import check_datatype, check_shape, from_raw, refused, to_encoded, to_objects, to_raw, to_wire
from zeromind.codecs.protobuf import Schema, count, field, varint
from zeromind.codecs.zeromind import complete
from zeromind.tensors import InferRequest, InferResponse, Interface, Tensor, TensorSpec, Value, find

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


def check_infer(data: bytes) -> None:
    """Refuse a ``ModelInferRequest`` that would need many times its bytes when parsed. Raises INVALID_INPUT."""
    if len(data) > _SMALL_BYTES:
        try:
            count(data, _REQUEST, MOST_FIELDS)
        except ValueError as error:
            raise refused(f"the message is refused: {error}; tensors travel in raw_input_contents") from None


def decode_infer(request: Any, interface: Interface) -> InferRequest:
    """The request in a ``ModelInferRequest``; its requested outputs are only checked: see ``encode_response``.

    Raises INVALID_INPUT for names that are unknown or stand twice, data that do not fit, and what is not served (shared
    memory, classification), INPUT_MISSING.
    """
    inputs: dict[str, Value] = {}
    raws = request.raw_input_contents
    if raws and len(raws) != len(request.inputs):
        raise refused(f"raw_input_contents has {len(raws)} entries for {len(request.inputs)} inputs: send one for each, in their order")
    for index, tensor in enumerate(request.inputs):
        spec = find(interface.spec.inputs, tensor.name)
        if spec is None:
            names = ", ".join(repr(spec.name) for spec in interface.spec.inputs)
            raise refused(f"the model has no input {tensor.name!r}; its inputs are {names}", tensor.name)
        if spec.name in inputs:
            raise refused(f"input {spec.name!r} is given twice", spec.name)
        if tensor.parameters:
            _check_parameters(tensor)
        if not raws:
            array = _typed(tensor)
        elif tensor.HasField("contents"):
            raise refused(f"input {spec.name!r} has contents beside raw_input_contents: send one of them", spec.name)
        else:
            array = from_raw(tensor.name, tensor.datatype, tensor.shape, raws[index])
        filtered = spec.name in interface.filtered_inputs
        inputs[spec.name] = to_encoded(array, spec, interface.media.get(spec.name, ())) if filtered else spec.check(array)
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
        datatype, array = to_wire(response.outputs[spec.name], spec)
        data = bytes(to_raw(array, datatype))
        head.append(output(spec.name, datatype, array.shape))
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


def _describe(spec: TensorSpec, filtered: bool) -> dict[str, Any]:
    if filtered:
        return {"name": spec.name, "datatype": "BYTES", "shape": [-1]}
    return {"name": spec.name, "datatype": spec.datatype, "shape": [-1 if size is None else size for size in spec.shape]}


# --- tensors that come


def _typed(tensor: Any) -> Tensor:
    """The array in a tensor's ``contents``."""
    dtype = check_datatype(tensor.name, tensor.datatype)
    shape, count = check_shape(tensor.name, tensor.datatype, tensor.shape)
    name = _CONTENTS.get(tensor.datatype)
    if name is None:
        raise refused(f"input {tensor.name!r}: {tensor.datatype} comes in raw_input_contents only", tensor.name)
    values = getattr(tensor.contents, name)
    if len(values) != count:
        raise refused(f"input {tensor.name!r} has {len(values)} {name}; shape {list(shape)} has {count}", tensor.name)
    if tensor.datatype == "BYTES":
        return to_objects(list(values), shape)
    wide: Tensor = np.array(values, {"b": np.bool_, "i": np.int64, "u": np.uint64, "f": np.float64}[dtype.kind])
    if dtype.kind in "iu" and count and not np.iinfo(dtype).min <= wide.min() <= wide.max() <= np.iinfo(dtype).max:
        raise refused(f"input {tensor.name!r} holds numbers from {wide.min()} to {wide.max()}: not {tensor.datatype}", tensor.name)
    return wide.astype(dtype, copy=False).reshape(shape)


def _check_parameters(tensor: Any) -> None:
    """Refuse what changes where a tensor comes from or what is answered; other parameters are hints."""
    for name in ("shared_memory_region", "classification"):
        if name in tensor.parameters:
            raise refused(f"tensor {tensor.name!r} has the parameter {name!r}, which is not served over gRPC here", tensor.name, name)


def requested(request: Any, interface: Interface) -> Sequence[TensorSpec]:
    """The outputs that a ``ModelInferRequest`` asks for, in its order. Raises INVALID_INPUT."""
    if not request.outputs:
        return interface.spec.outputs
    specs: list[TensorSpec] = []
    for wanted in request.outputs:
        spec = find(interface.spec.outputs, wanted.name)
        if spec is None:
            names = ", ".join(repr(spec.name) for spec in interface.spec.outputs)
            raise refused(f"the model has no output {wanted.name!r}; its outputs are {names}", wanted.name)
        if spec in specs:
            raise refused(f"output {spec.name!r} is asked for twice", spec.name)
        if wanted.parameters:
            _check_parameters(wanted)
        specs.append(spec)
    return specs

