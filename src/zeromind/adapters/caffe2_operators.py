"""What each operator of Caffe2 is in ONNX.

The meaning of the arguments is that of https://github.com/pytorch/pytorch/tree/v1.0.0/caffe2/operators, for the processor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from zeromind.adapters.caffe2_graph import Graph
from zeromind.adapters.caffe2_net import Operator, Unsupported

# LegacyPadding of caffe2_legacy.proto; TensorProto.DataType of caffe2.proto to that of ONNX
_VALID, _SAME, _CAFFE = 1, 2, 3
_ONNX_TYPES = {1: 1, 2: 6, 3: 2, 4: 8, 5: 9, 6: 2, 7: 3, 8: 4, 9: 5, 10: 7, 12: 10, 13: 11}
_TYPE_NAMES = {"FLOAT": 1, "INT32": 2, "BYTE": 3, "STRING": 4, "BOOL": 5, "UINT8": 6, "INT8": 7, "UINT16": 8, "INT16": 9, "INT64": 10}
_TYPE_NAMES |= {"FLOAT16": 12, "DOUBLE": 13}
_END = (1 << 63) - 1

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


_NONE: Mapping[str, Any] = {}


def translate(graph: Graph, operators: Sequence[Operator]) -> list[str]:
    """Add all operators to the graph. Gives what of them is unsupported, each in a few words; the graph is of no use then."""
    faults = []
    for operator in operators:
        try:
            if operator.fills:
                graph.fill(operator)
            else:
                _add(graph, operator)
        except Unsupported as fault:
            faults.append(str(fault))
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


def _simple(graph: Graph, operator: Operator, kind: str, attributes: Mapping[str, Any] = _NONE, rank: int | None = None) -> None:
    """The same in ONNX, all inputs and the first output, which has the first input's rank unless another is given."""
    inputs = [graph.read(blob) for blob in operator.inputs]
    rank = graph.rank(operator.inputs[0]) if rank is None else rank
    graph.add(kind, inputs, [graph.write(operator.outputs[0], rank)], **attributes)


def _window(operator: Operator) -> dict[str, Any]:
    """A window's attributes in ONNX's names, as far as they are given."""
    found: dict[str, Any] = {}
    for name, one, attribute in (
        ("kernel", "kernels", "kernel_shape"),
        ("stride", "strides", "strides"),
        ("dilation", "dilations", "dilations"),
    ):
        if operator.has(name):
            found[attribute] = [operator.integer(name)] * 2
        elif operator.has(f"{name}_h", f"{name}_w"):
            found[attribute] = [operator.integer(f"{name}_h"), operator.integer(f"{name}_w")]
        elif operator.integers(one):
            found[attribute] = operator.integers(one)
    sides = ("pad_t", "pad_l", "pad_b", "pad_r")
    if operator.has("pad"):
        found["pads"] = [operator.integer("pad")] * 4
    elif operator.has(*sides):
        found["pads"] = [operator.integer(side) for side in sides]
    elif operator.integers("pads"):
        found["pads"] = operator.integers("pads")
    if "kernel_shape" not in found:
        raise Unsupported(f"{operator.kind} without the size of its kernel")
    return found


def _padded(operator: Operator) -> dict[str, Any]:
    window = _window(operator)
    legacy = operator.integer("legacy_pad")
    if legacy in (_VALID, _SAME):
        window.pop("pads", None)
        window["auto_pad"] = "VALID" if legacy == _VALID else "SAME_UPPER"
    return window


def _convolution(graph: Graph, operator: Operator) -> None:
    if operator.integer("legacy_pad") == _CAFFE:
        raise Unsupported(f"{operator.kind} with legacy_pad {_CAFFE}")
    _simple(graph, operator, "Conv", {"group": operator.integer("group", 1), **_padded(operator)})


def _transposed_convolution(graph: Graph, operator: Operator) -> None:
    if operator.integer("legacy_pad"):
        raise Unsupported(f"{operator.kind} with legacy_pad")
    window = _window(operator)
    adjusted = operator.integers("adjs")
    if operator.has("adj"):
        adjusted = [operator.integer("adj")] * 2
    elif operator.has("adj_h", "adj_w"):
        adjusted = [operator.integer("adj_h"), operator.integer("adj_w")]
    if adjusted:
        window["output_padding"] = adjusted
    _simple(graph, operator, "ConvTranspose", {"group": operator.integer("group", 1), **window})


def _pool(graph: Graph, operator: Operator) -> None:
    if operator.integer("global_pooling"):
        _simple(graph, operator, f"Global{operator.kind}")
        return
    window = _padded(operator)
    if operator.integer("legacy_pad") == _CAFFE:
        # Caffe rounds sizes up, and knows no padding but the same on both sides.
        pads = window.get("pads", [0, 0, 0, 0])
        window["pads"] = [*pads[:2], *pads[:2]]
        window["ceil_mode"] = 1
    if operator.kind == "AveragePool":
        if set(window.pop("dilations", [])) - {1}:
            raise Unsupported("AveragePool with dilations")
        window["count_include_pad"] = operator.integer("count_include_pad")
    _simple(graph, operator, operator.kind, window)


def _lrn(graph: Graph, operator: Operator) -> None:
    numbers = {name: operator.number(name, default) for name, default in (("alpha", 0.0), ("beta", 0.0), ("bias", 1.0))}
    _simple(graph, operator, "LRN", {"size": operator.integer("size"), **numbers})


def _normalized(graph: Graph, operator: Operator) -> None:
    if not operator.integer("is_test"):
        raise Unsupported("SpatialBN in training (is_test is not 1: save the net for testing)")
    inputs = [graph.read(blob) for blob in operator.inputs[:5]]
    outputs = [graph.write(operator.outputs[0], graph.rank(operator.inputs[0]))]
    graph.add("BatchNormalization", inputs, outputs, epsilon=operator.number("epsilon", 1e-5))


def _instance_normalized(graph: Graph, operator: Operator) -> None:
    _simple(graph, operator, "InstanceNormalization", {"epsilon": operator.number("epsilon", 1e-5)})


def _dropout(graph: Graph, operator: Operator) -> None:
    if not operator.integer("is_test"):
        raise Unsupported("Dropout in training (is_test is not 1: save the net for testing)")
    _simple(graph, operator, "Identity")


def _fully_connected(graph: Graph, operator: Operator) -> None:
    axis, axis_w = operator.integer("axis", 1), operator.integer("axis_w", 1)
    data, weights, bias = operator.inputs
    if axis < 1 or axis_w < 1:
        raise Unsupported(f"{operator.kind} with a negative axis")
    transposed = operator.kind == "FCTransposed"
    if not graph.is_constant(weights):
        matrix, width = graph.read(weights), 0
    else:
        array = graph.value(weights)
        array = array.reshape(math.prod(array.shape[:axis_w]), -1)
        width = len(array) if transposed else array.shape[1]
        matrix = graph.read(weights) if array.ndim == graph.value(weights).ndim else graph.constant(array)
    if axis == 1:
        flat = graph.between(2)
        graph.add("Flatten", [graph.read(data)], [flat], axis=1)
        inputs = [flat, matrix, graph.read(bias)]
        graph.add("Gemm", inputs, [graph.write(operator.outputs[0], 2)], transB=int(not transposed))
        return
    if not width:
        raise Unsupported(f"{operator.kind} over several dimensions with weights that are computed")
    flat = _reshaped(graph, graph.read(data), [0] * axis + [width])
    if not transposed:
        straight = graph.between(2)
        graph.add("Transpose", [matrix], [straight], perm=[1, 0])
        matrix = straight
    product = graph.between(axis + 1)
    graph.add("MatMul", [flat, matrix], [product])
    inputs = [product, graph.read(bias)]
    graph.add("Add", inputs, [graph.write(operator.outputs[0], axis + 1)])


def _reshaped(graph: Graph, name: str, shape: Sequence[int]) -> str:
    reshaped = graph.between(len(shape))
    graph.add("Reshape", [name, graph.numbers(*shape)], [reshaped])
    return reshaped


def _multiplied(graph: Graph, operator: Operator) -> None:
    _simple(graph, operator, "Gemm", {"transA": operator.integer("trans_a"), "transB": operator.integer("trans_b")}, 2)


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
        _simple(graph, operator, "Flatten", {"axis": operator.integer("axis", 1)}, 2)


def _squeezed(graph: Graph, operator: Operator) -> None:
    axes = operator.integers("dims")
    rank = graph.rank(operator.inputs[0])
    if operator.kind == "Squeeze":
        _simple(graph, operator, "Squeeze", {"axes": axes}, rank - len(axes))
    else:
        _simple(graph, operator, "Unsqueeze", {"axes": axes}, rank + len(axes))


def _transposed(graph: Graph, operator: Operator) -> None:
    orders = {"NCHW2NHWC": [0, 2, 3, 1], "NHWC2NCHW": [0, 3, 1, 2]}
    rank = graph.rank(operator.inputs[0])
    axes = orders.get(operator.kind) or operator.integers("axes") or list(range(rank))[::-1]
    _simple(graph, operator, "Transpose", {"perm": axes})


def _softmax(graph: Graph, operator: Operator) -> None:
    _simple(graph, operator, operator.kind, {"axis": operator.integer("axis", 1)})


def _leaky(graph: Graph, operator: Operator) -> None:
    kinds = {"LeakyRelu": 0.01, "Elu": 1.0}
    _simple(graph, operator, operator.kind, {"alpha": operator.number("alpha", kinds[operator.kind])})


def _clipped(graph: Graph, operator: Operator) -> None:
    bounds = [graph.constant(np.array(operator.number(name, end), np.float32)) for name, end in (("min", -math.inf), ("max", math.inf))]
    inputs = [graph.read(operator.inputs[0]), *bounds]
    graph.add("Clip", inputs, [graph.write(operator.outputs[0], graph.rank(operator.inputs[0]))])


def _scaled(graph: Graph, operator: Operator) -> None:
    inputs = [graph.read(operator.inputs[0]), graph.constant(np.array(operator.number("scale", 1.0), np.float32))]
    graph.add("Mul", inputs, [graph.write(operator.outputs[0], graph.rank(operator.inputs[0]))])


def _cast(graph: Graph, operator: Operator) -> None:
    to = operator.integer("to") or _TYPE_NAMES.get(operator.text("to").upper(), 0)
    if to not in _ONNX_TYPES:
        raise Unsupported(f"Cast to the type {operator.text('to') or to}")
    _simple(graph, operator, "Cast", {"to": _ONNX_TYPES[to]})


_OPERATORS: Mapping[str, Callable[[Graph, Operator], None]] = {
    "Add": _elementwise,
    "AveragePool": _pool,
    "Cast": _cast,
    "Clip": _clipped,
    "Concat": _concatenated,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "DepthConcat": _concatenated,
    "Div": _elementwise,
    "Dropout": _dropout,
    "Elu": _leaky,
    "ExpandDims": _squeezed,
    "FC": _fully_connected,
    "FCTransposed": _fully_connected,
    "Flatten": _flattened,
    "FlattenToVec": _flattened,
    "InstanceNorm": _instance_normalized,
    "LRN": _lrn,
    "LeakyRelu": _leaky,
    "LogSoftmax": _softmax,
    "MatMul": _multiplied,
    "MaxPool": _pool,
    "Mul": _elementwise,
    "NCHW2NHWC": _transposed,
    "NHWC2NCHW": _transposed,
    "PRelu": _parametric,
    "Reshape": _reshape,
    "Scale": _scaled,
    "Slice": _sliced,
    "Softmax": _softmax,
    "SpatialBN": _normalized,
    "Split": _split,
    "Squeeze": _squeezed,
    "Sub": _elementwise,
    "Transpose": _transposed,
}
