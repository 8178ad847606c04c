"""The generate extension of the Open Inference Protocol: flat JSON whose keys are a model's inputs and outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from zeromind import datatypes, strictjson
from zeromind.codecs import finite, numbers, oip_parameters
from zeromind.codecs.inputs import check_id, complete, once, refused
from zeromind.codecs.oip_tensors import samples
from zeromind.codecs.zeromind import members
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface, Tensor, TensorSpec, Value, find


def decode(body: bytes, interface: Interface, bare: bool = False) -> InferRequest:
    """The request in ``{input: value or list, parameter: value, "parameters": {…}, "id": "…"}``.

    A list is fitted into the input's shape: its known sizes are divided out, the last open one takes the rest, the others are 1. A
    filtered input gets a sample, or a list of them. Raises PREDICT_DATA if the body is no JSON object, INPUT_MISSING, or INVALID_INPUT
    for data that do not fit and parameters that cannot be.
    """
    try:
        given = members(body)
        apart = {name: raw for name, raw in given.items() if find(interface.spec.inputs, name) is None}
        others: dict[str, Any] = {name: strictjson.loads(bytes(raw)) for name, raw in apart.items()}
    except ValueError as error:
        text = f"the body must be a JSON object of inputs and parameters: {error}"
        raise ZeroMindError(ErrorKind.PREDICT_DATA, text) from None
    request_id = others.pop("id", "")
    more = others.pop("parameters", None) or {}
    if not isinstance(request_id, str) or not isinstance(more, dict):
        raise refused("'id' must be text, and 'parameters' an object")
    check_id(request_id)
    interface, fields = oip_parameters.asked_of(interface, {**others, **more}, bare)
    return InferRequest(complete(_inputs(given, interface), interface), request_id, **fields)


def encode(response: InferResponse, interface: Interface, model: str, request_id: str, non_finite: str = "") -> bytes:
    """``{"id"?, "model_name", "model_version", output: value or flat list}``; what a filter gave is there as it is.

    Raises INVALID_INPUT for text that is no UTF-8, or what ``finite.shown`` raises.
    """
    answer: dict[str, Any] = {"id": request_id} if request_id else {}
    answer |= {"model_name": model, "model_version": "1"}
    for spec in interface.spec.outputs:
        if spec.name in response.outputs:
            answer[spec.name] = _shown(response.outputs[spec.name], spec, non_finite)
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _inputs(given: Mapping[str, msgspec.Raw], interface: Interface) -> dict[str, Value]:
    inputs: dict[str, Value] = {}
    for name, raw in given.items():
        spec = find(interface.spec.inputs, name)
        if spec is None:
            continue
        once(spec, inputs)
        text = bytes(raw)
        listed = text if text.startswith(b"[") else b"[" + text + b"]"
        inputs[spec.name] = Encoded("application/json", listed) if spec.name in interface.filtered_inputs else _fitted(listed, spec)
    return inputs


def _fitted(text: bytes, spec: TensorSpec) -> Tensor:
    array = numbers.to_flat(text, spec)
    if array is None:
        return numbers.to_tensor(text, spec)  # lists in lists; or it says what is wrong
    known = math.prod(size for size in spec.shape if size is not None)
    rest = array.size // known if known else 0
    shape: list[int] = []
    for size in reversed(spec.shape):
        shape.append(rest if size is None else size)
        rest = 1 if size is None else rest
    if math.prod(shape) != array.size:
        text_of = f"input {spec.name!r} holds {array.size} elements, which do not fit into {spec.shown_shape()}"
        raise refused(text_of, spec.name)
    return array.reshape(shape[::-1])


def _shown(value: Value, spec: TensorSpec, non_finite: str) -> Any:
    if isinstance(value, Encoded):
        made = samples(value.data)
        return orjson.Fragment(made[0]) if len(made) == 1 else [orjson.Fragment(sample) for sample in made]
    try:
        array = datatypes.as_text(value) if spec.datatype == "BYTES" else datatypes.rounded(value, spec.datatype)
    except UnicodeDecodeError:
        raise refused(f"output {spec.name!r} is no UTF-8 text, so that JSON cannot carry it: ask over 'infer'", spec.name) from None
    flat = array.reshape(-1)
    shown = flat.tolist() if spec.datatype == "BYTES" else finite.shown(flat, spec.name, non_finite)
    return shown[0] if flat.size == 1 else shown
