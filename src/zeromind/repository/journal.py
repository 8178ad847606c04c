"""What is remembered over a restart: the tasks that clients loaded and the ids that they dropped, in SQLite.

A change is on the disk before it is acknowledged: every commit is synced, and so is the folder (``synchronous = EXTRA``). The file is in
no mode that needs others beside it, so that it can be read where nothing can be written.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import itertools
import json
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zeromind import claim
from zeromind.errors import ConfigError, ErrorKind, ZeroMindError

_log = logging.getLogger(__name__)

_FILE = "pool.sqlite3"
_SET_UP = (
    "PRAGMA journal_mode = TRUNCATE",
    "PRAGMA synchronous = EXTRA",
    "CREATE TABLE IF NOT EXISTS task (id TEXT PRIMARY KEY, source TEXT) STRICT",
)


class Journal:
    """The journal in a state folder, which it holds for itself.

    A damaged file is set aside: what clients loaded and dropped is forgotten then, but the pool serves. On a disk that is full or must not
    be written what the file says is served as well, and only changes are refused.
    Raises ConfigError if another pool holds the folder, or it can neither be read nor begun.
    """

    def __init__(self, folder: Path) -> None:
        # One thread of its own: SQLite's waits for the disk must not hold up the event loop.
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._file = folder / _FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._claim = _held(folder)
        except OSError as error:
            raise _unusable(folder, error) from None
        try:
            self._database = self._opened()
        except (OSError, sqlite3.Error) as error:
            self._let_go()
            raise _unusable(folder, error) from None

    def restore(self, configured: tuple[Mapping[str, Any], ...]) -> list[tuple[Mapping[str, Any], bool]]:
        """The tasks to start with, each with whether the operator wrote it: what the file lists, less the dropped, plus the loaded.

        What was remembered without a model's file is what a client has changed of a configured task, within what it may.
        """
        remembered = dict(_readable(self._database.execute("SELECT id, source FROM task")))
        tasks = [(task, True) for task in configured if not (isinstance(task.get("id"), str) and task["id"] in remembered)]
        own = {task["id"]: task for task in reversed(configured) if isinstance(task.get("id"), str)}
        for source in filter(None, remembered.values()):
            if "model_file" in source:
                tasks.append((source, False))
            elif source["id"] in own:
                tasks.append(({**own[source["id"]], **source}, True))
        return tasks

    async def loaded(self, task_id: str, source: Mapping[str, Any]) -> None:
        """Remember a task. Raises STORAGE, as the others do, where it cannot be written."""
        await self._execute("INSERT OR REPLACE INTO task VALUES (?, ?)", task_id, json.dumps(source))

    async def dropped(self, task_id: str) -> None:
        """Remember that an id is not served."""
        await self._execute("INSERT OR REPLACE INTO task VALUES (?, NULL)", task_id)

    async def as_configured(self, task_id: str) -> None:
        """Remember nothing of an id: it is as the configuration has it."""
        await self._execute("DELETE FROM task WHERE id = ?", task_id)

    def close(self) -> None:
        """Let go of file and folder."""
        self._thread.shutdown()
        self._database.close()
        self._let_go()

    async def _execute(self, statement: str, *values: Any) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write, statement, values)
        except (OSError, sqlite3.Error) as error:
            text = f"the pool cannot remember this in its 'state_dir': {error}; see that the disk has room and may be written"
            raise ZeroMindError(ErrorKind.STORAGE, text) from error

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        try:
            self._database.execute(statement, values)
        except sqlite3.OperationalError:  # where nothing could be written as it was opened, that takes opening it again
            database = _connected(self._file)
            self._database.close()
            self._database = database
            database.execute(statement, values)

    def _opened(self) -> sqlite3.Connection:
        try:
            return _connected(self._file)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:  # it is damaged, or no database
            _log.error(
                "the pool's state is damaged (%s) and set aside as %s: what clients had loaded and dropped is forgotten, and what is "
                "configured is served; put a copy from before in its place while the pool is stopped to have it back",
                error,
                _set_aside(self._file),
            )
        return _connected(self._file)

    def _let_go(self) -> None:
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None


def _connected(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    database.text_factory = functools.partial(str, encoding="utf-8", errors="replace")  # a damaged row is no fault of the others
    try:
        _check(database)
        for statement in _SET_UP:
            database.execute(statement)
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection) -> None:
    ((health,),) = database.execute("PRAGMA quick_check(1)").fetchall()
    if health != "ok":
        raise sqlite3.DatabaseError(health)


def _held(folder: Path) -> int | None:
    """A lock on the folder; None where the system has none such. Raises BlockingIOError."""
    try:
        return claim.hold(folder.resolve())
    except BlockingIOError:
        raise
    except OSError as error:
        _log.warning("%s cannot be locked (%s): see that no second pool uses it", folder, error)
        return None


def _set_aside(file: Path) -> Path:
    """Give a damaged file another name, with what SQLite has beside it. Raises OSError."""
    aside = next(path for number in itertools.count(1) if not (path := file.with_name(f"{file.name}.damaged-{number}")).exists())
    for suffix in ("-journal", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            file.with_name(file.name + suffix).rename(aside.with_name(aside.name + suffix))
    file.rename(aside)
    return aside


def _readable(rows: Iterator[tuple[str, str | None]]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """What the rows say; one that somebody else has written is passed over."""
    for name, text in rows:
        try:
            source = None if text is None else dict(json.loads(text))
            known = source is None or source["id"] == name
        except (ValueError, TypeError, KeyError):
            known = False
        if known:
            yield name, source
        else:
            _log.error("what the pool's state says of model %r cannot be read, and is passed over: %.200s", name, text)


def _unusable(folder: Path, error: Exception) -> ConfigError:
    if isinstance(error, BlockingIOError):
        return ConfigError("state_dir", f"another pool that runs has its state in {folder}: stop it, or give each pool a folder of its own")
    return ConfigError(
        "state_dir", f"the folder {folder} cannot hold the pool's state: {error}; see that it is there, has room and may be written"
    )
