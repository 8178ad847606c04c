"""A skill in a thread of the server itself: for small models and debugging."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import psutil

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.frames import Answer
from zeromind.executor.order import Order
from zeromind.executor.skill import Skill
from zeromind.tensors import InferRequest, Interface

_Job: TypeAlias = "tuple[concurrent.futures.Future[Any], Callable[..., Any], tuple[Any, ...]]"

GRACE_S = 2.0
"""How long past its deadline a batch may run before its thread is left to itself."""


class ThreadExecutor:
    """One skill in one thread. A model that crashes here takes the server with it; one that hangs keeps its thread, and is replaced."""

    def __init__(self, order: Order, on_death: Callable[[], None] = lambda: None) -> None:
        del on_death  # a thread dies with the server only
        self._order = order
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._skill: Skill | None = None
        self._memory = 0
        self.alive = False

    async def start(self, timeout_s: float) -> Interface:
        """Load the model. Raises what loading raised, LOAD_FAILED if it took too long."""
        # No thread of a pool: those are waited for when the interpreter ends, and a hanging model must not hold that up.
        threading.Thread(target=_work, args=(self._jobs,), name=f"skill-{self._order.task['id']}", daemon=True).start()
        before = psutil.Process().memory_info().rss
        try:
            skill: Skill = await asyncio.wait_for(self._call(Skill, self._order), timeout_s)
        except BaseException as error:
            self._jobs.put(None)
            if isinstance(error, asyncio.TimeoutError):
                raise ZeroMindError(ErrorKind.LOAD_FAILED, f"the model did not load within {timeout_s:g} s ('load_timeout_s')") from None
            raise
        self._memory = max(0, psutil.Process().memory_info().rss - before)
        self._skill = skill
        self.alive = True
        return skill.interface

    async def run(self, batch: Sequence[InferRequest], timeout_s: float) -> list[Answer]:
        """One answer per request. Raises WORKER_CRASHED past ``timeout_s`` + grace: a thread cannot be ended, only left behind."""
        assert self._skill is not None, "start comes first"  # noqa: S101 - a fault of the caller
        try:
            answers: list[Answer] = await asyncio.wait_for(self._call(self._skill.run, list(batch)), timeout_s + GRACE_S)
        except asyncio.TimeoutError:
            self._abandon()
            raise ZeroMindError(ErrorKind.WORKER_CRASHED, "the model hung and its thread was left behind; it is loaded again") from None
        except asyncio.CancelledError:
            self._abandon()
            raise
        return answers

    async def stop(self) -> None:
        """Close the model, unless it hangs."""
        self.alive = False
        if self._skill is not None:
            skill, self._skill = self._skill, None
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._call(skill.close), GRACE_S)
            self._jobs.put(None)

    def memory(self) -> int:
        """How much the server's resident memory grew while the model loaded, in bytes."""
        return self._memory

    @property
    def pid(self) -> int | None:
        """A thread has no process of its own."""
        return None

    def _abandon(self) -> None:
        self.alive = False
        self._skill = None
        self._jobs.put(None)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        job: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._jobs.put((job, function, arguments))
        return asyncio.wrap_future(job)


def _work(jobs: queue.SimpleQueue[_Job | None]) -> None:
    while (entry := jobs.get()) is not None:
        job, function, arguments = entry
        if not job.set_running_or_notify_cancel():
            continue
        try:
            result = function(*arguments)
        except BaseException as error:  # it belongs to whoever waits for the job
            job.set_exception(error)
        else:
            job.set_result(result)
