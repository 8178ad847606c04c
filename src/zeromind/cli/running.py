"""A server in the terminal: started, told of, watched, run to its end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import sys
import webbrowser
from pathlib import Path

from rich.console import Console
from rich.text import Text

from zeromind import importing
from zeromind.cli import announcement
from zeromind.config.pool import PoolConfig
from zeromind.server import Server

_console = Console(stderr=True, highlight=False)
_TICK_S = 0.1
"""How often the line that tells what loads is written anew."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted besides serving: the configuration's file, if there is one, and whether it and the models are watched."""

    file: Path | None = None
    watch: bool = False
    open: bool = False


def run(config: PoolConfig, wishes: Wishes) -> None:
    """Serve a configuration to its end, on uvloop where there is one.

    Raises ConfigError if it cannot be served, MISSING_PACKAGE if it cannot be watched.
    """
    if wishes.watch:
        importing.require("watchfiles", "watch", "'zeromind serve --watch'")
        # Two versions of a module that are saved within a second, and are as long, share what is kept of them compiled.
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    if sys.platform == "win32":
        asyncio.run(_serve(config, wishes))
    else:
        import uvloop

        uvloop.run(_serve(config, wishes))


async def _serve(config: PoolConfig, wishes: Wishes) -> None:
    server = Server(config)
    server.start()
    aside = [asyncio.create_task(_announce(server, wishes))]
    if wishes.watch:
        from zeromind.cli.watch import Watch

        aside.append(asyncio.create_task(Watch(server.engine, wishes.file, _console).run()))
    try:
        await server.run()
    finally:
        for task in aside:
            task.cancel()
        for ended in await asyncio.gather(*aside, return_exceptions=True):
            if isinstance(ended, Exception):
                _console.print(f"this did not go as it should: {ended!r}", markup=False, soft_wrap=True)


async def _announce(server: Server, wishes: Wishes) -> None:
    """Show what loads, then what is served, where, and how it is asked."""
    started = asyncio.create_task(server.engine.started())
    with _console.status("starting …") as status:
        while not started.done():
            status.update(announcement.loading(server))
            await asyncio.wait({started}, timeout=_TICK_S)
    if wishes.watch:
        for error in server.engine.registry.failed.values():
            if error.trace:
                _console.print(announcement.traceback(error), soft_wrap=True)
    _console.print(Text("\n").join(announcement.ready(server, Path.cwd())), soft_wrap=True)
    if wishes.open:
        await _open(f"{server.url}/console")


async def _open(url: str) -> None:
    found = False
    with contextlib.suppress(webbrowser.Error):
        found = await asyncio.to_thread(webbrowser.open, url)
    if not found:
        _console.print(f"no browser could be opened here: open {url} yourself", markup=False, soft_wrap=True)
