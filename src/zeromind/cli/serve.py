"""``zeromind serve``: serve a configuration, or model files as they are."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from zeromind.cli import settings
from zeromind.config.pool import PoolConfig
from zeromind.errors import ConfigError
from zeromind.observe import logs
from zeromind.server import Server

_console = Console(stderr=True, highlight=False)


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...", type=click.Path(exists=True, path_type=Path))
@settings.config_file
@settings.flags
@click.option(
    "--model-type", default="", help="Adapter to use for the MODELs instead of the recognised ones ('zeromind adapters' lists them)."
)
@click.option("--allow-code", is_flag=True, help="The MODELs are trusted: load them even if their format can run code (pickles).")
def serve(models: tuple[Path, ...], file: Path | None, model_type: str, allow_code: bool, **given: Any) -> None:
    """Serve models over REST and gRPC until Ctrl-C.

    With MODEL paths they are served at once, each under its file's stem, the framework recognised by content. Without, the
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


def tasks_of(models: tuple[Path, ...], allow_code: bool) -> list[dict[str, Any]]:
    """A task for each path. A Python file named on the command line is code by its nature: naming it is allowing it."""
    tasks: dict[str, dict[str, Any]] = {}
    for path in models:
        name = re.sub(r"[^A-Za-z0-9._-]", "_", path.stem).lstrip("._-")[:128] or "model"
        if name in tasks:
            raise click.UsageError(f"two models would be served as {name!r}: rename one, or use a configuration")
        tasks[name] = {"id": name, "model_file": str(path.resolve()), "allow_code": allow_code or path.suffix == ".py"}
    return list(tasks.values())


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
