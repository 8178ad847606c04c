"""A model compiled by OpenVINO for the processor, as a function of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zeromind.tensors import Tensor

_MOST_SHAPES = 4096


class Request:
    """A function of arrays, one for each input, to new arrays, one for each output.

    OpenVINO's processor plugin runs open sizes that contradict each other without a check: it answers with nothing, or the process dies
    (seen in 2026.4 with the sum of [3, 3] and [2, 3]). So shapes are tried on the model's graph when they first come.
    """

    def __init__(self, openvino: Any, core: Any, model: Any, config: Mapping[str, Any]) -> None:
        self._openvino = openvino
        self._graph = model.clone()
        self._bounds = [port.partial_shape for port in model.inputs]
        self._known: set[tuple[tuple[int, ...], ...]] = set()
        compiled = core.compile_model(model, "CPU", config)
        self._outputs = range(len(compiled.outputs))
        self._request = compiled.create_infer_request()
        self._remembers = bool(self._request.query_state())

    def __call__(self, arrays: Sequence[Tensor]) -> list[Tensor]:
        """What the model gives for these. Raises ValueError for shapes that do not go together."""
        self._check(tuple(array.shape for array in arrays))
        for number, array in enumerate(arrays):
            self._request.set_input_tensor(number, self._tensor(array))
        if self._remembers:
            self._request.reset_state()  # it may be of another client
        self._request.infer()
        return [self._array(self._request.get_output_tensor(number)) for number in self._outputs]

    def settle(self) -> None:
        """Nothing but a common number of rows is open, and any is good: the graph is needed no more."""
        self._graph = None

    def _check(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        if shapes in self._known:
            return
        if self._graph is None:
            if len({shape[0] for shape in shapes}) > 1:
                raise ValueError(f"the inputs hold different numbers of rows: {', '.join(str(shape[0]) for shape in shapes)}")
            return
        for bounds, shape in zip(self._bounds, shapes, strict=True):
            if not bounds.compatible(self._openvino.PartialShape(list(shape))):
                raise ValueError(f"an input has shape {list(shape)}, the model takes {bounds}")
        try:
            self._graph.reshape({number: self._openvino.PartialShape(list(shape)) for number, shape in enumerate(shapes)})
        except RuntimeError as error:
            raise ValueError(reason(error)) from None
        if len(self._known) >= _MOST_SHAPES:
            self._known.clear()
        self._known.add(shapes)

    def _tensor(self, array: Tensor) -> Any:
        if array.dtype.hasobject:
            return self._openvino.Tensor(array.astype("S"))
        # It views the array's memory, and wants to be able to write there, though it does not.
        return self._openvino.Tensor(array if array.flags.carray else array.copy(), shared_memory=True)

    def _array(self, tensor: Any) -> Tensor:
        if tensor.element_type != self._openvino.Type.string:
            return np.array(tensor.data)
        texts: Tensor = tensor.bytes_data.astype(object)
        # Where all texts are empty, these bytes are whatever lay in the memory (seen in 2026.4).
        texts[tensor.str_data == ""] = b""
        return texts


def reason(error: Exception) -> str:
    """What OpenVINO says, without the places in its source."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Exception from ", "Check '", "While validating "))]
    return " ".join(told)[:500] or str(error)[:500]
