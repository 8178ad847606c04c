"""Values as TensorFlow Serving's JSON has them (tensorflow_serving/g3doc/api_rest.md): NaN, Infinity, and binary as ``{"b64": text}``.

What is read stays JSON text until the input is known that it belongs to: a Node is such a text or, in the rare request with NaN or
Infinity in it, which the quick parsers do not take, the value itself. All nodes of one request are of one kind.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import orjson

from zeromind import strictjson
from zeromind.codecs import arrays, numbers, picture
from zeromind.codecs import zeromind as codec
from zeromind.codecs.inputs import refused
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import JSON
from zeromind.tensors import Encoded, Interface, Tensor, TensorSpec, Value

Node: TypeAlias = Any

_CONSTANT = re.compile(rb"NaN|Infinity")
_FIRST = re.compile(rb"\[[ \t\r\n]*([^\] \t\r\n])")
_B64 = b'"b64"'
_JSON = "application/json"
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_FAULTS = (msgspec.DecodeError, RecursionError, ValueError)


class _Binary(msgspec.Struct, forbid_unknown_fields=True):
    b64: str


# --- reading


def body(text: bytes) -> dict[str, Node]:
    """The members of a request. Raises PREDICT_DATA if it is no JSON object."""
    try:
        return codec.members(text)
    except ValueError as error:
        reason = str(error) if text.strip() else "it is empty"
        if _CONSTANT.search(text):
            try:
                fields = strictjson.loads(text, constants=True)
                if isinstance(fields, dict):
                    return fields
            except ValueError as other:
                reason = str(other)
        raise ZeroMindError(ErrorKind.PREDICT_DATA, f"the body must be a JSON object: {reason}") from None


def plain(node: Node) -> Any:
    """The value itself, of a node that need not be fast. Raises INVALID_INPUT if it cannot be."""
    try:
        return strictjson.loads(bytes(node)) if isinstance(node, msgspec.Raw) else node
    except ValueError as error:
        raise refused(f"a member of the body is refused: {error}") from None


def is_list(node: Node) -> bool:
    """Whether it is a list."""
    return memoryview(node)[0] == ord("[") if isinstance(node, msgspec.Raw) else isinstance(node, list)


def is_object(node: Node) -> bool:
    """Whether it is an object."""
    return memoryview(node)[0] == ord("{") if isinstance(node, msgspec.Raw) else isinstance(node, dict)


def members(node: Node, what: str) -> dict[str, Node]:
    """The members of an object; ``what`` names it where it is none."""
    try:
        fields = codec.members(bytes(node)) if isinstance(node, msgspec.Raw) else node
    except ValueError as error:
        raise refused(f"{what} must be an object: {error}") from None
    if not isinstance(fields, dict):
        raise refused(f"{what} must be an object")
    return fields


def items(node: Node, what: str) -> list[Node]:
    """The items of a list; ``what`` names it where it is none, or has too many to be looked at one by one."""
    if not is_list(node):
        raise refused(f"{what} must be a list")
    count = 0
    if isinstance(node, msgspec.Raw):
        text = bytes(node)
        count = arrays.length(text) or text.count(b"{")  # where it is too long to be parsed for that, there may be very many objects
    if count > JSON.values:
        raise refused(f"{what} has {count} items, more than {JSON.values}: send whole tensors as 'inputs', or several requests")
    return _LIST.decode(node) if isinstance(node, msgspec.Raw) else node


def first_of(node: Node) -> Node | None:
    """The first item of a list, as far as its kind shows; None if there is none. The others, perhaps very many, are not read."""
    if not isinstance(node, msgspec.Raw):
        return node[0] if node else None
    first = _FIRST.match(node)
    return first and msgspec.Raw(first[1])


def objects(node: Node, what: str) -> list[dict[str, Node]]:
    """The items of a list of objects. Raises INVALID_INPUT for anything else, and where a name stands twice in one of them."""
    if not isinstance(node, msgspec.Raw):
        if not isinstance(node, list) or not all(isinstance(item, dict) for item in node):
            raise refused(f"{what} must be a list of objects")
        return node
    text = bytes(node)
    if max(text.count(b":"), text.count(b"{")) > JSON.values:
        raise refused(f"{what} has more than {JSON.values} values with names: send whole tensors as 'inputs', or several requests")
    try:
        found = _OBJECTS.decode(text)
        if name := arrays.repeated(text):
            raise ValueError(f"the key {name!r} stands twice in one object")
    except _FAULTS as error:
        raise refused(f"{what} must be a list of objects: {error}") from None
    return found


def listed(nodes: Sequence[Node]) -> Node:
    """The list of some nodes."""
    if nodes and isinstance(nodes[0], msgspec.Raw):
        return msgspec.Raw(b"[" + b",".join(nodes) + b"]")
    return list(nodes)


def value(node: Node, spec: TensorSpec, interface: Interface) -> Value:
    """What an input gets: a tensor, or for its filters what ``/model/predict`` takes, pictures among it as ``{"b64": text}``.

    Raises INVALID_INPUT naming the input.
    """
    if spec.name not in interface.filtered_inputs:
        return tensor(node, spec)
    text = bytes(node) if isinstance(node, msgspec.Raw) else _finite(node, spec)
    media = interface.media.get(spec.name, ())
    return _pictures(text, spec, media) if media and _B64 in text else Encoded(_JSON, text)


def tensor(node: Node, spec: TensorSpec) -> Tensor:
    """The tensor that nested lists hold. Raises INVALID_INPUT naming the input."""
    if spec.datatype == "BYTES" and (not isinstance(node, msgspec.Raw) or _B64 in bytes(node)):
        return _binary(node, spec)
    return numbers.to_tensor(node, spec) if isinstance(node, msgspec.Raw) else numbers.from_values(node, spec)


def _binary(node: Node, spec: TensorSpec) -> Tensor:
    kind = numbers.listed(str | _Binary, len(spec.shape))
    if isinstance(node, msgspec.Raw):
        numbers.check_count(bytes(node), spec)
    try:
        data = msgspec.json.decode(node, type=kind) if isinstance(node, msgspec.Raw) else msgspec.convert(node, kind)
        array = np.array(data, np.object_)
        if array.ndim != len(spec.shape):
            raise ValueError("its lists have different lengths")
        flat = np.empty(array.size, np.object_)
        flat[:] = [_unpacked(item.b64) if isinstance(item, _Binary) else item.encode() for item in array.reshape(-1)]
    except _FAULTS as error:
        text = f'input {spec.name!r} must be nested lists of text or {{"b64": text}} of shape {spec.shown_shape()}: {error}'
        raise refused(text, spec.name) from None
    if array.size == 0:
        raise refused(f"input {spec.name!r} holds no rows", spec.name)
    return spec.check(flat.reshape(array.shape))


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{text[:20]!r} is no base64: {error}") from None


def _finite(node: Node, spec: TensorSpec) -> bytes:
    try:
        return json.dumps(node, allow_nan=False).encode()
    except ValueError:
        raise refused(f"input {spec.name!r} has filters, which take no NaN and no Infinity", spec.name) from None


def _pictures(text: bytes, spec: TensorSpec, media: Sequence[str]) -> Encoded:
    """What filters get that take whole files: one file as it is, or samples as JSON."""
    node = msgspec.Raw(text)
    samples = items(node, f"input {spec.name!r}") if is_list(node) else [node]
    texts = [_base64_of(sample) for sample in samples]
    if len(texts) == 1 and texts[0]:
        try:
            data = _unpacked(texts[0])
        except ValueError as error:
            raise refused(f"input {spec.name!r}: {error}", spec.name) from None
        if (kind := picture.media_of(data)) in media and kind:
            return Encoded(kind, data)
    parts = [bytes(sample) if packed is None else orjson.dumps({"image": packed}) for sample, packed in zip(samples, texts, strict=True)]
    return Encoded(_JSON, b"[" + b",".join(parts) + b"]")


def _base64_of(sample: msgspec.Raw) -> str | None:
    """The text of ``{"b64": text}``; None for anything else."""
    if not is_object(sample) or _B64 not in bytes(sample):
        return None
    try:
        return msgspec.json.decode(sample, type=_Binary).b64
    except _FAULTS:
        return None


# --- writing


def text(value: Value, name: str) -> bytes:
    """An output's JSON. Bytes are ``{"b64": text}`` where the output's name ends in ``_bytes``, or they are no UTF-8."""
    if isinstance(value, Encoded):
        return value.data
    if value.dtype.kind in "OSUT":
        return orjson.dumps(_packed(value.tolist()) if name.endswith("_bytes") else numbers.to_json(value))
    return _with_constants(orjson.dumps(numbers.to_json(value), option=orjson.OPT_SERIALIZE_NUMPY), value)


def rows(value: Value, name: str) -> list[bytes]:
    """The JSON of each row of an output."""
    if isinstance(value, Encoded):
        return [bytes(sample) for sample in _LIST.decode(value.data)]
    if value.ndim == 1:  # with a comma nowhere but between numbers
        return scalars(value) if value.dtype.kind not in "OSUT" else [text(value[at : at + 1], name)[1:-1] for at in range(len(value))]
    return [text(row, name) for row in value]


def scalars(array: Tensor) -> list[bytes]:
    """The JSON of each number, row by row."""
    return text(array.reshape(-1), "")[1:-1].split(b",") if array.size else []


def _with_constants(written: bytes, array: Tensor) -> bytes:
    """The same with NaN and Infinity where the writer had to put null."""
    pieces = written.split(b"null")
    if len(pieces) == 1:
        return written
    flat = array.reshape(-1)
    names = [b"NaN" if math.isnan(one) else b"Infinity" if one > 0 else b"-Infinity" for one in flat[~np.isfinite(flat)].tolist()]
    return b"".join(part for pair in zip(pieces, [*names, b""], strict=True) for part in pair)


def _packed(value: Any) -> Any:
    if isinstance(value, list):
        return [_packed(item) for item in value]
    data = value if isinstance(value, bytes) else str(value).encode()
    return {"b64": base64.b64encode(data).decode()}
