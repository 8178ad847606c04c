"""What is remembered over a restart: the tasks that clients loaded and the ids that they dropped, in SQLite.

A change is committed to the disk before it is acknowledged.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeromind.errors import ConfigError, ErrorKind, ZeroMindError

_SCHEMA = "CREATE TABLE IF NOT EXISTS task (id TEXT PRIMARY KEY, source TEXT) STRICT"


class Journal:
    """The journal in a state folder. Raises ConfigError if the folder or the file cannot be used."""

    def __init__(self, folder: Path) -> None:
        # One thread of its own: SQLite's waits for the disk must not hold up the event loop.
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="journal")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / "pool.sqlite3", isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError("state_dir", f"the folder {folder} cannot hold the pool's state: {error}") from None

    def restore(self, configured: tuple[Mapping[str, Any], ...]) -> list[tuple[Mapping[str, Any], bool]]:
        """The tasks to start with, each with whether the operator wrote it: what the file lists, less the dropped, plus the loaded.

        What was remembered without a model's file is what a client has changed of a configured task, within what it may.
        """
        remembered = dict(self._database.execute("SELECT id, source FROM task"))
        tasks = [(task, True) for task in configured if not (isinstance(task.get("id"), str) and task["id"] in remembered)]
        own = {task["id"]: task for task in reversed(configured) if isinstance(task.get("id"), str)}
        for source in (json.loads(source) for source in remembered.values() if source is not None):
            if "model_file" in source:
                tasks.append((source, False))
            elif source["id"] in own:
                tasks.append(({**own[source["id"]], **source}, True))
        return tasks

    async def loaded(self, task_id: str, source: Mapping[str, Any]) -> None:
        """Remember a task."""
        await self._execute("INSERT OR REPLACE INTO task VALUES (?, ?)", task_id, json.dumps(source))

    async def dropped(self, task_id: str) -> None:
        """Remember that an id is not served."""
        await self._execute("INSERT OR REPLACE INTO task VALUES (?, NULL)", task_id)

    async def as_configured(self, task_id: str) -> None:
        """Remember nothing of an id: it is as the configuration has it."""
        await self._execute("DELETE FROM task WHERE id = ?", task_id)

    def close(self) -> None:
        """Let go of the file."""
        self._thread.shutdown()
        self._database.close()

    async def _execute(self, statement: str, *values: Any) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._database.execute, statement, values)
        except sqlite3.Error as error:
            text = f"the pool cannot remember this in its 'state_dir': {error}; see that the disk has room and may be written"
            raise ZeroMindError(ErrorKind.INTERNAL, text) from error
