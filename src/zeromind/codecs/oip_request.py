"""Inference requests of the Open Inference Protocol over HTTP: JSON, behind which tensors may follow as bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from zeromind import strictjson
from zeromind.codecs import arrays, numbers, oip_parameters
from zeromind.codecs.inputs import check_id, complete, named, refused
from zeromind.codecs.oip_answer import Asked
from zeromind.codecs.oip_raw import LENGTH, Bytes, check_shape, from_raw, pack_bytes, to_objects
from zeromind.codecs.oip_tensors import Memory, to_encoded
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import MESSAGES, TENSORS
from zeromind.tensors import InferRequest, Interface, Tensor, TensorSpec, Value

_NOTHING = b"[], \t\r\n"
"""What the lists of a tensor without elements are made of."""


_ABSENT = msgspec.Raw()


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = _ABSENT
    parameters: dict[str, Any] | None = None


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str = ""
    parameters: dict[str, Any] | None = None
    outputs: list[_Output] | None = None


_DECODER = msgspec.json.Decoder(_Request)


class _Part(msgspec.Struct):
    parameters: msgspec.Raw = _ABSENT


class _Outline(_Part):
    inputs: list[_Part] = []
    outputs: list[_Part] | None = None


_OUTLINER = msgspec.json.Decoder(_Outline)


class _Rest:
    """The bytes behind a request's JSON, which its inputs take one after the other."""

    def __init__(self, data: Bytes, told: bool) -> None:
        self._data = memoryview(data)
        self._told = told
        self.at = 0

    def take(self, name: str, size: int) -> memoryview:
        """The next ``size`` bytes. Raises INVALID_INPUT if there are not so many."""
        if size and not self._told:
            raise refused(f"input {name!r} has 'binary_data_size', which needs the header {LENGTH}: the bytes of the JSON before it", name)
        taken = self._data[self.at : self.at + size]
        if len(taken) < size:
            raise refused(f"input {name!r} has 'binary_data_size' {size}, and only {len(taken)} bytes are left in the body", name)
        self.at += size
        return taken

    def check(self) -> None:
        """Raise INVALID_INPUT if something is left."""
        left = len(self._data) - self.at
        if left:
            raise refused(f"unexpected additional input data: {left} bytes stand behind those of the last input")


def decode(body: Bytes, json_bytes: int | None, interface: Interface, memory: Memory, bare: bool = False) -> tuple[InferRequest, Asked]:
    """The request in a body whose first ``json_bytes`` are JSON, None meaning all of them, and what it wants of its answer.

    ``bare`` asks for the model without its filters, as the request itself may. Raises PREDICT_DATA if the body is no request,
    INPUT_MISSING, or INVALID_INPUT for names that are unknown or stand twice, parameters that cannot be, and data that do not fit.
    """
    if json_bytes == 0:
        return _decode_raw(body, interface.bare if bare else interface, bare and interface.filtered)
    told = json_bytes is not None
    if json_bytes is not None and not 0 < json_bytes <= len(body):
        found = f"is {json_bytes}" if json_bytes > 0 else "is not a number of bytes"
        raise refused(f"the header {LENGTH} {found}; the body has {len(body)} bytes", LENGTH)
    request = _parsed(body[:json_bytes] if told else body)
    interface, fields = oip_parameters.asked_of(interface, request.parameters or {}, bare)
    rest = _Rest(memoryview(body)[json_bytes:] if told else b"", told)
    inputs: dict[str, Value] = {}
    for entry in request.inputs:
        spec = named(entry.name, interface, inputs)
        inputs[spec.name] = _value(entry, spec, interface, rest, memory)
    rest.check()
    asked = Asked(request.id, _selection(request, interface), interface)
    return InferRequest(complete(inputs, interface), request.id, **fields), asked


def order(body: Bytes, json_bytes: int) -> list[str] | None:
    """The names of a sound request's inputs if all of these have come as bytes behind its JSON, in that order; else None."""
    entries = _parsed(body[:json_bytes]).inputs
    plain = all(set(entry.parameters or ()) == {"binary_data_size"} for entry in entries)
    return [entry.name for entry in entries] if plain else None


def listed(body: Bytes) -> bytes:
    """The JSON that a sound request has as its only input's data; empty if they have come otherwise."""
    (entry,) = _parsed(body).inputs
    return bytes(entry.data)


def _parsed(text: Bytes) -> _Request:
    text = bytes(text)
    try:
        strictjson.check_members(text, MESSAGES.fields)
        if len(text) > TENSORS.parameters and (b'"parameters"' in text or b"\\" in text):
            _check_parameters(text)
        request = _DECODER.decode(text)
        # There are more colons where a key stands twice, but also in text and in what is not read.
        twice = arrays.repeated(text) if strictjson.has_more(text, b":", _members(request)) else ""
    except (ValueError, msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ZeroMindError(
            ErrorKind.PREDICT_DATA, f'the body must be {{"inputs": [{{"name", "shape", "datatype", "data"}}]}}: {error}'
        ) from None
    if twice:
        raise ZeroMindError(ErrorKind.PREDICT_DATA, f"the key {twice!r} stands twice in one object of the body", twice)
    check_id(request.id)
    return request


def _check_parameters(text: bytes) -> None:
    """Raise ValueError for parameters longer than any may be, before anything is made of what is in them."""
    outline = _OUTLINER.decode(text)
    parts = (outline, *outline.inputs, *(outline.outputs or ()))
    if sum(len(bytes(part.parameters)) for part in parts) > 2 * TENSORS.parameters:  # with their names and signs
        raise ValueError(f"the parameters have more than {TENSORS.parameters} characters: send much data as inputs")


def _members(request: _Request) -> int:
    """How many members its objects have, as far as they say something."""
    count = 2 if request.id else 1
    for entry in request.inputs:
        count += (3 if entry.data is _ABSENT else 4) + (0 if entry.parameters is None else 1 + len(entry.parameters))
    if request.outputs is not None:
        count += 1 + sum(1 if one.parameters is None else 2 + len(one.parameters) for one in request.outputs)
    return count if request.parameters is None else count + 1 + len(request.parameters)


def _selection(request: _Request, interface: Interface) -> tuple[oip_parameters.Wanted, ...]:
    binary = oip_parameters.flag("the request", request.parameters or {}, "binary_data_output", False)
    return oip_parameters.selection([(one.name, one.parameters or {}) for one in request.outputs or ()], interface, binary)


def _decode_raw(body: Bytes, interface: Interface, bare: bool) -> tuple[InferRequest, Asked]:
    """The request whose body is the only input's data, in a shape that follows from its size."""
    if len(interface.spec.inputs) != 1:
        count = len(interface.spec.inputs)
        raise refused(f"a body without JSON ({LENGTH}: 0) is the data of a model's only input; this one has {count}", LENGTH)
    spec = interface.spec.inputs[0]
    value: Value
    if spec.name in interface.filtered_inputs:
        value = to_encoded(to_objects([bytes(body)], (1,)), spec, interface.media.get(spec.name, ()))
    else:
        value = from_raw(spec.name, spec.datatype, _shape(spec, len(body)), pack_bytes([bytes(body)]) if spec.datatype == "BYTES" else body)
    asked = Asked("", oip_parameters.selection((), interface, True), interface)
    return InferRequest({spec.name: value}, filters=not bare), asked


def _shape(spec: TensorSpec, size: int) -> tuple[int, ...]:
    """The shape of so many bytes of data; those of BYTES are one element."""
    if spec.shape.count(None) > 1:
        text = f"the shape of the raw input {spec.name!r} can not be deduced from its size: the model takes {spec.shown_shape()}"
        raise refused(text, spec.name)
    itemsize = {"BYTES": size or 1, "BF16": 2}.get(spec.datatype, spec.dtype.itemsize)
    known = math.prod(length for length in spec.shape if length is not None) * itemsize
    count = 1 if spec.datatype == "BYTES" else size // known if known else 0
    return tuple(count if length is None else length for length in spec.shape)


def _value(entry: _Input, spec: TensorSpec, interface: Interface, rest: _Rest, memory: Memory) -> Value:
    filtered = spec.name in interface.filtered_inputs
    datatype = "BYTES" if filtered else spec.datatype
    if entry.datatype != datatype:
        if filtered:
            text = f"input {spec.name!r} has filters: send datatype BYTES of shape [samples], each element the JSON text of one sample"
        else:
            text = f"input {spec.name!r} has datatype {entry.datatype!r}, the model takes {spec.datatype}"
        raise refused(text, spec.name)
    shape, _ = check_shape(spec.name, datatype, entry.shape)
    if not filtered and not spec.fits(shape):
        raise refused(f"input {spec.name!r} has shape {list(shape)}, the model takes {spec.shown_shape()}", spec.name)
    data = _bytes(entry, entry.parameters or {}, rest, memory)
    array = _listed(entry.data, spec, datatype, shape) if data is None else from_raw(spec.name, datatype, shape, data)
    return to_encoded(array, spec, interface.media.get(spec.name, ())) if filtered else array


def _bytes(entry: _Input, parameters: Mapping[str, Any], rest: _Rest, memory: Memory) -> Bytes | None:
    """The data of an input that come as bytes; None if they come in the JSON."""
    owner = f"input {entry.name!r}"
    size = oip_parameters.size(owner, parameters, "binary_data_size")
    place = oip_parameters.place(owner, parameters)
    ways = [way for way, given in (("data", bytes(entry.data)), ("binary_data_size", size is not None), ("shared memory", place)) if given]
    if len(ways) != 1:
        found = f"has {' and '.join(ways)}" if ways else "has no data"
        raise refused(f"{owner} {found}: give one of 'data', 'binary_data_size' and 'shared_memory_region'", entry.name)
    if size is not None:
        return rest.take(entry.name, size)
    return memory.read(place.region, place.offset, place.byte_size) if place else None


def _listed(data: msgspec.Raw, spec: TensorSpec, datatype: str, shape: tuple[int, ...]) -> Tensor:
    """The array in JSON lists, flat or nested."""
    offered = spec if datatype == spec.datatype else TensorSpec(spec.name, datatype, (None,) * len(shape), spec.aliases)
    count = math.prod(shape)
    if not count and not bytes(data).translate(None, _NOTHING):
        return np.empty(shape, offered.dtype)
    array = numbers.to_flat(data, offered)
    if array is None:  # nested lists, which the protocol allows, too
        array = numbers.to_tensor(data, offered)
        if array.shape == shape:
            return array
    elif array.size == count:
        return array.reshape(shape)
    raise refused(f"input {spec.name!r} holds {array.size} elements, not those of shape {list(shape)}", spec.name)
