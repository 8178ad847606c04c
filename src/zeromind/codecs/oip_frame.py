"""Inference requests that come again over gRPC: known by all that stands before their data, they need not be parsed.

A serialised ``ModelInferRequest`` ends with its tensors' bytes (raw_input_contents is its last field). Clients send what stands before
them again and again, byte by byte the same, and of it follow names, shapes, sizes, and what the answer looks like.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zeromind.codecs import protobuf
from zeromind.codecs.oip_parameters import Wanted
from zeromind.codecs.oip_raw import PLAIN, Span
from zeromind.codecs.protobuf import field, varint
from zeromind.tensors import InferRequest, InferResponse, Interface, TensorSpec, Value, find

_RAW = 7
_MOST_FRAMES = 256
_MOST_FRAME_BYTES = 1024
_MOST_HEADS = 64


class Frame:
    """What a request says besides its data."""

    def __init__(
        self, model: str, interface: Interface, spans: Mapping[str, Span], gaps: Mapping[int, bytes], outputs: Sequence[TensorSpec]
    ) -> None:
        self.model = model
        self.interface = interface
        self._spans = tuple(spans.items())
        self._gaps = tuple(gaps.items())
        self._size = max(span.end for span in spans.values())
        self._outputs = tuple(spec.name for spec in outputs)
        self._datatypes = tuple(spec.datatype for spec in outputs)
        self._heads: dict[tuple[tuple[int, ...], ...], list[bytes]] = {}

    def fits(self, data: bytes) -> bool:
        """Whether also between the tensors there is what there was, and behind them nothing."""
        return len(data) == self._size and all(data.startswith(gap, at) for at, gap in self._gaps)

    def decode(self, data: bytes) -> InferRequest:
        """The request in a message that fits."""
        inputs: dict[str, Value] = {name: span.array(data) for name, span in self._spans}
        return InferRequest(inputs)

    def encode(self, response: InferResponse) -> list[bytes]:
        """A ``ModelInferResponse`` as the pieces of its bytes."""
        values: list[Any] = [response.outputs[name] for name in self._outputs]
        shapes = tuple([value.shape for value in values])
        heads = self._heads.get(shapes) or self._make(shapes, values)
        pieces: list[bytes] = []
        for head, value in zip(heads, values):  # noqa: B905 - made together
            pieces += (head, value.tobytes())
        return pieces

    def _make(self, shapes: tuple[tuple[int, ...], ...], values: list[Any]) -> list[bytes]:
        """What stands before each tensor in an answer with these shapes."""
        begin = [field(1, self.model.encode()), b"\x12\x011"]
        begin += [output(*entry) for entry in zip(self._outputs, self._datatypes, shapes, strict=True)]
        heads = [b"\x32" + varint(value.nbytes) for value in values]
        heads[0] = b"".join(begin) + heads[0]
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        self._heads[shapes] = heads
        return heads


class Frames:
    """Those that are known."""

    def __init__(self) -> None:
        self._frames: dict[bytes, Frame] = {}
        self._begins: dict[int, int] = {}
        """Where the data begin, by a message's length."""

    def find(self, data: bytes) -> Frame | None:
        """The frame of a message; None if it has to be parsed."""
        begin = self._begins.get(len(data))
        if begin is None:
            return None
        frame = self._frames.get(data[:begin])
        return frame if frame is not None and frame.fits(data) else None

    def learn(self, data: bytes, message: Any, request: InferRequest, interface: Interface, wanted: Sequence[Wanted]) -> None:
        """Remember a message that was found sound, and what it means, if it is plain: no parameters, no id, all inputs raw."""
        outputs = [one.spec for one in wanted]
        if message.id or message.parameters or interface.filtered or any(spec.datatype not in PLAIN for spec in outputs):
            return
        if any(tensor.parameters for tensor in (*message.inputs, *message.outputs)):
            return
        raws = protobuf.spans(data, _RAW, _MOST_FRAME_BYTES)
        if not raws or len(raws) != len(message.inputs) or len(raws) != len(request.inputs):
            return
        spans = {}
        for tensor, (begin, end) in zip(message.inputs, raws, strict=True):
            spec = find(interface.spec.inputs, tensor.name)
            value = request.inputs.get(spec.name) if spec else None
            if spec is None or tensor.datatype != spec.datatype or spec.datatype not in PLAIN or not isinstance(value, np.ndarray):
                return
            spans[spec.name] = Span(value.dtype, value.shape, begin, end)
        gaps = {here[1]: data[here[1] : there[0]] for here, there in itertools.pairwise(raws)}
        if len(self._frames) >= _MOST_FRAMES:
            self._frames.clear()
            self._begins.clear()
        begin = raws[0][0]
        in_order = {name: spans[name] for name in request.inputs}
        self._frames[data[:begin]] = Frame(message.model_name, interface, in_order, gaps, outputs)
        self._begins[len(data)] = begin


@functools.lru_cache(1024)
def output(name: str, datatype: str, shape: tuple[int, ...]) -> bytes:
    """An entry of an answer's ``outputs``."""
    sizes = b"".join(map(varint, shape))
    return field(5, field(1, name.encode()) + field(2, datatype.encode()) + (field(3, sizes) if shape else b""))
