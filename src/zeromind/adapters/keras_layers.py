"""A layer of today's Keras from the configuration that Keras 2 (or TF-Keras 2) wrote, through public constructors alone.

What concerns training (initializers, regularizers, constraints) is left out. Where today's Keras computes something else under the
same name, the old arithmetic is restored.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from zeromind.adapters.keras_hdf5 import first_line
from zeromind.errors import ErrorKind, ZeroMindError

Settings = dict[str, Any]

# Settings that today's constructors no longer take, and the values with which leaving them out changes nothing.
_GONE: dict[str, tuple[Any, ...]] = {
    "_attention_axes": (None,),
    "adjustment": (None,),
    "autocast": (),
    "batch_input_shape": (),
    "batch_shape": (),
    "build_config": (),
    "consume_less": (),
    "data_format": (None, "channels_last"),
    "dtype": (),
    "fused": (),
    "groups": (1,),
    "implementation": (),
    "input_dim": (),
    "input_dtype": (),
    "input_length": (),
    "input_shape": (),
    "noise_shape": (None,),
    "num_constants": (0, None),
    "ragged": (False,),
    "renorm": (False,),
    "renorm_clipping": (None, {}),
    "renorm_momentum": (),
    "seed": (),
    "sparse": (False,),
    "time_major": (False,),
    "trainable": (),
    "unroll": (),
    "virtual_batch_size": (None,),
    "zero_output_for_mask": (False,),
}
_TRAINING = ("_initializer", "_regularizer", "_constraint")
_RENAMED = {"ThresholdedReLU": {"theta": "threshold"}, "LeakyReLU": {"alpha": "negative_slope"}}
_CLASSES = {"ThresholdedReLU": "ReLU", "CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}
_CLASSES |= {"BatchNormalizationV1": "BatchNormalization", "BatchNormalizationV2": "BatchNormalization", "LSTMV2": "LSTM", "GRUV2": "GRU"}


def build(keras: Any, entry: Any, model: Callable[[Any], Any], allow_code: bool) -> Any:
    """The layer that ``{"class_name", "config"}`` describes; ``model`` builds a nested model from the same form.

    Raises LOAD_FAILED, naming the layer.
    """
    name, settings = entry["class_name"], entry["config"]
    if name in ("Sequential", "Model", "Functional"):
        return model(entry)
    called = settings.get("name", "?")
    cls = getattr(keras.layers, _CLASSES.get(name, name), None)
    if not inspect.isclass(cls):
        raise unknown(name, called)
    if name == "Lambda":
        return _function_layer(cls, settings, allow_code)

    def inner(value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("class_name"), str) and isinstance(value.get("config"), dict | list):
            return build(keras, value, model, allow_code)
        return value

    try:
        given = {key: inner(value) for key, value in _settings(name, cls, settings, called).items()}
        if "cells" in given:
            given["cells"] = [inner(cell) for cell in given["cells"]]
        old = old_functions(keras)
        for key in ("activation", "recurrent_activation"):
            if isinstance(given.get(key), str) and given[key] in old:
                given[key] = old[given[key]]
        # Wrappers copy the layer in them by way of its configuration, where functions are names again.
        with keras.saving.custom_object_scope({each.__name__: each for each in old.values()}):
            return cls(**given)
    except ZeroMindError:
        raise
    except Exception as error:
        raise refused(name, called, first_line(error)) from error


def old_functions(keras: Any) -> dict[str, Callable[[Any], Any]]:
    """The functions that Keras 3 computes differently from Keras 1 and 2, by their old names.

    hard_sigmoid was clip(0.2 x + 0.5, 0, 1); under that name Keras 3 computes relu6(x + 3) / 6.
    """

    def keras_2_hard_sigmoid(x: Any) -> Any:
        return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    return {"hard_sigmoid": keras_2_hard_sigmoid}


def dtype(value: Any) -> Any:
    """The name of a dtype or of a dtype policy, which TF-Keras writes as an object."""
    while isinstance(value, dict):
        inner = value.get("config", {})
        value = inner.get("name") or inner.get("dtype")
    return value


def unknown(name: str, called: str) -> ZeroMindError:
    """LOAD_FAILED for a class that today's Keras does not have."""
    return ZeroMindError(
        ErrorKind.LOAD_FAILED, f"layer {called!r} is a {name!r}, which this Keras does not have: save the model without it", called, name
    )


def refused(name: str, called: str, why: str) -> ZeroMindError:
    """LOAD_FAILED for a layer whose settings today's Keras cannot take over."""
    return ZeroMindError(ErrorKind.LOAD_FAILED, f"layer {called!r} ({name}) cannot be rebuilt: {why}", called, name)


def _settings(name: str, cls: Any, settings: Settings, called: str) -> Settings:
    parameters = inspect.signature(cls.__init__).parameters
    taken: Settings = {}
    for written, value in settings.items():
        key = _RENAMED.get(name, {}).get(written, written)
        if key == "activity_regularizer" or key.endswith(_TRAINING):
            continue
        if key in ("name", "trainable", "dtype") and (key in parameters or "kwargs" in parameters):
            taken[key] = dtype(value) if key == "dtype" else value
        elif key in parameters:
            taken[key] = value
        elif key not in _GONE or (_GONE[key] and value not in _GONE[key]):
            raise refused(name, called, f"this Keras has no setting {key} = {value!r}")
    # Zeros cost nothing; the usual random beginnings, which the file's weights replace, cost seconds of compilation.
    taken |= {key: "zeros" for key in parameters if key.endswith("_initializer")}
    taken.pop("weights", None)
    if isinstance(taken.get("axis"), list) and len(taken["axis"]) == 1 and name != "Normalization":
        taken["axis"] = taken["axis"][0]
    if "reset_after" in parameters:
        taken["reset_after"] = settings.get("reset_after", name == "CuDNNGRU")
    if "unit_forget_bias" in taken:
        taken["unit_forget_bias"] = False
    return taken


def _function_layer(cls: Any, settings: Settings, allow_code: bool) -> Any:
    kept = {key: value for key, value in settings.items() if key in ("name", "trainable", "dtype", "arguments", "output_shape", "mask")}
    kept["function"] = settings.get("function")
    if isinstance(kept["function"], list):
        code, defaults, closure = kept["function"]
        kept["function"] = {"class_name": "__lambda__", "config": {"code": code, "defaults": defaults, "closure": closure}}
    kept["dtype"] = dtype(kept.get("dtype", "float32"))
    try:
        return cls.from_config(kept, safe_mode=not allow_code)
    except Exception as error:
        raise refused("Lambda", settings.get("name", "?"), first_line(error)) from error
