"""The models in a folder: found by their content, looked into without running any code of theirs."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib.util
import itertools
from collections.abc import Container, Iterator
from pathlib import Path

from zeromind.adapters import python_file
from zeromind.adapters.base import Adapter
from zeromind.adapters.file import ModelFile
from zeromind.cli.named import name_of
from zeromind.config import pool
from zeromind.errors import ZeroMindError
from zeromind.plugins import Plugins
from zeromind.repository.registry import Registry
from zeromind.tensors import Interface

PLACES = (".", "models")
"""The folders within a folder that are looked through."""
_MOST_ENTRIES = 1000
_LOAD_S = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A model: the name for it, its path as the configuration has it, and the adapters that it fits.

    ``code`` says why it may run code, ``lacking`` which packages its adapter needs and does not find; both empty where there is none.
    """

    id: str
    path: str
    adapters: tuple[type[Adapter], ...]
    code: str = ""
    lacking: tuple[str, ...] = ()


def models_in(folder: Path) -> list[Found]:
    """The models of a folder and of the folder ``models`` in it, by path. Nothing of them runs."""
    adapters: list[type[Adapter]] = list(Plugins().adapters())
    found: dict[str, Found] = {}
    for path in _entries(folder):
        fitting = tuple(adapter for adapter in adapters if _fits(adapter, path))
        if fitting:
            name = _unused(name_of(path), found)
            found[name] = Found(name, path.relative_to(folder).as_posix(), fitting, _code(fitting[0], path), _lacking(fitting[0]))
    return list(found.values())


async def interface_of(found: Found, folder: Path) -> Interface | str:
    """What goes in and comes out, found out in a scratch worker that runs no code of the file; why not, where that fails."""
    registry = Registry(dataclasses.replace(pool.read(None, {}, {}), load_timeout_s=_LOAD_S))
    task = {"id": found.id, "model_file": str((folder / found.path).resolve()), "model_type": found.adapters[0].name}
    try:
        model = await registry.load(task, trusted=True)
        return await model.ready(0)
    except ZeroMindError as error:
        return error.message
    finally:
        await asyncio.shield(registry.close())


def _unused(name: str, taken: Container[str]) -> str:
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if each not in taken)


def _entries(folder: Path) -> Iterator[Path]:
    for place in PLACES:
        with contextlib.suppress(OSError):
            names = sorted(itertools.islice((folder / place).iterdir(), _MOST_ENTRIES))
            yield from (path for path in names if not path.name.startswith((".", "_")))


def _fits(adapter: type[Adapter], path: Path) -> bool:
    file = ModelFile(path)
    with contextlib.suppress(OSError, ZeroMindError):
        if path.suffix == ".py":  # of which each is a skill to whoever names it, and not all that lie around
            return adapter.name == "python" and python_file.defines_predict(file)
        return adapter.recognises(file)
    return False


def _code(adapter: type[Adapter], path: Path) -> str:
    try:
        return adapter.carries_code(ModelFile(path))
    except (OSError, ZeroMindError):
        return "it cannot be told"


def _lacking(adapter: type[Adapter]) -> tuple[str, ...]:
    return tuple(module for module in adapter.needs if importlib.util.find_spec(module) is None)
