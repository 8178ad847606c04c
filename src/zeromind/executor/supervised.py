"""A worker that comes back: an executor replaced with growing pauses each time its process dies unasked."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.backoff import Backoff
from zeromind.executor.diary import Diary
from zeromind.executor.order import Order
from zeromind.executor.process import Answered, ProcessExecutor
from zeromind.executor.thread import ThreadExecutor
from zeromind.tensors import InferRequest, Interface

_log = logging.getLogger(__name__)

EXECUTORS: dict[str, type[ProcessExecutor] | type[ThreadExecutor]] = {"process": ProcessExecutor, "thread": ThreadExecutor}


class SupervisedExecutor:
    """One worker of a model, whichever process it is at present.

    ``on_room`` is called when it can take another batch, ``on_trouble`` when ``trouble`` has become another.
    """

    def __init__(self, order: Order, isolation: str, load_timeout_s: float, diary: Diary | None = None) -> None:
        self._order = order
        self._make = EXECUTORS[isolation]
        self._load_timeout_s = load_timeout_s
        self._diary = diary or Diary()
        self._backoff = Backoff()
        self._reviving: asyncio.Task[None] | None = None
        self._stopping = self._pausing = False
        self.on_room: Callable[[], None] = _nothing
        self.on_trouble: Callable[[], None] = _nothing
        self.restarts = 0
        self.trouble: ZeroMindError | None = None
        """Why no request should be left to it at present: it died again and again."""
        self.current = self._make(order, self._has_room, self._died, self._diary)

    async def start(self) -> Interface:
        """Start for the first time. Raises what loading raised."""
        interface = await self.current.start(self._load_timeout_s)
        self._backoff.started()
        return interface

    @property
    def under_way(self) -> int:
        """How many batches it has."""
        return self.current.under_way

    @property
    def room(self) -> bool:
        """Whether it lives and takes one more batch."""
        return self.current.room

    def send(self, batch: Sequence[InferRequest], rows: Sequence[int], answered: Answered, until: float = math.inf) -> None:
        """Run a batch; ``answered`` is called later, with an answer per request or the fault of them all; of streams, several times.

        It is not begun after the time ``until``, as far as a worker can tell.
        """
        self.current.send(batch, rows, answered, until)

    def go_on(self, wanted: bool) -> None:
        """Have the stream under way make its next response, or no more of them; asked once for each that came and is not final."""
        self.current.go_on(wanted)

    def kill(self) -> None:
        """End what runs: it hangs."""
        self.current.kill()

    async def stop(self) -> None:
        """End the worker for good."""
        self._stopping = True
        self.on_room = self.on_trouble = _nothing
        reviving, self._reviving = self._reviving, None
        if reviving is not None:
            reviving.cancel()
            await asyncio.gather(reviving, return_exceptions=True)
        await self.current.stop()

    def memory(self) -> int:
        """The worker's memory in bytes."""
        return self.current.memory()

    @property
    def pid(self) -> int | None:
        """Its process's id, if it has one of its own."""
        return self.current.pid

    @property
    def state(self) -> str:
        """``ready``, ``starting``, or ``waiting`` for its next start after it has died."""
        if self.current.alive:
            return "ready"
        return "waiting" if self._pausing else "starting"

    @property
    def free(self) -> Mapping[str, bool]:
        """What it can do that a confined process cannot (``confinement.found``)."""
        return self.current.free

    def _has_room(self) -> None:
        self.on_room()

    def _died(self) -> None:
        if not self._stopping:
            self._reviving = asyncio.create_task(self._revive())

    async def _revive(self) -> None:
        """Start anew, as often as it takes."""
        fault = self.current.fault
        while not self.current.alive:
            await self.current.stop()
            pause_s = self._backoff.died(self.current.served)
            if self._backoff.broken:
                self._set_trouble(fault, pause_s)
            if fault is not None:
                self._diary.failed(fault)
            self._pausing = True
            await asyncio.sleep(pause_s)
            self._pausing = False
            self.restarts += 1
            self.current = self._make(self._order, self._has_room, self._died, self._diary)
            try:
                await self.start()
            except ZeroMindError as error:
                fault = error
                _log.error("restarting a worker of model %r failed: %s", self._order.task["id"], error)
            except Exception:
                _log.exception("restarting a worker of model %r failed", self._order.task["id"])
            else:
                _log.info("a worker of model %r is back", self._order.task["id"])
        self._set_trouble(None)
        self.on_room()

    def _set_trouble(self, fault: ZeroMindError | None, pause_s: float = 0.0) -> None:
        if fault is None and self.trouble is None:
            return
        self.trouble = None
        if fault is not None:
            name, deaths = self._order.task["id"], self._backoff.deaths
            text = f"model {name!r} is not served at present, its worker failed {deaths} times in a row: {fault.message}"
            self.trouble = ZeroMindError(ErrorKind.MODEL_UNAVAILABLE, text, name)
            _log.error("%s; it is started again in %.1f s", text, pause_s)
        self.on_trouble()


def _nothing() -> None:
    """Nobody waits for room."""
