"""Models as the command line names them: paths, perhaps with a name, and the tasks that they become."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]")


def named(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Each ``[NAME=]MODEL`` as its name, empty where none is given, and its path. One that is there with its equals sign is a path."""
    from zeromind.config.task import ID

    models = []
    for value in values:
        name, separator, rest = value.partition("=")
        if not separator or Path(value).exists():
            name, rest = "", value
        elif not ID.fullmatch(name):
            raise click.BadParameter(f"{name!r} cannot be a model's name: letters, digits, '.', '_', '-', at most 128", ctx, param)
        if not Path(rest).exists():
            raise click.BadParameter(f"there is no file or folder {rest!r}: check the path", ctx, param)
        file = Path(rest)
        configuration = file / "pool.toml" if file.is_dir() else file
        if configuration.suffix == ".toml" and configuration.is_file():
            enter = "" if configuration.parent == Path() else f"cd {shlex.quote(str(configuration.parent))} && "
            text = f"{rest!r} is a configuration, no model: {enter}zeromind serve -c {shlex.quote(configuration.name)}"
            raise click.BadParameter(text, ctx, param)
        models.append((name, file))
    return models


def tasks_of(models: Iterable[tuple[str, Path]], allow_code: bool) -> list[dict[str, Any]]:
    """A task for each name and path. A Python file named on the command line is code by its nature: naming it is allowing it."""
    tasks: dict[str, dict[str, Any]] = {}
    for given, path in models:
        name = given or name_of(path)
        if name in tasks:
            raise click.UsageError(f"two models would be served as {name!r}: name one, as in other={path}")
        file = within(path.resolve())
        tasks[name] = {"id": name, "model_file": str(file), "allow_code": allow_code or path.suffix == ".py"}
    return list(tasks.values())


def name_of(path: Path) -> str:
    """The name under which a model is served that is given none."""
    return _NOT_IN_IDS.sub("_", path.stem).lstrip("._-")[:128] or "model"


def within(path: Path) -> Path:
    """What is to be served of a path: where a folder has nothing but one file or folder, and is no model by itself, that one.

    So a folder into which a model was put, as KServe's storage initializer does it, serves like the model.
    """
    from zeromind.adapters.file import ModelFile

    while path.is_dir() and not ModelFile(path).is_marked:
        entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
        if len(entries) != 1:
            break
        (path,) = entries
    return path
