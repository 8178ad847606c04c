"""A skill in a thread of the server itself: for small models and debugging."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Sequence

import psutil

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.frames import Answer
from zeromind.executor.order import Order
from zeromind.executor.skill import Skill
from zeromind.tensors import InferRequest, Interface


class ThreadExecutor:
    """One skill in one thread. A model that crashes here takes the server with it; one that hangs keeps its thread."""

    def __init__(self, order: Order, on_death: Callable[[], None] = lambda: None) -> None:
        del on_death  # a thread dies with the server only
        self._order = order
        self._pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix=f"skill-{order.task['id']}")
        self._skill: Skill | None = None
        self._memory = 0
        self.alive = False

    async def start(self, timeout_s: float) -> Interface:
        """Load the model. Raises what loading raised, LOAD_FAILED if it took too long."""
        loop = asyncio.get_running_loop()
        before = psutil.Process().memory_info().rss
        try:
            self._skill = await asyncio.wait_for(loop.run_in_executor(self._pool, Skill, self._order), timeout_s)
        except asyncio.TimeoutError:
            raise ZeroMindError(ErrorKind.LOAD_FAILED, f"the model did not load within {timeout_s:g} s ('load_timeout_s')") from None
        self._memory = max(0, psutil.Process().memory_info().rss - before)
        self.alive = True
        return self._skill.interface

    async def run(self, batch: Sequence[InferRequest], timeout_s: float) -> list[Answer]:
        """One answer per request; a thread cannot be ended, so ``timeout_s`` changes nothing here."""
        del timeout_s
        assert self._skill is not None, "start comes first"  # noqa: S101 - a fault of the caller
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._skill.run, list(batch))

    async def stop(self) -> None:
        """Close the model once what runs has ended."""
        self.alive = False
        if self._skill is not None:
            await asyncio.get_running_loop().run_in_executor(self._pool, self._skill.close)
            self._skill = None
        self._pool.shutdown(wait=False)

    def memory(self) -> int:
        """How much the server's resident memory grew while the model loaded, in bytes."""
        return self._memory

    @property
    def pid(self) -> int | None:
        """A thread has no process of its own."""
        return None
