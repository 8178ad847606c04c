"""``zeromind serve``: serve a configuration, or model files as they are."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from zeromind.adapters.file import ModelFile
from zeromind.cli import settings
from zeromind.config.pool import PoolConfig
from zeromind.config.task import ID
from zeromind.errors import ConfigError
from zeromind.observe import logs
from zeromind.server import Server

_console = Console(stderr=True, highlight=False)


def named(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Each ``[NAME=]MODEL`` as its name, empty where none is given, and its path. One that is there with its equals sign is a path."""
    models = []
    for value in values:
        name, separator, rest = value.partition("=")
        if not separator or Path(value).exists():
            name, rest = "", value
        elif not ID.fullmatch(name):
            raise click.BadParameter(f"{name!r} cannot be a model's name: letters, digits, '.', '_', '-', at most 128", ctx, param)
        if not Path(rest).exists():
            raise click.BadParameter(f"Path {rest!r} does not exist.", ctx, param)
        models.append((name, Path(rest)))
    return models


@click.command()
@click.argument("models", nargs=-1, metavar="[[NAME=]MODEL]...", type=click.Path(), callback=named)
@settings.config_file
@settings.flags
@click.option(
    "--model-type", default="", help="Adapter to use for the MODELs instead of the recognised ones ('zeromind adapters' lists them)."
)
@click.option("--allow-code", is_flag=True, help="The MODELs are trusted: load them even if their format can run code (pickles).")
def serve(models: list[tuple[str, Path]], file: Path | None, model_type: str, allow_code: bool, **given: Any) -> None:
    """Serve models over REST and gRPC until Ctrl-C.

    With MODEL paths they are served at once, each under its NAME or its file's stem, the framework recognised by content. Without, the
    configuration is: the one of -c, or configs/model_pool_config.json.
    """
    if models and file is None:
        given["tasks"] = [{**task, "model_type": model_type} for task in tasks_of(models, allow_code)]
    elif models:
        raise click.UsageError("give either -c or MODEL paths; put the models into the configuration's 'tasks' to have both")
    elif file is None:
        if not settings.DEFAULT_FILE.is_file():
            raise click.UsageError(f"nothing to serve: there is no {settings.DEFAULT_FILE} here; give MODEL paths or -c FILE")
        file = settings.DEFAULT_FILE
    config = settings.read(file, given)
    log_file = file.parent / "logger.json" if file else None
    try:
        logs.set_up(log_file if log_file and log_file.is_file() else None, config.debug)
        run(config)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None


def tasks_of(models: Iterable[tuple[str, Path]], allow_code: bool) -> list[dict[str, Any]]:
    """A task for each name and path. A Python file named on the command line is code by its nature: naming it is allowing it."""
    tasks: dict[str, dict[str, Any]] = {}
    for given, path in models:
        name = given or re.sub(r"[^A-Za-z0-9._-]", "_", path.stem).lstrip("._-")[:128] or "model"
        if name in tasks:
            raise click.UsageError(f"two models would be served as {name!r}: name one, as in other={path}")
        file = within(path.resolve())
        tasks[name] = {"id": name, "model_file": str(file), "allow_code": allow_code or path.suffix == ".py"}
    return list(tasks.values())


def within(path: Path) -> Path:
    """What is to be served of a path: where a folder has nothing but one file or folder, and is no model by itself, that one.

    So a folder into which a model was put, as KServe's storage initializer does it, serves like the model.
    """
    while path.is_dir() and not ModelFile(path).is_marked:
        entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
        if len(entries) != 1:
            break
        (path,) = entries
    return path


def run(config: PoolConfig) -> None:
    """Serve a configuration to its end, on uvloop where there is one. Raises ConfigError if it cannot be served."""
    if sys.platform == "win32":
        asyncio.run(_serve(config))
    else:
        import uvloop

        uvloop.run(_serve(config))


async def _serve(config: PoolConfig) -> None:
    server = Server(config)
    server.start()
    announcing = asyncio.create_task(_announce(server))
    try:
        await server.run()
    finally:
        announcing.cancel()


async def _announce(server: Server) -> None:
    """Show what loads, then the one line that says that all is ready, and where."""
    names = ", ".join(str(task.get("id")) for task in server.config.tasks)
    with _console.status(f"loading {names} …") if names else _console.status("starting …"):
        await server.engine.started()
    failed = server.engine.registry.failed
    for name, error in failed.items():
        _console.print(f"[bold red]model {json.dumps(name)} is not served:[/] {error}", soft_wrap=True)
    served = ", ".join(server.engine.registry.ids()) or "no models yet"
    _console.print(
        f"0Mind is ready: {server.url} ({served})  console {server.url}/console  docs {server.url}/docs  grpc {server.grpc_address}",
        soft_wrap=True,
    )
