"""The one front door of a pool: infer, load, drop, describe, health. Every wire calls it, no wire knows another."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from zeromind.config.pool import PoolConfig
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.repository.journal import Journal
from zeromind.repository.model import Model
from zeromind.repository.registry import Registry
from zeromind.tensors import InferRequest, InferResponse, Interface

_log = logging.getLogger(__name__)


class Engine:
    """A pool of models with one configuration; several may live in one process."""

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self._journal = Journal(config.state_dir) if config.state_dir else None
        self.registry = Registry(config, self._journal)
        self._stopping = False
        self._starting: asyncio.Task[None] | None = None
        self._active = 0
        self._drained = asyncio.Event()
        self.stopped = asyncio.Event()
        """Set when somebody asked the pool to stop."""

    def start(self) -> None:
        """Begin to load the configured tasks, one beside the other; the pool answers meanwhile."""
        self._starting = asyncio.create_task(self._load_configured())

    async def started(self) -> None:
        """Return when every configured task has loaded or failed."""
        if self._starting is not None:
            await asyncio.shield(self._starting)

    @property
    def ready(self) -> bool:
        """Whether every configured task has loaded or failed, and the pool is not stopping."""
        return self._starting is not None and self._starting.done() and not self._stopping

    async def interface(self, model_id: str) -> Interface:
        """A model's interface, waiting within its time-out for one that loads. Raises MODEL_NOT_FOUND, DEADLINE or its load error."""
        model = self.registry.get(model_id)
        return await model.ready(time.monotonic() + model.task.timeout_s)

    async def infer(self, model_id: str, decode: Callable[[Interface], InferRequest]) -> tuple[Interface, InferResponse]:
        """Decode a request against the model's interface and answer it within the model's time-out.

        Raises SHUTTING_DOWN, MODEL_NOT_FOUND, BUSY, DEADLINE, WORKER_CRASHED, what ``decode`` raises, or the request's own fault.
        """
        async with self._accepted():
            model = self.registry.get(model_id)
            deadline = time.monotonic() + model.task.timeout_s
            interface = await model.ready(deadline)
            return interface, await model.infer(decode(interface), deadline)

    async def load(self, source: Mapping[str, Any]) -> Model:
        """Load a task that a client sent. Raises ALREADY_LOADED, or what is wrong with the task or its model."""
        async with self._accepted():
            if "allow_code" in source:
                raise ZeroMindError(
                    ErrorKind.TASK_ATTRIBUTE,
                    "'allow_code' is the operator's word: it stands in the configuration file; clients load such files from 'code_roots'",
                    "allow_code",
                )
            # A client that leaves while its model loads must not leave a half-loaded model behind.
            return await asyncio.shield(self.registry.load(source, trusted=False, remember=True))

    async def drop(self, model_id: str) -> tuple[float, int]:
        """Drop a model: the seconds that it took and the bytes that its workers held. Raises MODEL_NOT_FOUND."""
        async with self._accepted():
            return await asyncio.shield(self.registry.drop(model_id, forget=True))

    def stop(self) -> None:
        """Ask the pool to stop: from now on it is not ready and accepts nothing new."""
        self._stopping = True
        self.stopped.set()

    def hurry(self) -> None:
        """Wait no longer for accepted requests: they are answered SHUTTING_DOWN."""
        self._drained.set()

    async def close(self) -> None:
        """Let accepted requests finish within ``drain_s``, then end every worker."""
        self.stop()
        if self._active:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._drained.wait(), self.config.drain_s)
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self.registry.close()
        if self._journal is not None:
            self._journal.close()

    async def _load_configured(self) -> None:
        tasks = self._journal.restore(self.config.tasks) if self._journal else [(task, True) for task in self.config.tasks]
        await asyncio.gather(*(self._load_one(source, trusted) for source, trusted in tasks))

    async def _load_one(self, source: Mapping[str, Any], trusted: bool) -> None:
        name = source.get("id")
        try:
            model = await self.registry.load(source, trusted)
        except ZeroMindError as error:
            self.registry.failed[str(name)] = error
            _log.error("model %r is not served: %s", name, error)
        else:
            _log.info("model %r is ready: loaded in %.1f s, %.0f MB", name, model.load_time, model.memory_consumed / 1e6)

    @contextlib.asynccontextmanager
    async def _accepted(self) -> AsyncIterator[None]:
        if self._stopping:
            raise ZeroMindError(ErrorKind.SHUTTING_DOWN, "the pool is shutting down: try another one")
        self._active += 1
        self._drained.clear()
        try:
            yield
        finally:
            self._active -= 1
            if not self._active:
                self._drained.set()
