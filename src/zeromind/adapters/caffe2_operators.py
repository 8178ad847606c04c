"""What each operator of Caffe2 is in ONNX.

The meaning of the arguments is that of https://github.com/pytorch/pytorch/tree/v1.0.0/caffe2/operators, for the processor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from zeromind.adapters import caffe2_layers, caffe2_shapes
from zeromind.adapters.caffe2_graph import Graph
from zeromind.adapters.caffe2_net import Operator, Unsupported

_ALIKE = {
    "Abs": "Abs",
    "Ceil": "Ceil",
    "Copy": "Identity",
    "CopyCPUToGPU": "Identity",
    "CopyGPUToCPU": "Identity",
    "Alias": "Identity",
    "EnsureCPUOutput": "Identity",
    "EnsureDense": "Identity",
    "Exp": "Exp",
    "Floor": "Floor",
    "Log": "Log",
    "Max": "Max",
    "Mean": "Mean",
    "Min": "Min",
    "Negative": "Neg",
    "Relu": "Relu",
    "Sigmoid": "Sigmoid",
    "Softplus": "Softplus",
    "Softsign": "Softsign",
    "Sqrt": "Sqrt",
    "StopGradient": "Identity",
    "Sum": "Sum",
    "Tanh": "Tanh",
}
"""Operators without arguments, and their names in ONNX."""
_ORDERED = (
    "Conv",
    "ConvTranspose",
    "MaxPool",
    "AveragePool",
    "LRN",
    "SpatialBN",
    "InstanceNorm",
    "Concat",
    "DepthConcat",
    "Split",
    "PRelu",
)
"""Operators that say where the channels are."""


def translate(graph: Graph, operators: Sequence[Operator]) -> list[str]:
    """Add all operators to the graph. Gives what of them is unsupported, each in a few words; the graph is of no use then."""
    faults = []
    for operator in operators:
        try:
            if operator.fills:
                graph.fill(operator)
            else:
                _add(graph, operator)
        except (Unsupported, ValueError, IndexError, TypeError) as fault:
            shown = f"{operator.kind} with {len(operator.inputs)} inputs and such arguments ({fault})"
            faults.append(str(fault) if isinstance(fault, Unsupported) else shown)
            for blob in operator.outputs:
                graph.write(blob, 4)
    return list(dict.fromkeys(faults))


def _add(graph: Graph, operator: Operator) -> None:
    if operator.kind in _ORDERED and operator.text("order", "NCHW") != "NCHW":
        raise Unsupported(f"{operator.kind} in the order {operator.text('order')} (channels have to come before height and width: NCHW)")
    if operator.kind in _ALIKE:
        ranks = [graph.rank(blob) for blob in operator.inputs]
        inputs = [graph.read(blob) for blob in operator.inputs]
        graph.add(_ALIKE[operator.kind], inputs, [graph.write(operator.outputs[0], max(ranks))])
    elif operator.kind in _OPERATORS:
        _OPERATORS[operator.kind](graph, operator)
    else:
        raise Unsupported(operator.kind)


def _multiplied(graph: Graph, operator: Operator) -> None:
    graph.alike(operator, "Gemm", {"transA": operator.integer("trans_a"), "transB": operator.integer("trans_b")}, 2)


def _elementwise(graph: Graph, operator: Operator) -> None:
    """Two operands; the second one's first dimension may belong to any of the first one's."""
    first, second = operator.inputs
    own, its = graph.rank(first), graph.rank(second)
    axis = operator.integer("axis", -1)
    if operator.text("axis_str"):
        axis = operator.text("order", "NCHW").find(operator.text("axis_str"))
    name = graph.read(second)
    if operator.integer("broadcast") and 0 <= axis < own - its:
        name = graph.between(own - axis)
        graph.add("Unsqueeze", [graph.read(second)], [name], axes=list(range(its, own - axis)))
    inputs = [graph.read(first), name]
    graph.add(operator.kind, inputs, [graph.write(operator.outputs[0], max(own, its))])


def _parametric(graph: Graph, operator: Operator) -> None:
    """A slope for each channel, the second dimension."""
    data, slope = operator.inputs
    array = graph.value(slope)
    array = array.reshape(-1) if array.size == 1 else array.reshape(-1, *[1] * (graph.rank(data) - 2))
    inputs = [graph.read(data), graph.constant(array)]
    graph.add("PRelu", inputs, [graph.write(operator.outputs[0], graph.rank(data))])


def _softmax(graph: Graph, operator: Operator) -> None:
    graph.alike(operator, operator.kind, {"axis": operator.integer("axis", 1)})


def _leaky(graph: Graph, operator: Operator) -> None:
    kinds = {"LeakyRelu": 0.01, "Elu": 1.0}
    graph.alike(operator, operator.kind, {"alpha": operator.number("alpha", kinds[operator.kind])})


def _clipped(graph: Graph, operator: Operator) -> None:
    bounds = [graph.constant(np.array(operator.number(name, end), np.float32)) for name, end in (("min", -math.inf), ("max", math.inf))]
    inputs = [graph.read(operator.inputs[0]), *bounds]
    graph.add("Clip", inputs, [graph.write(operator.outputs[0], graph.rank(operator.inputs[0]))])


def _scaled(graph: Graph, operator: Operator) -> None:
    inputs = [graph.read(operator.inputs[0]), graph.constant(np.array(operator.number("scale", 1.0), np.float32))]
    graph.add("Mul", inputs, [graph.write(operator.outputs[0], graph.rank(operator.inputs[0]))])


_OPERATORS: Mapping[str, Callable[[Graph, Operator], None]] = {
    **caffe2_layers.OPERATORS,
    **caffe2_shapes.OPERATORS,
    "Add": _elementwise,
    "Clip": _clipped,
    "Div": _elementwise,
    "Elu": _leaky,
    "LeakyRelu": _leaky,
    "LogSoftmax": _softmax,
    "MatMul": _multiplied,
    "Mul": _elementwise,
    "PRelu": _parametric,
    "Scale": _scaled,
    "Softmax": _softmax,
    "Sub": _elementwise,
}
