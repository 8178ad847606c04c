"""Writes a trained network as Keras 2.0.8 did: an HDF5 file whose Sequential configuration is a bare list of layers.

Everything that opens with this file can be trusted to open the files of that time: today's Keras writes neither the
list, nor `batch_input_shape` on the first layer, nor HDF5 under the name `.keras`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

KERAS_VERSION = b"2.0.8"
BACKEND = b"tensorflow"
GLOROT = {"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}}


def write(model: keras.Sequential, path: Path) -> None:
    """Write the model (Conv2D, MaxPooling2D, Dropout, Flatten and Dense layers) to the path, replacing what is there."""
    layers = [describe(layer) for layer in model.layers]
    layers[0]["config"] |= {"batch_input_shape": [None, *model.input_shape[1:]], "dtype": "float32"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = KERAS_VERSION
        file.attrs["backend"] = BACKEND
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": layers}).encode()
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        weights.attrs["backend"] = BACKEND
        weights.attrs["keras_version"] = KERAS_VERSION
        for layer in model.layers:
            group = weights.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(name, data=np.asarray(weight, np.float32))


def describe(layer: keras.Layer) -> dict[str, Any]:
    """Return the class and the configuration of a layer in the words of Keras 2.0.8."""
    config: dict[str, Any] = {"name": layer.name, "trainable": True}
    match layer:
        case keras.layers.Conv2D():
            config |= {
                "filters": layer.filters,
                "kernel_size": list(layer.kernel_size),
                "strides": list(layer.strides),
                "padding": layer.padding,
                "data_format": "channels_last",
                "dilation_rate": list(layer.dilation_rate),
            }
            config |= _neurons(layer.activation)
        case keras.layers.Dense():
            config |= {"units": layer.units} | _neurons(layer.activation)
        case keras.layers.MaxPooling2D():
            config |= {
                "pool_size": list(layer.pool_size),
                "padding": layer.padding,
                "strides": list(layer.strides),
                "data_format": "channels_last",
            }
        case keras.layers.Dropout():
            config |= {"rate": layer.rate}
        case keras.layers.Flatten():
            pass
        case _:
            raise TypeError(f"{layer.name} is a {type(layer).__name__}, which this writer does not know: add its configuration here")
    return {"class_name": type(layer).__name__, "config": config}


def _neurons(activation: Any) -> dict[str, Any]:
    """Return the part of the configuration that Conv2D and Dense share."""
    return {
        "activation": activation.__name__,
        "use_bias": True,
        "kernel_initializer": GLOROT,
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": None,
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
    }
