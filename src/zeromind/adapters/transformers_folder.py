"""A folder as Hugging Face's libraries save models, looked at from outside: what it holds, and whether any of that is code."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError

CONFIG, MODULES = "config.json", "modules.json"
_WEIGHTS = re.compile(r"(model[\w.-]*\.safetensors|pytorch_model[\w.-]*\.bin)(\.index\.json)?")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_MOST_BYTES = 1 << 25
_MOST_MODULES = 100
_NAMES_CODE = (CONFIG, "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
_FAULTS = (OSError, ValueError, RecursionError)


@dataclasses.dataclass(frozen=True, slots=True)
class Folder:
    """Where a transformer lies, what its ``config.json`` says, and the modules with which sentence-transformers uses it."""

    path: Path
    config: dict[str, Any]
    modules: tuple[tuple[str, Path], ...] = ()
    """Kind, such as ``Pooling``, and folder of each, the transformer first; none if sentence-transformers has not saved it."""

    @property
    def has_safetensors(self) -> bool:
        """Whether the weights are there as data only."""
        return any(path.name.startswith("model") and _WEIGHTS.fullmatch(path.name) for path in self.path.iterdir())

    def settings(self, name: str) -> dict[str, Any]:
        """The JSON object in a file of the folder; empty where there is no such file. Raises LOAD_FAILED for anything else in it."""
        return _object(self.path / name) if (self.path / name).is_file() else {}


def is_model(file: ModelFile) -> bool:
    """Whether it is such a folder: a configuration that names a kind of model, and weights."""
    try:
        folder = None if not file.is_folder or file.is_marked else _found(file.path)
        return folder is not None and any(_WEIGHTS.fullmatch(path.name) for path in folder.path.iterdir())
    except (*_FAULTS, ZeroMindError):
        return False


def code_in(file: ModelFile) -> str:
    """Which code of its own the folder has loaded, for people; empty if none."""
    try:
        places = {file.path, _found(file.path).path} if file.is_folder else set()
        files = [path / name for path in places for name in _NAMES_CODE]
        named = any(path.is_file() and _object(path).get("auto_map") for path in files)
    except (*_FAULTS, ZeroMindError):
        return ""  # what cannot be read names none, and is loaded without any
    return "code in the folder (trust_remote_code)" if named else ""


def look_into(file: ModelFile) -> Folder:
    """What such a folder holds. Raises LOAD_FAILED where it is no such folder."""
    if not file.is_folder:
        raise _broken(file.path, "is no folder: give the one with config.json that save_pretrained has written")
    folder = _found(file.path)
    if (folder.path / "adapter_config.json").is_file():
        raise _broken(file.path, "holds a PEFT adapter, which names its model elsewhere: merge the two and save the result")
    told = folder.settings("tokenizer_config.json")
    foreign = next((key for key in ("vocab", "merges") if isinstance(told.get(key), str)), "")
    if foreign:  # the library would open it, wherever it lies
        raise _broken(folder.path / "tokenizer_config.json", f"names a file in {foreign!r}: save the tokenizer anew")
    for name in _INDEXES:
        shards = folder.settings(name).get("weight_map", {})
        for shard in set(map(str, shards.values())) if isinstance(shards, dict) else [str(shards)]:
            if Path(shard).name != shard or not (folder.path / shard).is_file():
                raise _broken(folder.path / name, f"names {shard!r}, which is no file in its folder")
    return folder


def _found(path: Path) -> Folder:
    modules: list[tuple[str, Path]] = []
    if (path / MODULES).is_file():
        listed = _json(path / MODULES)
        if isinstance(listed, list) and len(listed) > _MOST_MODULES:
            raise _broken(path / MODULES, f"lists more than {_MOST_MODULES} modules")
        for entry in listed if isinstance(listed, list) else [listed]:
            if not isinstance(entry, dict) or not isinstance(entry.get("type"), str) or not isinstance(entry.get("path"), str):
                raise _broken(path / MODULES, "is no list of modules with 'type' and 'path'")
            place = (path / entry["path"]).resolve()
            if not place.is_relative_to(path.resolve()):
                raise _broken(path / MODULES, f"names {entry['path']!r}, which does not lie in the model's folder")
            modules.append((entry["type"].rpartition(".")[2], place))
    root = modules[0][1] if modules else path
    config = _object(root / CONFIG)
    architectures = config.get("architectures")
    if not isinstance(config.get("model_type"), str) and not (isinstance(architectures, list) and architectures):
        raise _broken(root / CONFIG, "names neither 'model_type' nor 'architectures'")
    return Folder(root, config, tuple(modules))


def _object(path: Path) -> dict[str, Any]:
    value = _json(path)
    if not isinstance(value, dict):
        raise _broken(path, "holds no JSON object")
    return value


def _json(path: Path) -> Any:
    if not path.is_file():
        raise _broken(path, "is missing: is the folder whole?")
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES} bytes")
        return json.loads(data)
    except _FAULTS as error:
        raise _broken(path, f"is no readable JSON ({error}): is it cut off or damaged?") from None


def _broken(path: Path, text: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.LOAD_FAILED, f"{path.name} {text}", path.name)
