"""A Caffe2 net as an ONNX model: its blobs under names of their own each time they are written, its constants, its ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zeromind.adapters.caffe2_net import Operator, Unsupported
from zeromind.tensors import Shape, Tensor, TensorSpec

# The last set in which Softmax flattens as Caffe2's does, and sizes are attributes.
_OPSET, _IR_VERSION = 12, 7
_ROWS = "rows"
_NONE: Mapping[str, Any] = {}


class Graph:
    """An ONNX graph that grows. Caffe2 writes into blobs again and again, in ONNX a name has one value: the last one gets the blob's."""

    def __init__(self, onnx: Any, inputs: Sequence[TensorSpec], operators: Sequence[Operator]) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._initializers: list[Any] = []
        self._inputs = inputs
        self._names = {spec.name: spec.name for spec in inputs}
        self._ranks = {spec.name: len(spec.shape) for spec in inputs}
        self._fills: dict[str, Operator] = {}
        self._constants: dict[str, Tensor] = {}
        self._left: dict[str, int] = {}
        for blob in (blob for operator in operators if not operator.fills for blob in operator.outputs):
            self._left[blob] = self._left.get(blob, 0) + 1

    def fill(self, operator: Operator) -> None:
        """Let a blob be what a fill makes, once it is asked for."""
        for blob in operator.outputs:
            self._fills[blob] = operator
            self._names.pop(blob, None)
            self._constants.pop(blob, None)

    def read(self, blob: str) -> str:
        """The ONNX name of a blob's present value."""
        if blob not in self._names:
            self._names[blob] = self.constant(self.value(blob))
        return self._names[blob]

    def value(self, blob: str) -> Tensor:
        """The numbers of a blob that has to be constant. Raises Unsupported."""
        if blob not in self._constants:
            if blob not in self._fills:
                raise Unsupported(f"the blob {blob!r}, which has to be known beforehand")
            self._constants[blob] = self._fills[blob].filled()
        return self._constants[blob]

    def is_constant(self, blob: str) -> bool:
        """Whether a fill makes the blob."""
        return blob in self._fills

    def rank(self, blob: str) -> int:
        """How many dimensions a blob has."""
        return self._ranks[self.read(blob)]

    def constant(self, array: Tensor) -> str:
        """The ONNX name of a new constant."""
        name = f"constant/{len(self._initializers)}"
        self._initializers.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        self._ranks[name] = array.ndim
        return name

    def numbers(self, *values: int) -> str:
        """The ONNX name of a new constant list of whole numbers."""
        return self.constant(np.array(values, np.int64))

    def write(self, blob: str, rank: int) -> str:
        """The ONNX name of a blob's next value, of so many dimensions."""
        self._left[blob] = self._left.get(blob, 1) - 1
        last = not self._left[blob] and all(spec.name != blob for spec in self._inputs)
        self._names[blob] = blob if last else f"{blob}/{self._left[blob]}"
        self._ranks[self._names[blob]] = rank
        self._constants.pop(blob, None)
        self._fills.pop(blob, None)
        return self._names[blob]

    def between(self, rank: int) -> str:
        """The ONNX name of a value that no blob holds."""
        name = f"between/{len(self._nodes)}"
        self._ranks[name] = rank
        return name

    def add(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Add an ONNX operator; everything by ONNX names."""
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, outputs, **attributes))

    def alike(self, operator: Operator, kind: str, attributes: Mapping[str, Any] = _NONE, rank: int | None = None) -> None:
        """Add an operator that takes the same inputs in ONNX, and gives the first output, which has the first input's rank or another."""
        inputs = [self.read(blob) for blob in operator.inputs]
        rank = self.rank(operator.inputs[0]) if rank is None else rank
        self.add(kind, inputs, [self.write(operator.outputs[0], rank)], **attributes)

    def model(self, outputs: Sequence[str]) -> bytes:
        """The ONNX model, with these blobs for outputs; of what type and shape they are is left to who infers it."""
        make = self._onnx.helper
        takes = [make.make_tensor_value_info(spec.name, self._type(spec), _dimensions(spec.shape)) for spec in self._inputs]
        for blob in outputs:
            if self.read(blob) != blob:
                self.add("Identity", [self.read(blob)], [blob])
        gives = [self._onnx.ValueInfoProto(name=blob) for blob in outputs]
        graph = make.make_graph(self._nodes, "caffe2", takes, gives, initializer=self._initializers)
        model = make.make_model(graph, opset_imports=[make.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        data: bytes = model.SerializeToString()
        return data

    def _type(self, spec: TensorSpec) -> Any:
        is_text = spec.datatype == "BYTES"
        return self._onnx.TensorProto.STRING if is_text else self._onnx.helper.np_dtype_to_tensor_dtype(spec.dtype)


def _dimensions(shape: Shape) -> list[int | str | None]:
    """A shape in which all open first dimensions are the same."""
    return [_ROWS if index == 0 and size is None else size for index, size in enumerate(shape)]
