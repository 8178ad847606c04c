"""Models loaded anew when their files are saved: ``zeromind serve --watch``."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.text import Text
from watchfiles import DefaultFilter, awatch

from zeromind.cli import announcement
from zeromind.cli.watched import Places, places_of
from zeromind.config import pool
from zeromind.engine import Engine
from zeromind.errors import ConfigError, ErrorKind, ZeroMindError

_STEP_MS = 100
"""Without a change for so long, what has changed counts as one."""
_LOOK_S = 1.0
"""How often it is seen what there is to watch: models come and go."""
_STARTING_S = 0.2
"""How long the watch over other folders may take to begin; the one before ends after it."""
_STILL_S = 0.1
_MOST_WRITING_S = 60.0
"""How long a file may take to be written."""


_GONE = frozenset({ErrorKind.LOAD_CANCELLED, ErrorKind.MODEL_NOT_FOUND, ErrorKind.SHUTTING_DOWN})
"""Of a model that somebody dropped meanwhile."""


class Watch:
    """Follows the files of a pool's models; ``configuration`` is its own. What happens is told on the console."""

    def __init__(self, engine: Engine, configuration: Path | None, console: Console) -> None:
        self._engine = engine
        self._configuration = configuration
        self._console = console
        self._places = Places({}, {}, frozenset())
        self._stop = asyncio.Event()
        self._following: set[asyncio.Task[None]] = set()
        self._replaced = False
        """Whether a folder that is watched has gone or come, perhaps in place of another: what was watched may be the old one."""
        self._changed: dict[str, Path] = {}
        """Models to be loaded anew, each with a file that is why."""
        self._loading: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Follow until cancelled."""
        logging.getLogger("watchfiles").setLevel(logging.WARNING)
        watched = told = (frozenset[Path](), frozenset[Path]())
        try:
            while True:
                self._places = places = await asyncio.to_thread(places_of, self._engine, self._configuration)
                wanted = places.flat, places.deep
                if wanted != watched or self._replaced:
                    self._replaced = False
                    await self._follow(*wanted)
                    watched = wanted
                if watched != told and self._engine.ready:
                    self._print("↻", "cyan", f"watching {', '.join(sorted(_shown(path) for path in (*wanted[0], *wanted[1])))}")
                    told = watched
                await asyncio.sleep(_LOOK_S)
        finally:
            self._stop.set()
            for task in self._loading.values():
                task.cancel()
            await asyncio.gather(*self._following, *self._loading.values(), return_exceptions=True)

    async def _follow(self, flat: frozenset[Path], deep: frozenset[Path]) -> None:
        """Follow these folders from now on, and those before until that has begun: no change is missed between."""
        before, self._stop = self._stop, asyncio.Event()
        for folders, recursive in ((flat, False), (deep, True)):
            if folders:
                task = asyncio.create_task(self._listen(folders, recursive, self._stop))
                self._following.add(task)
                task.add_done_callback(self._following.discard)
        await asyncio.sleep(_STARTING_S)
        before.set()

    async def _listen(self, folders: Iterable[Path], recursive: bool, stop: asyncio.Event) -> None:
        try:
            async for changes in awatch(*folders, watch_filter=DefaultFilter(), step=_STEP_MS, stop_event=stop, recursive=recursive):
                # What is there comes last, and so is what is told: editors leave files of their own beside it.
                for path in sorted({Path(path) for _, path in changes}, key=lambda path: (path.is_file(), path)):
                    self._see(path)
        except (OSError, RuntimeError) as error:  # such as a system that follows no more files
            self._print("✗", "bold red", f"{', '.join(sorted(map(_shown, folders)))} cannot be watched: {error}")

    def _see(self, path: Path) -> None:
        self._replaced = self._replaced or path in self._places.deep or path in self._places.flat
        if self._configuration is not None and path == self._configuration.parent.resolve() / self._configuration.name:
            self._see_configuration(path)
        elif self._places.needs_restart(path):
            self._print("↻", "yellow", f"{_shown(path)} has changed: restart the server to apply it, which loads request handlers once")
        for name in self._places.models(path):
            self._changed[name] = path
            if name not in self._loading:
                self._loading[name] = asyncio.create_task(self._load(name))

    def _see_configuration(self, path: Path) -> None:
        try:
            pool.read(path, os.environ, {})
        except ConfigError as error:
            self._print("✗", "bold red", f"{_shown(path)} has changed, and could not be served: {error}")
        else:
            self._print("↻", "yellow", f"{_shown(path)} has changed: restart the server to apply it (Ctrl-C, then zeromind serve)")

    async def _load(self, name: str) -> None:
        """Load a model as often as its files change."""
        try:
            while (path := self._changed.pop(name, None)) is not None:
                await _written(path)
                await self._reload(name, path)
        finally:
            del self._loading[name]

    async def _reload(self, name: str, path: Path) -> None:
        try:
            model = await self._engine.reload(name)
        except ZeroMindError as error:
            if error.kind not in _GONE:
                self._tell_failure(name, path, error)
        except Exception:
            logging.getLogger(__name__).exception("model %r could not be loaded anew", name)
        else:
            self._print("✓", "bold green", f"{name}: loaded anew in {model.load_time:.1f} s, as {_shown(path)} has changed")

    def _tell_failure(self, name: str, path: Path, error: ZeroMindError) -> None:
        goes_on = "the one before goes on serving" if self._engine.registry.serves(name) else "it is not served"
        self._print("✗", "bold red", f"{name}: {_shown(path)} has changed and does not load, {goes_on}: {error}")
        if error.trace:
            self._console.print(announcement.traceback(error), soft_wrap=True)

    def _print(self, sign: str, style: str, text: str) -> None:
        self._console.print(Text.assemble((f"{sign} ", style), text), soft_wrap=True)


async def _written(path: Path) -> None:
    """Return when a file has stayed as it is for a moment, or has been gone for one."""
    end = time.monotonic() + _MOST_WRITING_S
    before = _state(path)
    while time.monotonic() < end:
        await asyncio.sleep(_STILL_S)
        now = _state(path)
        if now == before:
            return
        before = now


def _state(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def _shown(path: Path) -> str:
    """A path as one writes it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
