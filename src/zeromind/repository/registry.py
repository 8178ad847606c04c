"""The models of one pool by id: loads and drops of one id are decided in the order in which they come."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeromind.config.pool import PoolConfig
from zeromind.config.roots import locate
from zeromind.config.task import Task
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.order import Order
from zeromind.observe.trace import Trace
from zeromind.repository.journal import Journal
from zeromind.repository.lifecycle import State
from zeromind.repository.model import Model

_log = logging.getLogger(__name__)


class Registry:
    """Which models are served. An id is taken from the moment its load is accepted until its drop has ended."""

    def __init__(self, config: PoolConfig, journal: Journal | None = None, trace: Trace | None = None) -> None:
        self._config = config
        self._journal = journal
        self._trace = trace or Trace()
        self._models: dict[str, Model] = {}
        self.failed: dict[str, ZeroMindError] = {}
        """Why configured models are not served, by id."""

    def ids(self) -> list[str]:
        """The ids of the models that are ready, sorted."""
        return sorted(name for name, model in self._models.items() if model.life.state is State.READY)

    def check_sum(self) -> str:
        """MD5 of the JSON text of the sorted ids: the original's sign that the list has changed."""
        return hashlib.md5(json.dumps(self.ids()).encode(), usedforsecurity=False).hexdigest()

    def models(self) -> list[Model]:
        """Every model that is here, whatever its state, in the order of loading."""
        return list(self._models.values())

    def get(self, task_id: str) -> Model:
        """The model of that id. Raises MODEL_NOT_FOUND."""
        model = self._models.get(task_id)
        if model is None:
            raise ZeroMindError(ErrorKind.MODEL_NOT_FOUND, f"model {task_id!r} is not loaded; /model/list tells which are", task_id)
        return model

    async def load(self, source: Mapping[str, Any], trusted: bool, remember: bool = False) -> Model:
        """Load a task; ``trusted`` = the operator wrote it. Raises ALREADY_LOADED if the id is taken, or what is wrong with the task.

        With ``remember`` the journal holds the task before this returns.
        """
        task = Task.parse(source)
        if task.id in self._models:
            raise ZeroMindError(ErrorKind.ALREADY_LOADED, f"model {task.id!r} is loaded already: drop it first, or use another id", task.id)
        order = self._order(task, trusted)
        model = Model(task, order, self._config, self._trace.sampler(task.id))
        self._models[task.id] = model
        try:
            await model.load()
            if remember and self._journal is not None:
                await self._journal.loaded(task.id, source)
        except BaseException:
            if model.life.may(State.DROPPING):  # loaded, but not remembered
                await model.drop()
            if self._models.get(task.id) is model:
                del self._models[task.id]
            raise
        self.failed.pop(task.id, None)
        return model

    async def drop(self, task_id: str, forget: bool = False) -> tuple[float, int]:
        """Drop a model: the seconds that it took and the bytes that its workers held. Raises MODEL_NOT_FOUND."""
        model = self.get(task_id)
        start = time.perf_counter()
        held = await model.drop()
        if self._models.get(task_id) is model:
            del self._models[task_id]
            self._trace.forget(task_id)
        if forget and self._journal is not None:
            await self._journal.dropped(task_id)
        return time.perf_counter() - start, held

    async def close(self) -> None:
        """Drop everything at once; what still runs is answered SHUTTING_DOWN."""
        models = [model for model in self.models() if model.life.state is not State.FAILED]
        fault = ZeroMindError(ErrorKind.SHUTTING_DOWN, "the pool stopped before the model answered: ask another one")
        await asyncio.gather(*(model.drop(fault) for model in models), return_exceptions=True)
        self._models.clear()

    def _order(self, task: Task, trusted: bool) -> Order:
        config = self._config
        path = locate(task.model_file, config.roots, trusted)
        if path is None:
            where = "" if trusted else " beneath the roots of this pool"
            raise ZeroMindError(
                ErrorKind.MODEL_FILE,
                f"the model file {task.model_file!r} is not readable{where}: check the path ('model_file'), or extend 'roots'",
                task.model_file,
            )
        if task.model_type and config.model_types and task.model_type not in config.model_types:
            allowed = ", ".join(config.model_types)
            raise ZeroMindError(
                ErrorKind.MODEL_TYPE_NOT_ALLOWED, f"this pool serves only {allowed}, not {task.model_type!r}", task.model_type
            )
        return Order(
            task.source,
            str(path),
            tuple(map(str, config.roots)),
            trusted,
            (trusted and task.allow_code) or _beneath(path, config.code_roots),
            config.model_types,
            config.adapter_folders,
            config.filter_folders,
            task.threads or max(1, (os.cpu_count() or 1) // task.instances),
            config.debug,
        )


def _beneath(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder.resolve()) for folder in folders)
