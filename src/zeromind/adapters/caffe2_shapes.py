"""What Caffe2 does to the shapes and types of blobs, in ONNX.

The meaning of the arguments is that of https://github.com/pytorch/pytorch/tree/v1.0.0/caffe2/operators, for the processor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zeromind.adapters.caffe2_graph import Graph
from zeromind.adapters.caffe2_net import Operator, Unsupported

# TensorProto.DataType of caffe2.proto to that of ONNX
_ONNX_TYPES = {1: 1, 2: 6, 3: 2, 4: 8, 5: 9, 6: 2, 7: 3, 8: 4, 9: 5, 10: 7, 12: 10, 13: 11}
_TYPE_NAMES = {"FLOAT": 1, "INT32": 2, "BYTE": 3, "STRING": 4, "BOOL": 5, "UINT8": 6, "INT8": 7, "UINT16": 8, "INT16": 9, "INT64": 10}
_TYPE_NAMES |= {"FLOAT16": 12, "DOUBLE": 13}
_END = (1 << 63) - 1


def _concatenated(graph: Graph, operator: Operator) -> None:
    axis = operator.integer("axis", 1)
    rank = graph.rank(operator.inputs[0])
    inputs = [graph.read(blob) for blob in operator.inputs]
    if operator.integer("add_axis"):
        rank += 1
        axis = axis % rank
        for index, name in enumerate(inputs):
            inputs[index] = graph.between(rank)
            graph.add("Unsqueeze", [name], [inputs[index]], axes=[axis])
    graph.add("Concat", inputs, [graph.write(operator.outputs[0], rank)], axis=axis)


def _split(graph: Graph, operator: Operator) -> None:
    given = operator.integers("split") or (graph.value(operator.inputs[1]).tolist() if len(operator.inputs) > 1 else [])
    sizes: dict[str, Any] = {"split": given} if given else {}
    source, rank = graph.read(operator.inputs[0]), graph.rank(operator.inputs[0])
    outputs = [graph.write(blob, rank) for blob in operator.outputs]
    graph.add("Split", [source], outputs, axis=operator.integer("axis", 1), **sizes)


def _sliced(graph: Graph, operator: Operator) -> None:
    """A negative end counts from behind the last element, not from the last one: -1 is all of them."""
    starts, ends = (
        operator.integers(name) or (graph.value(operator.inputs[place]).tolist() if len(operator.inputs) > place else [])
        for place, name in ((1, "starts"), (2, "ends"))
    )
    bounds = [graph.numbers(*(_END if at == -1 else at + (at < 0) for at in places)) for places in (starts, ends)]
    data = operator.inputs[0]
    source, rank = graph.read(data), graph.rank(data)
    graph.add("Slice", [source, *bounds], [graph.write(operator.outputs[0], rank)])


def _reshape(graph: Graph, operator: Operator) -> None:
    shape = operator.integers("shape") or (graph.value(operator.inputs[1]).tolist() if len(operator.inputs) > 1 else [])
    inputs = [graph.read(operator.inputs[0]), graph.numbers(*shape)]
    graph.add("Reshape", inputs, [graph.write(operator.outputs[0], len(shape))])


def _flattened(graph: Graph, operator: Operator) -> None:
    if operator.kind == "FlattenToVec":
        inputs = [graph.read(operator.inputs[0]), graph.numbers(-1)]
        graph.add("Reshape", inputs, [graph.write(operator.outputs[0], 1)])
    else:
        graph.alike(operator, "Flatten", {"axis": operator.integer("axis", 1)}, 2)


def _squeezed(graph: Graph, operator: Operator) -> None:
    axes = operator.integers("dims")
    rank = graph.rank(operator.inputs[0])
    if operator.kind == "Squeeze":
        graph.alike(operator, "Squeeze", {"axes": axes}, rank - len(axes))
    else:
        graph.alike(operator, "Unsqueeze", {"axes": axes}, rank + len(axes))


def _transposed(graph: Graph, operator: Operator) -> None:
    orders = {"NCHW2NHWC": [0, 2, 3, 1], "NHWC2NCHW": [0, 3, 1, 2]}
    rank = graph.rank(operator.inputs[0])
    axes = orders.get(operator.kind) or operator.integers("axes") or list(range(rank))[::-1]
    graph.alike(operator, "Transpose", {"perm": axes})


def _cast(graph: Graph, operator: Operator) -> None:
    to = operator.integer("to") or _TYPE_NAMES.get(operator.text("to").upper(), 0)
    if to not in _ONNX_TYPES:
        raise Unsupported(f"Cast to the type {operator.text('to') or to}")
    graph.alike(operator, "Cast", {"to": _ONNX_TYPES[to]})


OPERATORS: Mapping[str, Callable[[Graph, Operator], None]] = {
    "Cast": _cast,
    "Concat": _concatenated,
    "DepthConcat": _concatenated,
    "ExpandDims": _squeezed,
    "Flatten": _flattened,
    "FlattenToVec": _flattened,
    "NCHW2NHWC": _transposed,
    "NHWC2NCHW": _transposed,
    "Reshape": _reshape,
    "Slice": _sliced,
    "Split": _split,
    "Squeeze": _squeezed,
    "Transpose": _transposed,
}
"""What adds each operator to a graph; it raises Unsupported."""
