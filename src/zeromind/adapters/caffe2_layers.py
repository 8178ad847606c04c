"""The layers of Caffe2 in ONNX: what has weights, a window or a mode for training.

The meaning of the arguments is that of https://github.com/pytorch/pytorch/tree/v1.0.0/caffe2/operators, for the processor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zeromind.adapters.caffe2_graph import Graph
from zeromind.adapters.caffe2_net import Operator, Unsupported

# LegacyPadding of caffe2_legacy.proto
_VALID, _SAME, _CAFFE = 1, 2, 3


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
    graph.alike(operator, "Conv", {"group": operator.integer("group", 1), **_padded(operator)})


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
    graph.alike(operator, "ConvTranspose", {"group": operator.integer("group", 1), **window})


def _pool(graph: Graph, operator: Operator) -> None:
    if operator.integer("global_pooling"):
        graph.alike(operator, f"Global{operator.kind}")
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
    graph.alike(operator, operator.kind, window)


def _lrn(graph: Graph, operator: Operator) -> None:
    numbers = {name: operator.number(name, default) for name, default in (("alpha", 0.0), ("beta", 0.0), ("bias", 1.0))}
    graph.alike(operator, "LRN", {"size": operator.integer("size"), **numbers})


def _normalized(graph: Graph, operator: Operator) -> None:
    if not operator.integer("is_test"):
        raise Unsupported("SpatialBN in training (is_test is not 1: save the net for testing)")
    inputs = [graph.read(blob) for blob in operator.inputs[:5]]
    outputs = [graph.write(operator.outputs[0], graph.rank(operator.inputs[0]))]
    graph.add("BatchNormalization", inputs, outputs, epsilon=operator.number("epsilon", 1e-5))


def _instance_normalized(graph: Graph, operator: Operator) -> None:
    graph.alike(operator, "InstanceNormalization", {"epsilon": operator.number("epsilon", 1e-5)})


def _dropout(graph: Graph, operator: Operator) -> None:
    if not operator.integer("is_test"):
        raise Unsupported("Dropout in training (is_test is not 1: save the net for testing)")
    graph.alike(operator, "Identity")


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


OPERATORS: Mapping[str, Callable[[Graph, Operator], None]] = {
    "AveragePool": _pool,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Dropout": _dropout,
    "FC": _fully_connected,
    "FCTransposed": _fully_connected,
    "InstanceNorm": _instance_normalized,
    "LRN": _lrn,
    "MaxPool": _pool,
    "SpatialBN": _normalized,
}
"""What adds each layer to a graph; it raises Unsupported."""
