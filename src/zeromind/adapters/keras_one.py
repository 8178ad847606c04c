"""Keras 1 in the words of Keras 2: layers' configurations, and weights in their order and layout.

The pairs of names and the layouts of weights are those that Keras 2.0.8 (MIT license) itself converts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from zeromind.adapters import keras_layers
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor

Settings: TypeAlias = dict[str, Any]
Named: TypeAlias = list[tuple[str, Tensor]]

_CLASSES = {
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "TimeDistributedDense": "Dense",
}
_MERGES = {"sum": "Add", "mul": "Multiply", "concat": "Concatenate", "ave": "Average", "max": "Maximum"}
_KEYS = {
    "atrous_rate": "dilation_rate",
    "bias": "use_bias",
    "border_mode": "padding",
    "inner_activation": "recurrent_activation",
    "dropout_U": "recurrent_dropout",
    "dropout_W": "dropout",
    "filter_length": "kernel_size",
    "length": "size",
    "nb_filter": "filters",
    "p": "rate",
    "pool_length": "pool_size",
    "sigma": "stddev",
    "stride": "strides",
    "subsample": "strides",
    "subsample_length": "strides",
}
# What concerned training only, or how Keras 1 computed.
_TRAINING = ("init", "inner_init", "forget_bias_init", "beta_init", "gamma_init", "output_shape", "input_length", "weights")
_DROPPED_PREFIXES = ("W_", "b_", "U_")
_KERNELS = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))
_ORDERINGS = {"th": "channels_first", "tf": "channels_last"}


def modern(entry: Any) -> Any:
    """The configuration ``{"class_name", "config"}`` of a Keras 1 model or layer as Keras 2 writes it. Raises LOAD_FAILED."""
    name, config = entry["class_name"], entry["config"]
    rest = {key: value for key, value in entry.items() if key not in ("class_name", "config")}
    if name == "Sequential":
        return {**rest, "class_name": name, "config": [modern(layer) for layer in config]}
    if name == "Model":
        return {**rest, "class_name": name, "config": {**config, "layers": [modern(layer) for layer in config["layers"]]}}
    if name == "Merge":
        return {**rest, **_merge(config)}
    renamed = _CLASSES.get(name, name)
    settings = _settings(name, config)
    adapt = _ADAPTED.get(renamed)
    return {**rest, "class_name": renamed, "config": adapt(settings) if adapt else settings}


def weights(entry: Any, layer: str, found: Named) -> Named:
    """The weights of one layer of the model whose Keras 1 configuration this is, in Keras 2's order and layout."""
    held = next((each for each in _entries(entry) if _called(each) == layer), None) or _nameless(entry, found)
    if held is None:
        return found
    if held["class_name"] not in ("Sequential", "Model"):
        return _renamed(layer, _weights(held, [value for _, value in found]))
    # The weights of a nested model's layers follow each other; their names begin with the layer's.
    inner = sorted(_entries(held), key=lambda each: -len(_called(each)))
    result: Named = []
    for name, run in itertools.groupby(
        found, lambda weight: next((_called(each) for each in inner if weight[0].startswith(_called(each))), "")
    ):
        result += weights(held, name, list(run))
    return result


def _renamed(layer: str, values: list[Tensor]) -> Named:
    # Keras 1 calls its weights dense_1_W; numbered ones pair nothing off with today's names, so that the order rules.
    return [(f"{layer}_{index}", value) for index, value in enumerate(values)]


def _nameless(entry: Any, found: Named) -> Any:
    """The nested Sequential that these weights are of: Keras 1 wrote its name beside them, but not into the configuration."""
    for each in _entries(entry):
        if not _called(each) and any(found[0][0].startswith(_called(inner)) for inner in _entries(each)):
            return each
    return None


def _entries(entry: Any) -> list[Any]:
    config = entry["config"]
    entries: list[Any] = config if isinstance(config, list) else config["layers"]
    return entries


def _called(entry: Any) -> str:
    return str(entry.get("name") or (entry["config"].get("name") if isinstance(entry["config"], dict) else ""))


def _settings(name: str, config: Settings) -> Settings:
    kept = {key: value for key, value in config.items() if key not in _TRAINING and not key.startswith(_DROPPED_PREFIXES)}
    settings = {_KEYS.get(key, key): value for key, value in kept.items() if key != "dim_ordering"}
    if kept.get("dim_ordering") in _ORDERINGS:
        settings["data_format"] = _ORDERINGS[kept["dim_ordering"]]
    if "layer" in settings:
        settings["layer"] = modern(settings["layer"])
    for keys in _KERNELS:
        if all(key in settings for key in keys):
            settings["kernel_size"] = [settings.pop(key) for key in keys]
    if settings.get("padding") == "full":
        raise keras_layers.refused(name, config.get("name", "?"), "border_mode 'full' of Keras 1 has no successor")
    return settings


def _units(settings: Settings) -> Settings:
    rest = {key: value for key, value in settings.items() if key not in ("output_dim", "input_dim")}
    return {**rest, "units": settings["output_dim"]}


def _gru(settings: Settings) -> Settings:
    return {**_units(settings), "reset_after": False}


def _line_shape(settings: Settings) -> Settings:
    return {key: value for key, value in settings.items() if key != "input_dim"}


def _normalization(settings: Settings) -> Settings:
    mode = settings.pop("mode", 0)
    if mode != 0:
        raise keras_layers.refused("BatchNormalization", settings.get("name", "?"), f"mode {mode} of Keras 1 has no successor")
    return settings


def _embedding(settings: Settings) -> Settings:
    # It dropped words in training only.
    return {key: value for key, value in settings.items() if key != "dropout"}


def _frame(settings: Settings) -> Settings:
    padding = settings.get("padding")
    if isinstance(padding, dict):
        padding = [padding.get(side, 0) for side in ("top_pad", "bottom_pad", "left_pad", "right_pad")]
    if isinstance(padding, list) and len(padding) == 4:
        return {**settings, "padding": [padding[:2], padding[2:]]}
    return settings


_ADAPTED: dict[str, Callable[[Settings], Settings]] = {
    "BatchNormalization": _normalization,
    "Conv1D": _line_shape,
    "Dense": _units,
    "Embedding": _embedding,
    "GRU": _gru,
    "LSTM": _units,
    "SimpleRNN": _units,
    "ZeroPadding2D": _frame,
}


def _merge(config: Settings) -> Settings:
    mode, called = config.get("mode"), config.get("name", "?")
    if config.get("mode_type", "raw") != "raw" or mode not in _MERGES or config.get("layers"):
        raise ZeroMindError(
            ErrorKind.LOAD_FAILED, f"layer {called!r} (Merge) merges by {mode!r} in a way that this Keras does not have", called
        )
    settings: Settings = {"name": called}
    if mode == "concat":
        settings["axis"] = config.get("concat_axis", -1)
    return {"class_name": _MERGES[mode], "config": settings}


def _weights(entry: Any, values: list[Tensor]) -> list[Tensor]:
    name, config = entry["class_name"], entry["config"]
    if name == "TimeDistributed":
        return _weights(config["layer"], values)
    if name == "Bidirectional":
        half = len(values) // 2
        return _weights(config["layer"], values[:half]) + _weights(config["layer"], values[half:])
    # Of each gate Keras 1 has kernel, recurrent kernel and bias; an LSTM's gates are input, candidate, forget, output, and in Keras 2
    # the candidate is the third.
    gates = {("LSTM", 12): (0, 2, 1, 3), ("GRU", 9): (0, 1, 2)}.get((name, len(values)))
    if gates is not None:
        return [np.concatenate([values[part + 3 * gate] for gate in gates], axis=-1) for part in range(3)]
    if name in ("Convolution1D", "AtrousConvolution1D"):
        return [_line(values[0], config), *values[1:]]
    axes = _AXES.get((name, config.get("dim_ordering", "")))
    return [value.transpose(axes) if axes and value.ndim == len(axes) else value for value in values]


def _line(kernel: Tensor, config: Settings) -> Tensor:
    # Keras 1.2 stored (length, 1, inputs, filters), Keras 1.1 (filters, inputs, length, 1).
    length, filters = config["filter_length"], config["nb_filter"]
    if kernel.shape[:2] != (length, 1) or kernel.shape[3] != filters:
        kernel = kernel.transpose(2, 3, 1, 0)
    return kernel[:, 0]


# Where kernels have other axes than in Keras 2.
_AXES = {
    ("AtrousConvolution2D", "th"): (2, 3, 1, 0),
    ("Convolution2D", "th"): (2, 3, 1, 0),
    ("Convolution3D", "th"): (2, 3, 4, 1, 0),
    ("Deconvolution2D", "tf"): (0, 1, 3, 2),
    ("Deconvolution2D", "th"): (2, 3, 0, 1),
    ("SeparableConvolution2D", "th"): (2, 3, 1, 0),
}
