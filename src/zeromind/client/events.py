"""Server-sent events (HTML, 9.2) that carry a model's responses: flat JSON whose keys are the outputs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from zeromind.client.faults import fault, named
from zeromind.client.prediction import Prediction
from zeromind.client.step import Garbled
from zeromind.codecs.oip_raw import to_objects
from zeromind.errors import ErrorKind
from zeromind.tensors import Interface, Tensor, TensorSpec

_MOST_EVENT_BYTES = 1 << 30


class Events:
    """The responses in what comes of a stream."""

    def __init__(self, model: str, interface: Interface, outputs: tuple[str, ...]) -> None:
        self._model = model
        self._interface = interface
        self._specs = {spec.name: spec for spec in interface.spec.outputs if not outputs or spec.name in outputs}
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Prediction]:
        """The responses that are complete now. Raises the fault that one says, or Garbled."""
        at = max(0, len(self._data) - 1)
        self._data += data
        while (end := self._data.find(b"\n\n", at)) >= 0:
            event = bytes(self._data[:end])
            del self._data[: end + 2]
            at = 0
            lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
            if lines:
                yield self._response(b"\n".join(lines))
        if len(self._data) > _MOST_EVENT_BYTES:
            raise Garbled("an event without end")

    def _response(self, text: bytes) -> Prediction:
        found = json.loads(text)
        if "error" in found and "model_name" not in found:
            raise fault(named(str(found.get("kind", "")), ErrorKind.PREDICTION_FAILED), str(found["error"]), status=200)
        outputs = {name: self._value(found[name], spec) for name, spec in self._specs.items() if name in found}
        return Prediction(outputs, self._model, found.get("model_version", ""), {})

    def _value(self, found: Any, spec: TensorSpec) -> Any:
        items = found if isinstance(found, list) else [found]
        return items if spec.name in self._interface.filtered_outputs else _tensor(items, spec)


def _tensor(items: list[Any], spec: TensorSpec) -> Tensor:
    """The array of a flat list: open sizes are 1 but for the last, which is as long as it has to be."""
    if spec.datatype == "BYTES":
        array = to_objects([str(item).encode() for item in items], (len(items),))
    else:
        array = np.array([float(item) if isinstance(item, str) else item for item in items], spec.dtype)
    known = math.prod(size for size in spec.shape if size)
    shape: list[int] = []
    rest = array.size // known if known else 0
    for size in reversed(spec.shape):
        shape.insert(0, rest if size is None else size)
        rest = 1 if size is None else rest
    return array.reshape(shape) if math.prod(shape) == array.size else array
