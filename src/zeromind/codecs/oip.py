"""The Open Inference Protocol's JSON (version 2, "Inference Request/Response JSON Object"): tensors as flat or nested lists."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import msgspec
import orjson

from zeromind.codecs import arrays, numbers
from zeromind.codecs.zeromind import complete
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface, Tensor, TensorSpec, Value, find


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str = ""


_MOST_HEADS = 256
_MOST_FRAMES = 256
_MOST_FRAME_BYTES = 1024
_DECODER = msgspec.json.Decoder(_Request)


@dataclasses.dataclass(frozen=True, slots=True)
class _Frame:
    """A request without its data: what it says of them, and what follows them."""

    name: str
    shape: tuple[int, ...]
    size: int
    tail: bytes


class Codec:
    """The protocol's JSON for one model: what it takes, and how it answers."""

    def __init__(self, interface: Interface, model: str) -> None:
        self.interface = interface
        self._model = model
        inputs, outputs = interface.spec.inputs, interface.spec.outputs
        self._reader = arrays.reader(inputs[0].datatype) if len(inputs) == 1 and inputs[0].name not in interface.filtered_inputs else None
        self._frames: dict[bytes, _Frame] = {}
        numeric = not interface.filtered_outputs and all(spec.datatype != "BYTES" for spec in outputs)
        self._outputs = {spec.name: spec for spec in outputs} if numeric else {}
        self._heads: dict[tuple[str, tuple[int, ...]], bytes] = {}

    def decode(self, body: bytes, media: str) -> InferRequest:
        """The request in a body of that content type, which is JSON also where none is named.

        Raises CONTENT_TYPE, or as ``decode_infer``.
        """
        if media != "application/json" and media:
            raise ZeroMindError(ErrorKind.CONTENT_TYPE, "the request needs the header Content-Type: application/json", media)
        reader = self._reader
        if reader is None:
            return decode_infer(body, self.interface)
        begin = body.rfind(b"[")  # of the data, as a rule
        frame = self._frames.get(body[:begin])
        if frame is not None and body.endswith(frame.tail):
            try:
                values = reader.elements(arrays.parse(body[begin : len(body) - len(frame.tail)]))
            except arrays.FAULTS:
                values = None
            if values is not None and values.size == frame.size:
                return InferRequest({frame.name: values.reshape(frame.shape)})
        request = decode_infer(body, self.interface)
        if not request.id:
            self._learn(body, begin, request)
        return request

    def _learn(self, body: bytes, begin: int, request: InferRequest) -> None:
        """Remember what stands around the data of a sound request, if that is one list: clients send the same again and again."""
        head, tail = body[:begin], body[body.find(b"]", begin) + 1 :]
        if len(head) + len(tail) > _MOST_FRAME_BYTES or not head.rstrip().endswith(b'"data":'):
            return
        # The list could be one of the parameters, and the data another before it, perhaps under an escaped name.
        if head.count(b'"data"') == 1 and b"\\" not in head:
            ((name, value),) = request.inputs.items()
            if len(self._frames) >= _MOST_FRAMES:
                self._frames.clear()
            if not isinstance(value, Encoded):
                self._frames[head] = _Frame(name, value.shape, value.size, tail)

    def encode(self, response: InferResponse, request_id: str) -> bytes:
        """The answer's JSON, as ``encode_infer`` has it."""
        if not self._outputs:
            return encode_infer(response, self.interface, self._model, request_id)
        parts = []
        for name in self._outputs:
            value: Any = response.outputs[name]  # no filters, so that it is a tensor
            parts.append(self._heads.get((name, value.shape)) or self._head(name, value.shape))
            parts.append(orjson.dumps(value.ravel(), None, orjson.OPT_SERIALIZE_NUMPY))
        parts.append(b'}],"id":%b}' % orjson.dumps(request_id) if request_id else b"}]}")
        return b"".join(parts)

    def _head(self, name: str, shape: tuple[int, ...]) -> bytes:
        """What stands before the data of an output of that shape."""
        begin = b"},"
        if name == next(iter(self._outputs)):
            begin = orjson.dumps({"model_name": self._model, "model_version": "1", "outputs": 0})[:-2] + b"["
        head = begin + orjson.dumps({"name": name, "datatype": self._outputs[name].datatype, "shape": shape, "data": 0})[:-2]
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        self._heads[name, shape] = head
        return head


def decode_infer(body: bytes, interface: Interface) -> InferRequest:
    """The request in a body of the protocol. A filtered input has datatype BYTES: each element is the JSON text of one sample.

    Raises PREDICT_DATA if the body is no request, INPUT_MISSING, or INVALID_INPUT for an unknown name or data that does not fit.
    """
    try:
        request = _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ZeroMindError(
            ErrorKind.PREDICT_DATA, f'the body must be {{"inputs": [{{"name", "shape", "datatype", "data"}}]}}: {error}'
        ) from None
    inputs: dict[str, Value] = {}
    for entry in request.inputs:
        spec = find(interface.spec.inputs, entry.name)
        if spec is None:
            names = ", ".join(repr(spec.name) for spec in interface.spec.inputs)
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"the model has no input {entry.name!r}; its inputs are {names}", entry.name)
        if spec.name in inputs:
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"input {spec.name!r} is given twice", spec.name)
        inputs[spec.name] = _samples(entry) if spec.name in interface.filtered_inputs else _tensor(entry, spec)
    return InferRequest(complete(inputs, interface), request.id)


def encode_infer(response: InferResponse, interface: Interface, model: str, request_id: str) -> bytes:
    """The answer's JSON: flat data; a filtered output is BYTES, the JSON text of one sample each."""
    outputs = []
    for spec in interface.spec.outputs:
        value = response.outputs[spec.name]
        if isinstance(value, Encoded):
            texts = [orjson.dumps(sample).decode() for sample in orjson.loads(value.data)]
            outputs.append({"name": spec.name, "datatype": "BYTES", "shape": [len(texts)], "data": texts})
        else:
            data = numbers.to_json(value.reshape(-1))
            outputs.append({"name": spec.name, "datatype": spec.datatype, "shape": value.shape, "data": data})
    answer = {"model_name": model, "model_version": "1", "outputs": outputs}
    if request_id:
        answer["id"] = request_id
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _tensor(entry: _Input, spec: TensorSpec) -> Tensor:
    if entry.datatype != spec.datatype:
        text = f"input {spec.name!r} has datatype {entry.datatype!r}, the model takes {spec.datatype}"
        raise ZeroMindError(ErrorKind.INVALID_INPUT, text, spec.name)
    if not spec.fits(entry.shape) or min(entry.shape, default=0) < 0:
        text = f"input {spec.name!r} has shape {entry.shape}, the model takes {spec.shown_shape()}"
        raise ZeroMindError(ErrorKind.INVALID_INPUT, text, spec.name)
    array = numbers.to_flat(entry.data, spec)
    if array is None:  # nested lists, which the protocol allows, too
        array = numbers.to_tensor(entry.data, spec)
        if array.shape == tuple(entry.shape):
            return array
    elif array.size == math.prod(entry.shape):
        return array.reshape(entry.shape)
    text = f"input {spec.name!r} holds {array.size} elements, not those of shape {entry.shape}"
    raise ZeroMindError(ErrorKind.INVALID_INPUT, text, spec.name)


def _samples(entry: _Input) -> Encoded:
    """A filtered input's samples, each sent as JSON text, as the list that its filters take."""
    spec = TensorSpec(entry.name, "BYTES", (None,))
    if entry.datatype != "BYTES" or len(entry.shape) != 1:
        text = f"input {entry.name!r} has filters: send datatype BYTES of shape [samples], each element the JSON text of one sample"
        raise ZeroMindError(ErrorKind.INVALID_INPUT, text, entry.name)
    return Encoded("application/json", b"[" + b",".join(numbers.to_tensor(entry.data, spec).tolist()) + b"]")
