"""0Mind's own JSON: prediction requests and answers, and a model's interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from zeromind import datatypes
from zeromind.codecs import arrays, example, numbers
from zeromind.codecs.inputs import complete, named
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import TENSORS
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface, TensorSpec, Value

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode(body: bytes, media: str, interface: Interface) -> InferRequest:
    """The request in a body of that content type: JSON, or a file for the input that takes such files.

    Raises CONTENT_TYPE, or what ``decode_predict`` or ``decode_file`` raises, with an example of what is wanted.
    """
    try:
        return decode_predict(body, interface) if media == "application/json" else decode_file(body, media, interface)
    except ZeroMindError as error:
        raise example.with_example(error, example.own(interface)) from None


def decode_predict(body: bytes, interface: Interface) -> InferRequest:
    """The request in ``{input name: data}``; a filtered input's JSON is left for its filters.

    Raises PREDICT_DATA if the body is no JSON object, INPUT_MISSING, or INVALID_INPUT for an unknown name or data that does not fit.
    """
    if not body.strip():
        raise ZeroMindError(ErrorKind.PREDICT_DATA, "the request has no data: send a JSON object of input name → data")
    try:
        fields = members(body)
    except ValueError as error:
        raise ZeroMindError(ErrorKind.PREDICT_DATA, f"the body must be a JSON object of input name → data: {error}") from None
    inputs: dict[str, Value] = {}
    for name, raw in fields.items():
        spec = named(name, interface, inputs)
        filtered = spec.name in interface.filtered_inputs
        inputs[spec.name] = Encoded("application/json", bytes(raw)) if filtered else numbers.to_tensor(raw, spec)
    return InferRequest(complete(inputs, interface))


def members(text: bytes) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, their values not yet parsed.

    Raises ValueError for anything else, for a name that stands twice, and for very many.
    """
    if len(text) > 4 * TENSORS.members and text.count(b":") > TENSORS.members and (arrays.length(text) or 0) > TENSORS.members:
        raise ValueError(f"it has more than {TENSORS.members} members")
    try:
        fields = _OBJECT.decode(text)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    if _may_repeat(text, fields) and (arrays.length(text) or 0) > len(fields):
        raise ValueError(f"the key {arrays.repeated(text)!r} stands twice in one object")
    return fields


def _may_repeat(body: bytes, fields: Mapping[str, msgspec.Raw]) -> bool:
    """Whether a name may stand twice, of which the parser keeps the last without a word."""
    # '{' and '"name":value,' for each: what is left is white space, escapes in names, or a lost '"name":0,'.
    spare = len(body) - 1
    for name, raw in fields.items():
        spare -= len(name) + 4 + len(raw)
    return spare >= 5 and spare >= 5 + min(map(len, fields), default=spare)


def decode_file(body: bytes, media: str, interface: Interface) -> InferRequest:
    """The request whose body is a file, of that content type, for the only input that takes such files.

    Raises PREDICT_DATA for an empty body, CONTENT_TYPE if no input or more than one takes it, INPUT_MISSING if there are other inputs.
    """
    if not media:
        raise ZeroMindError(ErrorKind.CONTENT_TYPE, "the request needs the header Content-Type: application/json", media)
    if not body:
        raise ZeroMindError(ErrorKind.PREDICT_DATA, f"the request has no data: send the {media} file as the body")
    takers = [name for name, types in interface.media.items() if media in types]
    if len(takers) != 1:
        reason = "several inputs take" if takers else "no input of this model takes"
        text = f"{reason} {media} bodies: send application/json, a JSON object of input name → data"
        raise ZeroMindError(ErrorKind.CONTENT_TYPE, text + _advice(media, interface), media)
    return InferRequest(complete({takers[0]: Encoded(media, body)}, interface))


def _advice(media: str, interface: Interface) -> str:
    """What helps those who send another body than a model takes, where that can be told."""
    if media == "application/x-www-form-urlencoded":
        return " (curl says so with -H 'Content-Type: application/json')"
    if media.startswith("image/") and not interface.media:
        return "; to take pictures the model's task needs an input filter, such as image.ImageFilter"
    return ""


def encode_response(response: InferResponse) -> bytes:
    """``{"result": {output name: data}, "model_time": seconds}``; numbers that are not finite become null."""
    result = {
        name: orjson.Fragment(value.data) if isinstance(value, Encoded) else numbers.to_json(value)
        for name, value in response.outputs.items()
    }
    return orjson.dumps({"result": result, "model_time": response.model_time}, option=orjson.OPT_SERIALIZE_NUMPY)


def describe(interface: Interface) -> dict[str, Any]:
    """What ``/model/info`` answers."""
    sides = {"inputs": interface.spec.inputs, "outputs": interface.spec.outputs}
    described = {side: {str(index): _describe(spec) for index, spec in enumerate(specs)} for side, specs in sides.items()}
    return {**described, "tool": interface.adapter}


def _describe(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "type": datatypes.type_name(spec.datatype), "shape": list(spec.shape)}
