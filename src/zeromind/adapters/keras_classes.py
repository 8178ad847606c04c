"""Classes of Keras 3 that its own loader of HDF5 files does not find, since these name classes without their modules."""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

_OPERATIONS = ("core", "image", "linalg", "math", "nn", "numpy")
_APPLICATIONS = {"LayerScale": "convnext", "CustomScaleLayer": "inception_resnet_v2"}


def unfound(keras: Any) -> dict[str, Any]:
    """The operations that a model's author wrote between layers, such as ``x + 3``, and the layers of ready-made models, by their names."""
    found: dict[str, Any] = {}
    for place in _OPERATIONS:
        for name, cls in _classes(f"keras.src.ops.{place}").items():
            if issubclass(cls, keras.Operation):
                found[name] = _either(getattr(keras.layers, name, None), cls)
    for name, place in _APPLICATIONS.items():
        if name in (classes := _classes(f"keras.src.applications.{place}")):
            found[name] = classes[name]
    return found


def _classes(module: str) -> dict[str, Any]:
    with contextlib.suppress(ImportError):  # another version of Keras has them elsewhere: its files of this kind stay unread
        members = vars(importlib.import_module(module))
        return {name: each for name, each in members.items() if inspect.isclass(each) and each.__module__ == module}
    return {}


def _either(layer: Any, operation: Any) -> Any:
    """What makes a layer or the operation of the same name (``Add``): only layers say whether they are trainable."""

    class Either:
        @classmethod
        def from_config(cls, config: Mapping[str, Any]) -> Any:
            return (layer if layer is not None and "trainable" in config else operation).from_config(config)

    return Either
