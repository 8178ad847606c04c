"""The HDF5 files of Keras 1 and 2, whatever their extension: the configuration and the weights, as they lie in the file.

The root's attribute ``model_config`` is JSON text, ``keras_version`` says who wrote it (absent before Keras 1.2), ``backend`` on what.
``model_weights`` has the attribute ``layer_names`` and a group for each layer, whose ``weight_names`` are its data sets in order; a
list beyond HDF5's 64 KiB for an attribute is cut into ``layer_names0``, ``layer_names1``, ….
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zeromind import importing
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor

LEAST = "3.10"
"""Of h5py."""
CONFIG_BYTES = 16 << 20
_SCAN_BYTES = 4 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Hdf5Model:
    """What the attributes of such a file say; ``version`` is Keras' major version, ``backend`` empty where the file is silent."""

    path: Path
    config: dict[str, Any]
    version: int
    backend: str


def recognises(file: ModelFile) -> bool:
    """Whether an HDF5 file's root has ``model_config``; without h5py, whether its first 4 MiB speak of one."""
    if not file.is_hdf5:
        return False
    try:
        import h5py
    except ImportError:
        with file.path.open("rb") as stream:
            return b"model_config" in stream.read(_SCAN_BYTES)
    try:
        with h5py.File(file.path, "r") as opened:
            return "model_config" in opened.attrs
    except (OSError, RuntimeError, KeyError):
        return False


def read(path: Path) -> Hdf5Model:
    """The file's configuration. Raises LOAD_FAILED where there is none or it is unreadable, MISSING_PACKAGE without h5py."""
    h5py = importing.require("h5py", "keras", "the keras adapter", LEAST)
    try:
        with h5py.File(path, "r") as opened:
            raw = opened.attrs.get("model_config")
            if raw is None:
                raise _failed(path, "holds weights only, no architecture: save the whole model with model.save()")
            text = _text(raw)
            if len(text) > CONFIG_BYTES:
                raise _failed(path, f"has a configuration of more than {CONFIG_BYTES >> 20} MiB")
            group = opened.get("model_weights", opened)
            version = _text(opened.attrs.get("keras_version", group.attrs.get("keras_version", "1")))
            backend = _text(opened.attrs.get("backend", group.attrs.get("backend", "")))
        config = json.loads(text)
    except (OSError, RuntimeError, KeyError, ValueError, RecursionError) as error:
        raise _failed(path, f"cannot be read: {first_line(error)}") from error
    if not isinstance(config, dict) or not isinstance(config.get("class_name"), str) or not isinstance(config.get("config"), dict | list):
        raise _failed(path, "has a configuration that is no Keras model")
    major = version.partition(".")[0]
    return Hdf5Model(path, config, int(major) if major.isdigit() else 2, backend)


def weights(path: Path) -> Iterator[tuple[str, list[tuple[str, Tensor]]]]:
    """Each layer that has weights: its name, and names and values of its weights in the file's order.

    Raises LOAD_FAILED where a part is missing, damaged, or lies in another file.
    """
    h5py = importing.require("h5py", "keras", "the keras adapter", LEAST)
    try:
        with h5py.File(path, "r") as opened:
            group = opened.get("model_weights", opened)
            if "layer_names" not in group.attrs and "layer_names0" not in group.attrs:
                raise _failed(path, "lists no layers beside its configuration: it was written without weights, or before Keras 1")
            for layer in _names(group, "layer_names"):
                held = _inside(path, h5py, group, layer)
                found = [(name, _values(path, h5py, held, name)) for name in _names(held, "weight_names")]
                if found:
                    yield layer, found
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise _failed(path, f"is damaged: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, cut to 300 characters; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _values(path: Path, h5py: Any, group: Any, name: str) -> Tensor:
    data = _inside(path, h5py, group, name)
    # Values that lie elsewhere, by HDF5's own doors, would read files that no root of the pool allows.
    if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
        raise _failed(path, f"has a weight {name!r} that is not stored in the file")
    return np.asarray(data)


def _inside(path: Path, h5py: Any, group: Any, name: str) -> Any:
    for part in name.strip("/").split("/"):
        if not isinstance(group, h5py.Group) or not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise _failed(path, f"has no {name!r} among its weights")
        group = group[part]
    return group


def _names(group: Any, attribute: str) -> list[str]:
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    chunks = itertools.takewhile(lambda chunk: chunk in group.attrs, (f"{attribute}{index}" for index in itertools.count()))
    return [_text(name) for chunk in chunks for name in group.attrs[chunk]]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _failed(path: Path, what: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.LOAD_FAILED, f"the Keras file {path.name} {what}", path.name)
