"""What a model answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from zeromind import datatypes
from zeromind.tensors import Interface, Tensor

_NOTHING: Mapping[str, Any] = {}


class Prediction(Mapping[str, Any]):
    """The outputs by name: numpy arrays, or a list of what the output filters made of each sample.

    Arrays look at the bytes that came where they can, and may not be written to then. Text is an object array of ``bytes``, BF16
    an array of float32. ``parameters`` are what the server says beside the outputs.
    """

    __slots__ = ("_fields", "_outputs", "model", "parameters", "version")

    def __init__(
        self, outputs: Mapping[str, Any], model: str, version: str, fields: Mapping[str, str], parameters: Mapping[str, Any] = _NOTHING
    ) -> None:
        self._outputs = outputs
        self._fields = fields
        self.model = model
        self.version = version
        self.parameters = parameters

    def __getitem__(self, name: str) -> Any:
        try:
            return self._outputs[name]
        except KeyError:
            raise KeyError(f"there is no output {name!r}; there are {', '.join(map(repr, self._outputs))}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __repr__(self) -> str:
        return f"Prediction({dict(self._outputs)!r}, model={self.model!r})"

    @property
    def request_id(self) -> str:
        """What the server's log knows the request by; empty where it does not tell."""
        return self._fields.get("x-request-id", "")

    @property
    def timing(self) -> Mapping[str, float] | None:
        """The server's seconds by stage: queue, input, model, output; None where it does not tell."""
        field = self._fields.get("server-timing")
        return None if field is None else dict(_durations(field))

    @property
    def value(self) -> Any:
        """The only output. Raises ValueError if there is not exactly one."""
        if len(self._outputs) != 1:
            raise ValueError(
                f"the answer has {len(self._outputs)} outputs: ask for one of {', '.join(map(repr, self._outputs))} by its name"
            )
        return next(iter(self._outputs.values()))

    def text(self, name: str) -> Tensor:
        """An output of text as an object array of ``str``. Raises UnicodeDecodeError where it is not UTF-8."""
        return datatypes.as_text(np.asarray(self[name], np.object_))


def _durations(field: str) -> Iterator[tuple[str, float]]:
    """Seconds by name, of ``name;dur=milliseconds, …`` (W3C Server Timing)."""
    for entry in field.split(","):
        name, *parameters = [part.strip() for part in entry.split(";")]
        for parameter in parameters:
            key, _, text = parameter.partition("=")
            if key == "dur":
                yield name, float(text) / 1e3


def shown(name: str, value: Tensor, interface: Interface) -> Any:
    """An output as users get it: that of filters, which comes as the JSON text of each sample, as Python has it."""
    return [json.loads(sample) for sample in value.reshape(-1).tolist()] if name in interface.filtered_outputs else value
