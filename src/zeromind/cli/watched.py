"""Which files belong to which models of a pool: what has to be loaded anew when one of them changes."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from zeromind.config.roots import locate
from zeromind.config.task import FilterUse, Task
from zeromind.engine import Engine
from zeromind.errors import ZeroMindError
from zeromind.plugins import ADAPTERS, FILTERS, LEGACY_FILTERS

_MOST_MODULES = 200
"""Of a skill's own, imported by one another."""


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """``files`` and ``folders`` say which models depend on a file, or on anything in a folder; ``restart`` what only a restart applies."""

    files: Mapping[Path, frozenset[str]]
    folders: Mapping[Path, frozenset[str]]
    restart: frozenset[Path]

    @property
    def flat(self) -> frozenset[Path]:
        """The folders right in which files are watched: who replaces a file by another leaves the folder."""
        gone = (path for path in (*self.folders, *self.restart) if not path.is_dir())  # which may come back
        return frozenset(path.parent for path in (*self.files, *gone) if path.parent.is_dir()) - self.deep

    @property
    def deep(self) -> frozenset[Path]:
        """The folders that are watched with all that is in them."""
        return frozenset(path for path in (*self.folders, *self.restart) if path.is_dir())

    def models(self, path: Path) -> frozenset[str]:
        """The models that depend on a file."""
        within = (names for folder, names in self.folders.items() if path.is_relative_to(folder))
        return frozenset().union(self.files.get(path, frozenset()), *within)

    def needs_restart(self, path: Path) -> bool:
        """Whether a file is the server's own to load, which it does when it starts."""
        return any(path.is_relative_to(folder) for folder in self.restart)


def places_of(engine: Engine, configuration: Path | None) -> Places:
    """What is to be watched for the models that a pool has now, or could not load."""
    files: dict[Path, set[str]] = {}
    folders: dict[Path, set[str]] = {}
    if configuration is not None:
        files[_real(configuration)] = set()
    for name, task, adapter in _tasks(engine):
        for path in _files(task, engine):
            (folders if path.is_dir() else files).setdefault(path, set()).add(name)
        if any(use.id not in FILTERS and use.id not in LEGACY_FILTERS for use in _uses(task)):
            for path in _folders(engine.config.filter_folders):
                folders.setdefault(path, set()).add(name)
        if adapter not in ADAPTERS:
            for path in _folders(engine.config.adapter_folders):
                folders.setdefault(path, set()).add(name)
    return Places(_frozen(files), _frozen(folders), frozenset(_folders(engine.config.handler_folders)))


def _frozen(sets: Mapping[Path, set[str]]) -> dict[Path, frozenset[str]]:
    return {path: frozenset(names) for path, names in sets.items()}


def _tasks(engine: Engine) -> Iterator[tuple[str, Task, str]]:
    """The name, task and adapter of each model that is here, and of those that failed, whose adapter may be none of ours."""
    registry = engine.registry
    for model in registry.models():
        if model.plan.upload is None:  # whose files a client sent
            yield model.task.id, model.task, model.interface.adapter if model.interface else model.task.model_type
    for name in registry.failed:
        source = registry.catalogue.configured(name)
        try:
            if source is not None and not registry.serves(name):
                yield name, Task.parse(source), str(source.get("model_type", ""))
        except ZeroMindError:  # a task that is none depends on nothing but the configuration
            continue


def _uses(task: Task) -> Iterator[FilterUse]:
    for uses in (*task.input_filters.values(), *task.output_filters.values()):
        yield from uses


def _files(task: Task, engine: Engine) -> Iterator[Path]:
    """The model's file or folder, what a skill imports from beside it, and files that its labels and filters name."""
    found = locate(task.model_file, engine.config.roots, trusted=True)
    if found is None:  # it will come back where it was
        yield from (_real(root / task.model_file) for root in (*engine.config.roots, Path.cwd()))
        return
    yield found
    for root in (*engine.config.roots, Path.cwd()):
        link = _real(root / task.model_file)
        if link != found and link.resolve() == found:
            yield link
    if found.suffix == ".py":
        yield from _imported(found)
    for text in _texts(task):
        path = locate(text, engine.config.roots, trusted=True)
        if path is not None and path.is_file():
            yield path


def _texts(task: Task) -> Iterator[str]:
    """What may be the name of a file: of labels, or in a filter's settings, such as a vocabulary."""
    for value in (*task.labels.values(), *(setting for use in _uses(task) for setting in use.settings.values())):
        if isinstance(value, str):
            yield value


def _imported(skill: Path) -> Iterator[Path]:
    """The modules beside a skill that it imports, and those that these import, found without running any of them."""
    seen = {skill}
    waiting = [skill]
    while waiting and len(seen) < _MOST_MODULES:
        for name in _imports(waiting.pop()):
            parts = name.split(".")
            for path in (skill.parent.joinpath(*parts).with_suffix(".py"), skill.parent.joinpath(*parts, "__init__.py")):
                if path.is_file() and path not in seen:
                    seen.add(path)
                    waiting.append(path)
                    yield path


def _imports(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _folders(places: Iterable[str]) -> Iterator[Path]:
    """The folders of places of the configuration, which are paths or the names of packages."""
    for place in places:
        package, *inner = place.split(".")
        spec = None if Path(place).is_dir() or not package.isidentifier() else importlib.util.find_spec(package)
        found = [Path(entry, *inner) for entry in (spec.submodule_search_locations or () if spec else ())]
        yield from (path.resolve() for path in found or [Path(place)])  # a folder that is not there may come back


def _real(path: Path) -> Path:
    """The path in its real folder; a link stays one, since it may come to lead elsewhere."""
    return path.parent.resolve() / path.name
