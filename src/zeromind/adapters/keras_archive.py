"""The zip archives of Keras 3 (``.keras``): their configuration, read with a bound, and the model in them."""

from __future__ import annotations

import contextlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zeromind.adapters import keras_classes
from zeromind.adapters.file import ModelFile
from zeromind.adapters.keras_hdf5 import CONFIG_BYTES, first_line
from zeromind.errors import ErrorKind, ZeroMindError


def recognises(file: ModelFile) -> bool:
    """Whether the file is a zip archive with the two members that every Keras 3 archive has."""
    return {"config.json", "metadata.json"} <= file.zip_names


def config(path: Path) -> dict[str, Any]:
    """The archive's ``config.json``. Raises LOAD_FAILED where it is damaged or beyond 16 MiB."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as stream:
            text = stream.read(CONFIG_BYTES + 1)
        if len(text) > CONFIG_BYTES:
            raise _failed(path, f"has a configuration of more than {CONFIG_BYTES >> 20} MiB")
        parsed = json.loads(text)
    except (OSError, EOFError, KeyError, ValueError, RecursionError, NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
        raise _failed(path, f"cannot be read: {first_line(error)}") from error
    if not isinstance(parsed, dict):
        raise _failed(path, "has a configuration that is no Keras model")
    return parsed


def load(keras: Any, path: Path, allow_code: bool, ready: Callable[[Any], Any]) -> Any:
    """``ready(model)`` with its weights, not compiled for training; ``ready`` sees to it that the model is built. Raises LOAD_FAILED."""
    parsed = config(path)
    try:
        with _named(path, ".keras") as named:
            with zipfile.ZipFile(path) as archive:
                assets = any(name.startswith("assets/") for name in archive.namelist())
            # Keras' loader alone knows about assets and about layers that two models share; otherwise the random beginnings of the
            # weights, which cost seconds of compilation, can be left out.
            if assets or _shares(parsed):
                whole = keras.saving.load_model(named, compile=False, safe_mode=not allow_code)
                return ready(_checked(keras, whole, path))
            model = keras.saving.deserialize_keras_object(_bare(parsed), safe_mode=not allow_code)
            made = ready(_checked(keras, model, path))
            model.load_weights(named)
            return made
    except ZeroMindError:
        raise
    except Exception as error:
        raise _failed(path, f"cannot be loaded: {first_line(error)}") from error


def load_hdf5(keras: Any, path: Path, allow_code: bool) -> Any:
    """The model in an HDF5 file that Keras 3 itself wrote. Raises LOAD_FAILED."""
    try:
        with _named(path, ".h5") as named:
            classes = keras_classes.unfound(keras)
            return keras.saving.load_model(named, custom_objects=classes, compile=False, safe_mode=not allow_code)
    except Exception as error:
        raise _failed(path, f"cannot be loaded: {first_line(error)}") from error


@contextlib.contextmanager
def _named(path: Path, suffix: str) -> Iterator[str]:
    """A path to the file that ends in the suffix, which Keras insists on."""
    if path.name.endswith(suffix):
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="zeromind-") as folder:
        link = Path(folder, f"model{suffix}")
        link.symlink_to(path.resolve())
        yield str(link)


def _checked(keras: Any, model: Any, path: Path) -> Any:
    if not isinstance(model, keras.Model):
        raise _failed(path, "has a configuration that is no Keras model")
    return model


def _shares(item: Any) -> bool:
    if isinstance(item, list):
        return any(_shares(each) for each in item)
    if not isinstance(item, dict):
        return False
    # Policies and initializers are marked as shared too; only layers, which alone can be trainable, lose by being made twice.
    layer = isinstance(item.get("config"), dict) and "trainable" in item["config"]
    return (layer and "shared_object_id" in item) or any(_shares(each) for each in item.values())


def _bare(item: Any) -> Any:
    """The configuration without what concerns training."""
    if isinstance(item, list):
        return [_bare(each) for each in item]
    if not isinstance(item, dict):
        return item
    kept = {key: _bare(value) for key, value in item.items() if key != "compile_config"}
    if str(item.get("module", "")).startswith("keras.layers") and isinstance(kept.get("config"), dict):
        for key, value in kept["config"].items():
            if key.endswith("_initializer") and value is not None:
                kept["config"][key] = "zeros"
    return kept


def _failed(path: Path, what: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.LOAD_FAILED, f"the Keras archive {path.name} {what}", path.name)
