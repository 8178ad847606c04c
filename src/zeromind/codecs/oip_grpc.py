"""The Open Inference Protocol's gRPC messages and back; the parsed ones come in, so that this needs no protobuf.

Tensors travel as ``codecs.oip_tensors`` has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from zeromind.codecs import oip_parameters
from zeromind.codecs.inputs import check_id, complete, named, refused
from zeromind.codecs.oip_frame import output
from zeromind.codecs.oip_outputs import offered, put
from zeromind.codecs.oip_parameters import selection
from zeromind.codecs.oip_raw import check_datatype, check_shape, from_raw, to_objects, to_raw
from zeromind.codecs.oip_tensors import Memory, to_encoded
from zeromind.codecs.protobuf import Schema, count, field, varint
from zeromind.limits import MESSAGES
from zeromind.tensors import InferRequest, InferResponse, Interface, Tensor, Value

EMPTY_FINAL = "triton_enable_empty_final_response"
"""The parameter with which a request wants to be told of the end of its responses by one without outputs."""
_PARAMETERS: Schema = {2: {}}
_REQUEST: Schema = {
    4: _PARAMETERS,
    5: {4: _PARAMETERS, 5: dict.fromkeys((2, 3, 4, 5), MESSAGES.packed)},
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
    if len(data) > MESSAGES.uncounted:
        try:
            count(data, _REQUEST, MESSAGES.fields)
        except ValueError as error:
            raise refused(f"the message is refused: {error}; tensors travel in raw_input_contents") from None


class Asked:
    """What a ``ModelInferRequest`` wants of its answer."""

    __slots__ = ("id", "interface", "model", "wanted")

    def __init__(self, request: Any, interface: Interface) -> None:
        self.model: str = request.model_name
        self.id: str = request.id
        self.interface = interface
        self.wanted = selection([(one.name, _plain(one.parameters)) for one in request.outputs], interface, True)

    def encode(self, response: InferResponse, memory: Memory) -> list[bytes]:
        """A ``ModelInferResponse`` as the pieces of its bytes: the wanted outputs in their order, raw; one in shared memory is empty.

        Written by hand: a big tensor is copied once, not into a message and out of it again. Raises INVALID_INPUT for shared memory
        that is gone or too small.
        """
        head = empty_response(self.model, self.id)
        tail: list[bytes] = []
        for one in self.wanted:
            datatype, array = offered(one, response, self.interface)
            data = bytes(to_raw(array, datatype))
            head.append(output(one.spec.name, datatype, array.shape))
            if one.region:
                put(one, data, memory)
                data = b""
            tail += (b"\x32" + varint(len(data)), data)  # raw_output_contents = 6
        return [b"".join(head), *tail]


def decode(request: Any, interface: Interface, memory: Memory, bare: bool = False) -> tuple[InferRequest, Asked]:
    """The request in a ``ModelInferRequest``, and what it wants of its answer.

    ``bare`` asks for the model without its filters, as the request itself may. Raises INPUT_MISSING, or INVALID_INPUT for names that are
    unknown or stand twice, parameters that cannot be, and data that do not fit.
    """
    check_id(request.id)
    parameters = _plain(request.parameters)
    parameters.pop(EMPTY_FINAL, None)
    interface, fields = oip_parameters.asked_of(interface, parameters, bare)
    inputs: dict[str, Value] = {}
    raws = iter(request.raw_input_contents) if request.raw_input_contents else None
    for tensor in request.inputs:
        spec = named(tensor.name, interface, inputs)
        array = _array(tensor, raws, memory)
        filtered = spec.name in interface.filtered_inputs
        inputs[spec.name] = to_encoded(array, spec, interface.media.get(spec.name, ())) if filtered else spec.check(array)
    if raws is not None and next(raws, None) is not None:
        raise refused("raw_input_contents has more entries than there are inputs that are not in shared memory: send one for each of these")
    return InferRequest(complete(inputs, interface), request.id, **fields), Asked(request, interface)


def empty_response(model: str, request_id: str) -> list[bytes]:
    """A ``ModelInferResponse`` without outputs."""
    return [field(1, model.encode()), b"\x12\x011", *([field(3, request_id.encode())] if request_id else ())]  # model_version = "1"


def wants_empty_final(request: Any) -> bool:
    """Whether a ``ModelInferRequest`` wants to be told of the end of its responses by one without outputs."""
    return EMPTY_FINAL in request.parameters and bool(request.parameters[EMPTY_FINAL].bool_param)


# --- tensors that come


def _plain(parameters: Any) -> dict[str, Any]:
    """Plain values of a map of ``InferParameter``, by name."""
    return {name: getattr(value, kind) for name, value in parameters.items() if (kind := value.WhichOneof("parameter_choice"))}


def _array(tensor: Any, raws: Iterator[bytes] | None, memory: Memory) -> Tensor:
    """The array of an input: from shared memory, from the next of ``raws``, or from its ``contents``."""
    parameters = _plain(tensor.parameters) if tensor.parameters else {}
    place = oip_parameters.place(f"input {tensor.name!r}", parameters) if parameters else None
    if tensor.HasField("contents") and (place or raws):
        where = "shared memory" if place else "raw_input_contents"
        raise refused(f"input {tensor.name!r} has contents beside {where}: send one of them", tensor.name)
    if place:
        return from_raw(tensor.name, tensor.datatype, tensor.shape, memory.read(place.region, place.offset, place.byte_size))
    if raws is None:
        return _typed(tensor)
    raw = next(raws, None)
    if raw is None:
        raise refused(f"raw_input_contents has no entry for input {tensor.name!r}: send one for each input, in their order", tensor.name)
    return from_raw(tensor.name, tensor.datatype, tensor.shape, raw)


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
