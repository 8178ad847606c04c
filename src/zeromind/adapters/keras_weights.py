"""The weights of a Keras 1 or 2 file into a model of today's Keras, each compared in shape before it is set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from zeromind.adapters import keras_graph, keras_hdf5
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor

Named: TypeAlias = list[tuple[str, Tensor]]
Convert: TypeAlias = Callable[[str, Named], Named]

_MODELS = ("Sequential", "Model", "Functional")


def fill(model: Any, saved: keras_hdf5.Hdf5Model, convert: Convert) -> None:
    """Set every weight of the model from the file; ``convert`` brings one layer's weights from the file's form to Keras 2's.

    Raises LOAD_FAILED, naming the layer, where a layer lacks its weights or a shape differs.
    """
    wanting = {layer.name: layer for layer in model.layers if layer.weights}
    nameless = [name for name in wanting if name.startswith(keras_graph.NAMELESS)]
    for name, found in keras_hdf5.weights(saved.path):
        layer = wanting.pop(name if name in wanting or not nameless else nameless.pop(0), None)
        if layer is None:
            raise _failed(name, "is not in the model, yet the file holds weights for it")
        _assign(layer, convert(name, found))
    if wanting:
        raise _failed(next(iter(wanting)), "has no weights in the file")


def _assign(layer: Any, found: Named) -> None:
    # Keras 2 wrote what was trainable first. Among nested and frozen layers that order depends on its version: there names decide.
    variables = [*layer.trainable_weights, *layer.non_trainable_weights]
    values = _by_name(variables, found) or [value for _, value in found]
    if len(values) != len(variables):
        raise _failed(layer.name, f"takes {len(variables)} weights, the file holds {len(values)}")
    for variable, value in zip(variables, values, strict=True):
        if tuple(variable.shape) != value.shape:
            raise _failed(layer.name, f"takes a weight {variable.path} of shape {list(variable.shape)}, the file holds {list(value.shape)}")
        variable.assign(value)


def _by_name(variables: Sequence[Any], found: Named) -> list[Tensor]:
    """The values in the order of the variables where layer and weight name pair every one of them off; else nothing."""
    named = {_tail(name.partition(":")[0]): value for name, value in found}
    tails = [_tail(variable.path) for variable in variables]
    if len(named) != len(found) or len(set(tails)) != len(tails) or not all(tail in named for tail in tails):
        return []
    return [named[tail] for tail in tails]


def _tail(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")[-2:])


def todays(saved: keras_hdf5.Hdf5Model, entry: Any, convert: Convert, layer: str, found: Named) -> Named:
    """One layer's weights as today's Keras takes them; ``entry`` is the model's configuration, ``convert`` comes from Keras 1."""
    found = convert(layer, found)
    if saved.backend == "theano":
        found = [(name, _correlated(value) if "kernel" in _tail(name)[-1] and value.ndim > 2 else value) for name, value in found]
    config = entry["config"]
    for each in config if isinstance(config, list) else config["layers"]:
        if each["class_name"] in _MODELS or each["config"]["name"] != layer:
            continue
        if each["class_name"] == "Bidirectional":
            half, kind = len(found) // 2, each["config"]["layer"]["class_name"]
            return _plain_gates(kind, found[:half]) + _plain_gates(kind, found[half:])
        return _plain_gates(each["class_name"], found)
    return found


def unchanged(layer: str, found: Named) -> Named:
    """The weights as they are."""
    del layer
    return found


def _correlated(kernel: Tensor) -> Tensor:
    # Theano convolves where the others correlate; spatial dimensions come first.
    return np.ascontiguousarray(np.flip(kernel, axis=tuple(range(kernel.ndim - 2))))


def _plain_gates(kind: str, found: Named) -> Named:
    """The weights of an LSTM or GRU for those of its CuDNN twin, whose kernels lie transposed and whose biases are two."""
    gates = {"CuDNNLSTM": 4, "CuDNNGRU": 3}.get(kind)
    if gates is None:
        return found
    (kernel_name, kernel), (recurrent_name, recurrent), (bias_name, bias) = found
    kernel = np.hstack([part.T.reshape(part.shape, order="F") for part in np.hsplit(kernel, gates)])
    recurrent = np.hstack([part.T for part in np.hsplit(recurrent, gates)])
    bias = bias.reshape(2, -1)
    return [(kernel_name, kernel), (recurrent_name, recurrent), (bias_name, bias.sum(0) if gates == 4 else bias)]


def _failed(layer: str, what: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.LOAD_FAILED, f"layer {layer!r} {what}", layer)
