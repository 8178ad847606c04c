"""The names of a model's tensors: those of TensorFlow 1 for HDF5 files, as Keras 2 gave them, and Keras 3's own for its zip files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from zeromind.adapters import keras_graph

# The last operation of a layer in the graph that Keras 2.0 built with TensorFlow 1.
_ACTIVATIONS = {
    "softmax": "Softmax",
    "relu": "Relu",
    "relu6": "Relu6",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "elu": "Elu",
    "selu": "mul_1",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "exponential": "Exp",
    "hard_sigmoid": "clip_by_value",
}
_LAYERS = {
    "Activation": "Identity",
    "ActivityRegularization": "Identity",
    "AlphaDropout": "cond/Merge",
    "Average": "truediv",
    "AveragePooling1D": "Squeeze",
    "AveragePooling2D": "AvgPool",
    "AveragePooling3D": "AvgPool3D",
    "BatchNormalization": "cond/Merge",
    "Bidirectional": "concat_2",
    "Concatenate": "concat",
    "Cropping1D": "strided_slice",
    "Cropping2D": "strided_slice",
    "Dropout": "cond/Merge",
    "ELU": "Elu",
    "Dot": "ExpandDims",
    "Embedding": "Gather",
    "Flatten": "Reshape",
    "GaussianDropout": "cond/Merge",
    "GaussianNoise": "cond/Merge",
    "GlobalAveragePooling1D": "Mean",
    "GlobalAveragePooling2D": "Mean",
    "GlobalMaxPooling1D": "Max",
    "GlobalMaxPooling2D": "Max",
    "LeakyReLU": "sub",
    "Masking": "mul",
    "MaxPooling1D": "Squeeze",
    "MaxPooling2D": "MaxPool",
    "MaxPooling3D": "MaxPool3D",
    "PReLU": "add",
    "Permute": "transpose",
    "ReLU": "Relu",
    "RepeatVector": "Tile",
    "Reshape": "Reshape",
    "Softmax": "Softmax",
    "SpatialDropout1D": "cond/Merge",
    "SpatialDropout2D": "cond/Merge",
    "Subtract": "sub",
    "ThresholdedReLU": "mul",
    "TimeDistributed": "Reshape_1",
    "UpSampling1D": "concat",
    "UpSampling2D": "ResizeNearestNeighbor",
    "ZeroPadding1D": "Pad",
    "ZeroPadding2D": "Pad",
}
_SUMS = {"Add": "add", "Multiply": "mul", "Maximum": "Maximum", "Minimum": "Minimum"}
_KERNELS = {
    "Conv1D": "convolution/Squeeze",
    "Conv2D": "convolution",
    "Conv3D": "convolution",
    "Conv2DTranspose": "conv2d_transpose",
    "DepthwiseConv2D": "depthwise",
    "SeparableConv2D": "separable_conv2d",
}
_MODELS = ("Sequential", "Model", "Functional")

Named: TypeAlias = tuple[str, tuple[str, ...]]
"""A tensor's name and its aliases."""
End: TypeAlias = tuple[str, str]
"""A tensor's layer, as the graph calls it, and its operation there (empty for an input)."""


def inputs(entry: Any) -> list[End]:
    """The inputs of a Keras 2 configuration, in order."""
    config = entry["config"]
    if entry["class_name"] != "Sequential":
        return [(name, "") for name, _, _ in _leaves(config["input_layers"])]
    first = keras_graph.layers(config)[0]
    if first["class_name"] in _MODELS:
        return inputs(first)
    return [(first["config"]["name"] if first["class_name"] == "InputLayer" else f"{first['config']['name']}_input", "")]


def outputs(entry: Any, ranks: Sequence[int]) -> list[End]:
    """The outputs of a Keras 2 configuration, in order; ``ranks`` counts each one's dimensions."""
    config = entry["config"]
    if entry["class_name"] == "Sequential":
        return _ends(keras_graph.layers(config)[-1], 0, 0, ranks[0])
    entries = {layer["name"]: layer for layer in config["layers"]}
    ends = zip(_leaves(config["output_layers"]), ranks, strict=True)
    return [end for (name, node, index), rank in ends for end in _ends(entries[name], node, index, rank)]


def legacy(ends: Sequence[End]) -> list[Named]:
    """Names like ``dense_2/Softmax:0``; aliases as a second load of the file called it in the original, and with parts left out."""
    spelled = unique([f"{layer}/{operation}" if operation else layer for layer, operation in ends])
    return [(f"{name}:0", (_legacy_alias(*end),)) for name, end in zip(spelled, ends, strict=True)]


def modern_inputs(model: Any) -> list[Named]:
    """The inputs of a Keras 3 model by their tensors' names; also understood as TensorFlow writes them."""
    names = unique([tensor.name for tensor in model.inputs])
    return [(name, _modern_aliases(name)) for name in names]


def modern_outputs(model: Any) -> list[Named]:
    """The outputs of a Keras 3 model by their layers' names, as Keras itself calls them."""
    # A Sequential has one output, that of its last layer, and does not name it.
    names = unique(list(getattr(model, "output_names", ()) or [model.layers[-1].name]))
    return [(name, _modern_aliases(name)) for name in names]


def _legacy_alias(layer: str, operation: str) -> str:
    end = f"(/{re.escape(operation)})?" if operation else ""
    return rf"{re.escape(layer)}(_\d+)?{end}(:0)?"


def _modern_aliases(name: str) -> tuple[str, ...]:
    return (rf"{re.escape(name)}:0",)


def unique(names: Sequence[str]) -> list[str]:
    """The names with ``_1``, ``_2``, … behind those that came before."""
    seen: dict[str, int] = {}
    taken = set(names)
    result = []
    for name in names:
        count = seen.get(name, 0)
        fresh = name
        while count and (fresh := f"{name}_{count}") in taken:
            count += 1
        seen[name] = count + 1
        taken.add(fresh)
        result.append(fresh)
    return result


def _ends(entry: Mapping[str, Any], node: int, index: int, rank: int) -> list[End]:
    name = entry["config"]["name"] if isinstance(entry["config"], dict) and "name" in entry["config"] else entry.get("name", "sequential_2")
    if entry["class_name"] == "InputLayer":
        return [(name, "")]
    called = f"{name}_{node}" if node else name
    if entry["class_name"] in _MODELS:
        # The graph counts a nested model's own making as its first call.
        scope = f"{name}_{node - 1}" if node > 1 else name
        inner = outputs(entry, [rank] * _width(entry))[index]
        return [(scope, "/".join(part for part in inner if part))]
    operation = _operation(entry, rank)
    return [(called, f"{operation}_{index}" if index else operation)]


def _width(entry: Mapping[str, Any]) -> int:
    return 1 if entry["class_name"] == "Sequential" else len(_leaves(entry["config"]["output_layers"]))


def _operation(entry: Mapping[str, Any], rank: int) -> str:
    name, config = entry["class_name"], entry["config"]
    if name in ("LSTM", "GRU", "SimpleRNN", "ConvLSTM2D"):
        return "transpose_1" if config.get("return_sequences") else "TensorArrayReadV3"
    if name in _SUMS:
        # An operation for each input after the first, numbered from the second on.
        nodes = entry.get("inbound_nodes") or [[]]
        return _SUMS[name] + (f"_{len(nodes[0]) - 2}" if len(nodes[0]) > 2 else "")
    activation = config.get("activation", "linear")
    if activation == "softmax" and rank > 2:
        return "truediv"
    if activation != "linear":
        return _ACTIVATIONS.get(activation, activation) if isinstance(activation, str) else str(name)
    if name == "Dense" or name in _KERNELS:
        return _linear(name, config, rank)
    return _LAYERS.get(name, str(name))


def _linear(name: str, config: Mapping[str, Any], rank: int) -> str:
    # TensorFlow adds the bias to matrices and to pictures with their channels last, Keras to all others.
    native = rank == (2 if name == "Dense" else 4) and config.get("data_format") != "channels_first"
    if config.get("use_bias", True):
        return "BiasAdd" if native else "add"
    if name == "Dense":
        return "MatMul" if native else "Reshape_2"
    return _KERNELS[name]


def _leaves(ends: Any) -> list[Any]:
    if isinstance(ends, dict):
        return list(ends.values())
    return [ends] if ends and isinstance(ends[0], str) else list(ends)
