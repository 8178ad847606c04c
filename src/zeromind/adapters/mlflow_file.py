"""An MLflow model's folder: what its file MLmodel says, and which of our adapters serves which file in it.

The format: https://mlflow.org/docs/latest/ml/model/, the keys of a flavour: what that flavour's ``save_model`` writes.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeromind import importing
from zeromind.adapters import mlflow_signature
from zeromind.adapters.base import Adapter
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError

NAME = "MLmodel"
YAML = "5.4"
"""The version of PyYAML from which on its safe loader is no more than that."""
_MOST_BYTES = 1 << 22
_HEAD = 1 << 16
_DEEPEST = 100
_FLAVOURS = re.compile(rb"^flavors:[ \t]*\r?\n[ \t]+[\w.\"'-]+:", re.MULTILINE)
_PYFUNC = "python_function"

_ADAPTERS = {
    "catboost": "zeromind.adapters.catboost:CatboostAdapter",
    "keras": "zeromind.adapters.keras:KerasAdapter",
    "lightgbm": "zeromind.adapters.lightgbm:LightgbmAdapter",
    "onnx": "zeromind.adapters.onnx:OnnxAdapter",
    "sklearn": "zeromind.adapters.sklearn:SklearnAdapter",
    "tensorflow": "zeromind.adapters.tensorflow:TensorflowAdapter",
    "torch": "zeromind.adapters.torch:TorchAdapter",
    "xgboost": "zeromind.adapters.xgboost:XgboostAdapter",
}
_SERVED: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "onnx": (("data",), ("onnx",)),
    "sklearn": (("pickled_model",), ("sklearn",)),
    "xgboost": (("data",), ("xgboost", "sklearn")),
    "lightgbm": (("data",), ("lightgbm", "sklearn")),
    "catboost": (("data",), ("catboost", "onnx")),
    "keras": (("data/model.keras", "data/model.h5", "data/model"), ("keras", "tensorflow")),
    "tensorflow": (("saved_model_dir", "data/model.keras", "data/model.h5", "data/model"), ("tensorflow", "keras")),
    "pytorch": (("model_data/model.pt2", "model_data/model.pth"), ("torch",)),
}
"""For a flavour: where its model may be, as a key of the flavour and what follows its value, and adapters that may know the file."""


@dataclasses.dataclass(frozen=True, slots=True)
class Inner:
    """A model's own file within the folder, for the adapter that serves it."""

    adapter: type[Adapter]
    file: ModelFile
    trusted: tuple[str, ...]
    """The types that it takes beyond those that skops trusts, as the one who saved it says."""


@dataclasses.dataclass(frozen=True)
class Folder:
    """What MLmodel says: its flavours by name, and its signature."""

    path: Path
    flavours: Mapping[str, Mapping[str, Any]]
    signature: mlflow_signature.Signature

    @property
    def is_pyfunc(self) -> bool:
        """Whether MLflow itself can load it to predict."""
        return _PYFUNC in self.flavours

    @functools.cached_property
    def inner(self) -> Inner | None:
        """The file that an adapter of ours serves. Raises LOAD_FAILED where MLmodel leads out of its folder, or to nothing."""
        for flavour, (places, names) in _SERVED.items():
            keys = self.flavours.get(flavour, {})
            paths = [self._within(keys[key], rest) for key, _, rest in (place.partition("/") for place in places) if keys.get(key)]
            path = next((path for path in paths if path.exists()), None)
            if path:
                file = ModelFile(path)
                adapters: list[type[Adapter]] = [importing.load(_ADAPTERS[name]) for name in names]
                trusted = keys.get("skops_trusted_types") or []
                types = tuple(map(str, trusted)) if isinstance(trusted, list) and "schema.json" in file.zip_names else ()
                # The file's content decides; one that nobody knows is damaged, which the flavour's own adapter says best.
                return Inner(next((adapter for adapter in adapters if adapter.recognises(file)), adapters[0]), file, types)
        return None

    @property
    def code_folders(self) -> list[str]:
        """Folders with Python modules that were saved with the model."""
        return list(dict.fromkeys(str(self._within(keys["code"])) for keys in self.flavours.values() if keys.get("code")))

    def _within(self, name: Any, rest: str = "") -> Path:
        root = self.path.resolve()
        path = (root / name / rest).resolve() if isinstance(name, str) and "\0" not in name else root
        # A link may lead outside just as ".." does.
        if path == root or not path.is_relative_to(root):
            raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{NAME} names {name!r}, which does not lie within the model's folder", NAME)
        return path


def recognises(file: ModelFile) -> bool:
    """Whether it is a folder whose MLmodel lists flavours, as far as the text tells."""
    try:
        if not file.holds(NAME):
            return False
        with (file.path / NAME).open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    return b"\0" not in head and _FLAVOURS.search(head) is not None


def read(file: ModelFile) -> Folder:
    """What a folder's MLmodel says. Raises LOAD_FAILED for one that cannot be read, MISSING_PACKAGE without PyYAML."""
    yaml = importing.require("yaml", "mlflow", "the mlflow adapter", YAML)
    try:
        with (file.path / NAME).open("rb") as stream:
            text = stream.read(_MOST_BYTES)
        said = yaml.load(text, Loader=_plain(yaml))
    except Exception as error:
        # Of a value that is none of its tag PyYAML raises whatever comes about.
        reason = " ".join(str(error).split())[:300]
        raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{NAME} cannot be read: {reason}; save the model anew", NAME) from error
    flavours = said.get("flavors") if isinstance(said, dict) else None
    if not isinstance(flavours, dict) or not flavours:
        raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{NAME} lists no flavors: save the model anew", NAME)
    known = {str(name): keys for name, keys in flavours.items() if isinstance(keys, dict)}
    return Folder(file.path, known, mlflow_signature.parse(said.get("signature")))


def _plain(yaml: Any) -> Any:
    """A loader of data, without two ways in which a short text keeps a processor busy, and which MLflow never writes."""
    start = yaml.SafeLoader.fetch_flow_collection_start

    def fetch_flow_collection_start(self: Any, token: Any) -> None:
        if self.flow_level > _DEEPEST:
            raise yaml.YAMLError(f"it has brackets within brackets, more than {_DEEPEST} deep")
        start(self, token)

    def flatten_mapping(_self: Any, _node: Any) -> None:
        """Merge no keys of others: what is left of them is a tag that nobody constructs."""

    own = {"fetch_flow_collection_start": fetch_flow_collection_start, "flatten_mapping": flatten_mapping}
    return type("Plain", (yaml.SafeLoader,), own)
