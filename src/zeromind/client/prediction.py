"""What a model answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from zeromind import datatypes
from zeromind.tensors import Interface, Tensor


class Prediction(Mapping[str, Any]):
    """The outputs by name: numpy arrays, or a list of what the output filters made of each sample.

    Arrays look at the bytes that came where they can, and may not be written to then. Text is an object array of ``bytes``, BF16
    an array of float32. ``timing`` has the server's seconds by stage (queue, input, model, output), None where it does not tell.
    """

    __slots__ = ("_outputs", "model", "parameters", "request_id", "timing", "version")

    def __init__(  # noqa: PLR0913 - made by the wires only
        self,
        outputs: Mapping[str, Any],
        *,
        model: str,
        version: str = "",
        request_id: str = "",
        parameters: Mapping[str, Any] | None = None,
        timing: Mapping[str, float] | None = None,
    ) -> None:
        self._outputs = outputs
        self.model = model
        self.version = version
        self.request_id = request_id
        self.parameters: Mapping[str, Any] = parameters or {}
        self.timing = timing

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


def shown(name: str, value: Tensor, interface: Interface) -> Any:
    """An output as users get it: that of filters, which comes as the JSON text of each sample, as Python has it."""
    return [json.loads(sample) for sample in value.reshape(-1).tolist()] if name in interface.filtered_outputs else value
