"""Where adapters and filters are found: built-in tables of dotted names, the operator's folders and packages, entry points.

Everything is resolved by name on first use, so importing zeromind never imports a framework.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from zeromind import importing
from zeromind.errors import ErrorKind, ZeroMindError

ADAPTERS: Mapping[str, str] = {
    "keras": "zeromind.adapters.keras:KerasAdapter",
    "sklearn": "zeromind.adapters.sklearn:SklearnAdapter",
    "onnx": "zeromind.adapters.onnx:OnnxAdapter",
    "torch": "zeromind.adapters.torch:TorchAdapter",
    "tensorflow": "zeromind.adapters.tensorflow:TensorflowAdapter",
    "tflite": "zeromind.adapters.tflite:TfliteAdapter",
    "jax": "zeromind.adapters.jax:JaxAdapter",
    "xgboost": "zeromind.adapters.xgboost:XgboostAdapter",
    "lightgbm": "zeromind.adapters.lightgbm:LightgbmAdapter",
    "catboost": "zeromind.adapters.catboost:CatboostAdapter",
    "openvino": "zeromind.adapters.openvino:OpenvinoAdapter",
    "tensorrt": "zeromind.adapters.tensorrt:TensorrtAdapter",
    "opencv": "zeromind.adapters.opencv:OpencvAdapter",
    "caffe2": "zeromind.adapters.caffe2:Caffe2Adapter",
    "transformers": "zeromind.adapters.transformers:TransformersAdapter",
    "mlflow": "zeromind.adapters.mlflow:MlflowAdapter",
    "python": "zeromind.adapters.python:PythonAdapter",
}

FILTERS: Mapping[str, str] = {
    "image.ImageFilter": "zeromind.filters.image:ImageFilter",
    "scaled.ScaledImageFilter": "zeromind.filters.scaled:ScaledImageFilter",
    "crop.CentreCropFilter": "zeromind.filters.crop:CentreCropFilter",
    "padding.PaddingFilter": "zeromind.filters.padding:PaddingFilter",
    "argmax.ArgMaxFilter": "zeromind.filters.argmax:ArgMaxFilter",
    "rounding.RoundFilter": "zeromind.filters.rounding:RoundFilter",
    "lists.ListsFilter": "zeromind.filters.lists:ListsFilter",
    "topk.TopKFilter": "zeromind.filters.topk:TopKFilter",
}

LEGACY_FILTERS: Mapping[str, str] = {
    "i_img_file_to_ns_arr.ImageFileToNormAndScaledNPArrayFilter": "scaled.ScaledImageFilter",
    "i_img_file_to_caffe2.ImageFileCaffe2Filter": "crop.CentreCropFilter",
    "i_vector_padding_to_input.VectorPaddingToInputFilter": "padding.PaddingFilter",
    "io_argmax.ArgMaxFilter": "argmax.ArgMaxFilter",
    "io_round_int.RoundVectorFilter": "rounding.RoundFilter",
    "o_default.DefaultFilter": "lists.ListsFilter",
}

_FILTER_ID = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


@dataclasses.dataclass(frozen=True, slots=True)
class Plugins:
    """The doors that are open in one pool; each place is a folder of Python files or the dotted name of an installed package."""

    adapter_folders: tuple[str, ...] = ()
    filter_folders: tuple[str, ...] = ()

    def adapter(self, name: str) -> Any:
        """The adapter class of that model type. Raises MODEL_TYPE_UNKNOWN, or what its module raises."""
        if name in ADAPTERS:
            return importing.load(ADAPTERS[name])
        adapters = {cls.name: cls for cls in self._own_adapters()}
        if name in adapters:
            return adapters[name]
        for point in importlib.metadata.entry_points(group="zeromind.adapters", name=name):
            return point.load()
        known = sorted({*ADAPTERS, *adapters})
        text = f"model type {name!r} is unknown; known are {', '.join(known)}{_meant(name, known)}"
        raise ZeroMindError(ErrorKind.MODEL_TYPE_UNKNOWN, text, name)

    def adapters(self) -> Iterator[Any]:
        """Every adapter class: the operator's own first, then installed ones, then the built-in."""
        yield from self._own_adapters()
        for point in importlib.metadata.entry_points(group="zeromind.adapters"):
            yield point.load()
        for target in ADAPTERS.values():
            yield importing.load(target)

    def filter(self, identifier: str) -> Any:
        """The class that a filter id names. Raises FILTER_NOT_FOUND, or what its module raises."""
        name = LEGACY_FILTERS.get(identifier, identifier)
        if name in FILTERS:
            return importing.load(FILTERS[name])
        if _FILTER_ID.fullmatch(identifier):
            module_name, _, class_name = identifier.rpartition(".")
            for place in self.filter_folders:
                module = _module_in(place, module_name)
                if module is not None and hasattr(module, class_name):
                    return getattr(module, class_name)
            for point in importlib.metadata.entry_points(group="zeromind.filters", name=identifier):
                return point.load()
        meant = _meant(identifier, [*FILTERS, *LEGACY_FILTERS])
        text = f"filter {identifier!r} is not found{meant}; built in are {', '.join(sorted(FILTERS))}, your own come from 'filter_folders'"
        raise ZeroMindError(ErrorKind.FILTER_NOT_FOUND, text, identifier)

    def _own_adapters(self) -> Iterator[Any]:
        for place in self.adapter_folders:
            for module in modules_in(place):
                for cls in vars(module).values():
                    if inspect.isclass(cls) and cls.__module__ == module.__name__ and "name" in vars(cls) and hasattr(cls, "recognises"):
                        yield cls


def _meant(name: str, known: list[str]) -> str:
    """The question whether the nearest of the known names was meant, if one is near."""
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def modules_in(place: str) -> Iterator[ModuleType]:
    """The modules of a folder of Python files, or of an installed package, in the order of their names."""
    folder = Path(place)
    if folder.is_dir():
        for path in sorted(folder.glob("*.py")):
            if path.stem != "__init__":
                yield _file_module(path)
        return
    package = importlib.import_module(place)
    yield package
    for path in sorted(Path(entry) for entry in getattr(package, "__path__", ())):
        for file in sorted(path.glob("*.py")):
            if file.stem != "__init__":
                yield importlib.import_module(f"{place}.{file.stem}")


def _module_in(place: str, name: str) -> ModuleType | None:
    path = Path(place, *name.split(".")).with_suffix(".py")
    if path.is_file():
        return _file_module(path)
    if Path(place).is_dir() or place.startswith("."):  # "./own" that is absent is a folder, not a relative import
        return None
    full = f"{place}.{name}"
    try:
        return importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name is not None and (full == error.name or full.startswith(f"{error.name}.")):
            return None
        raise


def _file_module(path: Path) -> ModuleType:
    return importing.load_file(path)
