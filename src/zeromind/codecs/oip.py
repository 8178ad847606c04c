"""The Open Inference Protocol over HTTP for one model: what comes again and again is read and written in fewer steps.

The protocol's JSON (version 2, "Inference Request/Response JSON Object") has tensors as flat or nested lists; bytes may follow it
(the binary tensor data extension). What stands around the data of a request is remembered with what it means.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson

from zeromind.codecs import arrays, example, oip_request
from zeromind.codecs.oip_answer import Answer, Asked
from zeromind.codecs.oip_parameters import selection
from zeromind.codecs.oip_raw import PLAIN, Bytes, Span
from zeromind.codecs.oip_tensors import Memory
from zeromind.errors import ZeroMindError
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface, Parameter, Value, find

_MOST_HEADS = 256
_MOST_FRAMES = 256
_MOST_FRAME_BYTES = 1024
_More: TypeAlias = "tuple[Mapping[str, Parameter] | None, int, float, bool] | tuple[()]"
"""The fields of an InferRequest besides its inputs and its id; empty where they are as ever."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Frame:
    """A request without its data: what it says of them, and what follows them."""

    name: str
    shape: tuple[int, ...]
    size: int
    tail: bytes
    more: _More
    asked: Asked


@dataclasses.dataclass(frozen=True, slots=True)
class _Plan:
    """What the JSON before a request's bytes says of these: in the model's order, and where they end."""

    spans: tuple[tuple[str, Span], ...]
    end: int
    more: _More
    asked: Asked


class Codec:
    """The protocol for one model: what it takes, and how it answers."""

    def __init__(self, interface: Interface, model: str, memory: Memory) -> None:
        self.interface = interface
        self._model = model
        self._memory = memory
        inputs, outputs = interface.spec.inputs, interface.spec.outputs
        self._reader = arrays.reader(inputs[0].datatype) if len(inputs) == 1 and inputs[0].name not in interface.filtered_inputs else None
        self._frames: dict[bytes, _Frame] = {}
        self._plans: dict[bytes, _Plan] = {}
        numeric = not interface.filtered_outputs and all(spec.datatype not in ("BYTES", "BF16") for spec in outputs)
        self._outputs = {spec.name: spec for spec in outputs} if numeric else {}
        self._everything = selection((), interface, False)
        self._heads: dict[tuple[str, tuple[int, ...]], bytes] = {}

    def decode(self, body: bytes | bytearray, json_bytes: int | None = None, bare: bool = False) -> tuple[InferRequest, Asked]:
        """The request in a body, and what it wants of its answer. Raises as ``oip_request.decode``, with an example."""
        if bare or json_bytes == 0:
            return self._requested(body, json_bytes, bare)
        if json_bytes is not None and json_bytes != len(body):
            return self._decode_binary(body, json_bytes)
        if type(body) is not bytes:
            body = bytes(body)
        reader = self._reader
        if reader is None:
            return self._decode(body, json_bytes)
        begin = body.rfind(b"[")  # of the data, as a rule
        frame = self._frames.get(body[:begin])
        if frame is not None and body.endswith(frame.tail):
            try:
                values = reader.elements(arrays.parse(body[begin : len(body) - len(frame.tail)]))
            except arrays.FAULTS:
                values = None
            if values is not None and values.size == frame.size:
                inputs: dict[str, Value] = {frame.name: values.reshape(frame.shape)}
                return InferRequest(inputs, "", *frame.more) if frame.more else InferRequest(inputs), frame.asked
        request, asked = self._decode(body, json_bytes)
        if not request.id:
            self._learn(body, begin, request, asked)
        return request, asked

    def encode(self, response: InferResponse, asked: Asked, non_finite: str = "") -> Answer:
        """The answer, as ``asked`` has it."""
        if asked.wanted is not self._everything or not self._outputs or non_finite:
            return asked.encode(response, self._model, self._memory, non_finite)
        parts = []
        for name in self._outputs:
            value: Any = response.outputs[name]  # no filters, so that it is a tensor
            parts.append(self._heads.get((name, value.shape)) or self._head(name, value.shape))
            parts.append(orjson.dumps(value.ravel(), None, orjson.OPT_SERIALIZE_NUMPY))
        parts.append(b'}],"id":%b}' % orjson.dumps(asked.id) if asked.id else b"}]}")
        return b"".join(parts), 0

    def _decode(self, body: Bytes, json_bytes: int | None) -> tuple[InferRequest, Asked]:
        request, asked = self._requested(body, json_bytes)
        if asked.wanted == self._everything:
            asked.wanted = self._everything
        return request, asked

    def _requested(self, body: Bytes, json_bytes: int | None, bare: bool = False) -> tuple[InferRequest, Asked]:
        try:
            return oip_request.decode(body, json_bytes, self.interface, self._memory, bare)
        except ZeroMindError as error:
            if json_bytes is not None:  # whoever sends tensors as bytes has a client for that
                raise
            raise example.with_example(error, example.oip(self.interface.bare if bare else self.interface)) from None

    def _decode_binary(self, body: bytes | bytearray, json_bytes: int) -> tuple[InferRequest, Asked]:
        text = bytes(body[:json_bytes]) if json_bytes > 0 else b""
        plan = self._plans.get(text)
        if plan is not None and plan.end == len(body):
            inputs: dict[str, Value] = {name: span.array(body) for name, span in plan.spans}
            return InferRequest(inputs, "", *plan.more) if plan.more else InferRequest(inputs), plan.asked
        request, asked = self._decode(body, json_bytes)
        if not request.id and len(text) <= _MOST_FRAME_BYTES:
            self._plan(text, request, asked)
        return request, asked

    def _learn(self, body: bytes, begin: int, request: InferRequest, asked: Asked) -> None:
        """Remember what stands around the data of a sound request, if that is one list: clients send the same again and again."""
        end = body.find(b"]", begin) + 1
        head, tail = body[:begin], body[end:]
        if len(head) + len(tail) > _MOST_FRAME_BYTES or not head.rstrip().endswith(b'"data":'):
            return
        # The list could be one of the parameters, and the data another before it, perhaps under an escaped name, or be no list at all.
        if head.count(b'"data"') == 1 and b"\\" not in head and oip_request.listed(body) == body[begin:end]:
            ((name, value),) = request.inputs.items()
            if len(self._frames) >= _MOST_FRAMES:
                self._frames.clear()
            if not isinstance(value, Encoded):
                self._frames[head] = _Frame(name, value.shape, value.size, tail, _more(request), asked)

    def _plan(self, text: bytes, request: InferRequest, asked: Asked) -> None:
        """Remember where the tensors of a sound request are, if all of them have come as bytes that are just an array's."""
        if any(spec.datatype not in PLAIN or spec.name in self.interface.filtered_inputs for spec in self.interface.spec.inputs):
            return
        names = oip_request.order(text, len(text))
        if names is None:
            return
        spans, at = {}, len(text)
        for name in names:
            spec = find(self.interface.spec.inputs, name)
            assert spec is not None, "the request is sound"  # noqa: S101 - a fault of ours
            value: Any = request.inputs[spec.name]
            spans[spec.name] = Span(value.dtype, value.shape, at, at + value.nbytes)
            at += value.nbytes
        if len(self._plans) >= _MOST_FRAMES:
            self._plans.clear()
        in_order = tuple((name, spans[name]) for name in request.inputs)
        self._plans[text] = _Plan(in_order, at, _more(request), asked)

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


def _more(request: InferRequest) -> _More:
    more = request.parameters, request.priority, request.timeout_s, request.filters
    return () if more == (None, 0, 0.0, True) else more
