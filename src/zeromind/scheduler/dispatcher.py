"""Drives one model's queue: whichever worker has room takes the next batch, and every answer finds its request.

What waits while the workers are busy is the next batch; an idle worker gets a single request at once. It runs on the event loop
and never waits: requests come with a function that takes their answer, workers call back.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.scheduler.queue import BatchQueue, Waiting
from zeromind.tensors import Encoded, InferRequest, InferResponse

_log = logging.getLogger(__name__)

Answer: TypeAlias = "InferResponse | ZeroMindError"
Outcome: TypeAlias = "Sequence[Answer] | ZeroMindError"

KILL_GRACE_S = 2.0
"""How much longer than its requests may take a batch may run before its worker is ended."""
_TICK_S = 0.05


@dataclasses.dataclass(eq=False, slots=True)
class Entry(Waiting):
    """A request on its way. ``reply`` is called exactly once; the arrays of an answer are its to read until it returns."""

    request: InferRequest = dataclasses.field(kw_only=True)
    reply: Callable[[Answer], None] = dataclasses.field(kw_only=True)
    open: bool = True

    def settle(self, answer: Answer) -> None:
        """Give the answer, if none was given yet."""
        if not self.open:
            return
        self.open = False
        try:
            self.reply(answer)
        except Exception:
            _log.exception("an answer could not be delivered")


class Worker(Protocol):
    """What batches are sent to."""

    @property
    def under_way(self) -> int:
        """How many batches it has."""

    @property
    def room(self) -> bool:
        """Whether it lives and takes one more."""

    def send(self, batch: Sequence[InferRequest], rows: Sequence[int], answered: Callable[[Outcome], None]) -> None:
        """Run a batch; ``answered`` is called once, with an answer per request or the fault of them all, never from within."""

    def kill(self) -> None:
        """End what runs: it hangs."""


@dataclasses.dataclass(eq=False, slots=True)
class _Batch:
    worker: Worker
    entries: list[Entry]
    rows: int
    limit_s: float
    """How long the most patient of its requests may take."""
    begun: float
    """Since when it is the first of its worker."""
    beside: bool = False
    """Whether another batch was in the worker as well when that died."""

    @property
    def hung(self) -> float:
        """The time at which it must have ended."""
        return self.begun + self.limit_s + KILL_GRACE_S


class Dispatcher:
    """Answers every submitted request exactly once: with its result, its fault, or DEADLINE."""

    def __init__(self, workers: Sequence[Worker], queue: BatchQueue[Entry], clock: Callable[[], float] = time.monotonic) -> None:
        self._workers = workers
        self._queue = queue
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._running: dict[int, _Batch] = {}
        self._farewell: ZeroMindError | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweeps = 0.0
        self._delay: asyncio.TimerHandle | None = None
        self._quiet = asyncio.Event()

    @property
    def pending(self) -> int:
        """Requests that are still to be answered."""
        return len(self._queue) + sum(entry.open for batch in self._running.values() for entry in batch.entries)

    def submit(self, request: InferRequest, deadline: float, reply: Callable[[Answer], None]) -> Entry:
        """Take a request; ``deadline`` on the monotonic clock. Raises BUSY, or why nothing is taken any more."""
        if self._farewell is not None:
            raise self._farewell
        now = self._clock()
        entry = Entry(_rows(request), request.nbytes, deadline, _kind(request), now, request=request, reply=reply)
        self._queue.put(entry)
        self._pump(now)
        self._sweep_at(deadline, now)
        return entry

    def withdraw(self, entry: Entry) -> None:
        """Forget a request whose client has left: it must not reach the model."""
        entry.open = False
        self._queue.remove(entry)

    def pump(self) -> None:
        """Look for work for the workers: one has room again."""
        if len(self._queue):
            self._pump(self._clock())

    async def close(self, at_once: ZeroMindError | None = None) -> None:
        """Refuse what waits, let what runs finish; ``at_once`` is the fault that answers what runs too, now."""
        self._farewell = at_once or ZeroMindError(ErrorKind.MODEL_NOT_FOUND, "the model was dropped before it answered this request")
        for entry in self._queue.clear():
            entry.settle(self._farewell)
        while self._running and at_once is None:
            self._quiet.clear()
            await self._quiet.wait()
        running = list(self._running.values())
        self._running.clear()
        for batch in running:
            for entry in batch.entries:
                entry.settle(self._farewell)
        self._quiet.set()  # for a close that lets what runs finish and is overtaken by this one
        for timer in (self._sweeper, self._delay):
            if timer is not None:
                timer.cancel()

    def _pump(self, now: float) -> None:
        while len(self._queue):
            worker = self._choose()
            if worker is None:
                return
            if not worker.under_way and (wait_s := self._queue.due(now)):
                if self._delay is None:
                    self._delay = self._loop.call_later(wait_s, self._delayed)
                return
            entries = self._queue.take(now)
            if not entries:
                return
            self._send(worker, entries, now)

    def _choose(self) -> Worker | None:
        """An idle worker; else the least loaded behind whose batch the next may be staged."""
        busy = []
        for worker in self._workers:
            if worker.room:
                if not worker.under_way:
                    return worker
                busy.append(worker)
        if not busy:
            return None
        rows = [sum(batch.rows for batch in self._of(worker)) for worker in busy]
        least = min(rows)
        worker = busy[rows.index(least)]
        return worker if self._queue.fills(least) and not any(batch.entries[0].alone for batch in self._of(worker)) else None

    def _of(self, worker: Worker) -> list[_Batch]:
        """The batches in a worker, the one that runs first."""
        return [batch for batch in self._running.values() if batch.worker is worker]

    def _send(self, worker: Worker, entries: list[Entry], now: float) -> None:
        rows = [entry.rows for entry in entries]
        batch = _Batch(worker, entries, sum(rows), max(entry.deadline - entry.since for entry in entries), now)
        self._running[id(batch)] = batch
        try:
            worker.send([entry.request for entry in entries], rows, lambda outcome: self._answered(batch, outcome))
        except Exception:
            _log.exception("a batch could not be handed to its worker")
            fault = ZeroMindError(ErrorKind.PREDICT_UNKNOWN, "the prediction failed for an unknown reason; see the server's log")
            self._loop.call_soon(self._answered, batch, fault)

    def _answered(self, batch: _Batch, outcome: Outcome) -> None:
        if self._running.pop(id(batch), None) is None:
            return  # the model was closed at once
        for staged in self._of(batch.worker)[:1]:
            staged.begun = self._clock()
        if isinstance(outcome, ZeroMindError):
            self._failed(batch, outcome)
        else:
            if len(self._queue):
                self._pump(self._clock())  # the worker runs again while these answers are encoded
            for entry, answer in zip(batch.entries, outcome, strict=True):
                entry.settle(answer)
        if not self._running:
            self._quiet.set()

    def _failed(self, batch: _Batch, fault: ZeroMindError) -> None:
        """Answer a lone request with the fault. Of several only one need be to blame: they wait again, to run each by itself."""
        if fault.kind is ErrorKind.WORKER_CRASHED:
            for other in self._of(batch.worker):
                batch.beside = other.beside = True
        if self._farewell is None and (len(batch.entries) > 1 or batch.beside):
            again = [entry for entry in batch.entries if entry.open]
            for entry in again:
                entry.alone = True
            self._queue.put_back(again)
            self.pump()
            return
        for entry in batch.entries:
            entry.settle(fault)

    def _delayed(self) -> None:
        self._delay = None
        self.pump()

    def _sweep_at(self, when: float, now: float) -> None:
        """Have the sweeper come at a time, unless it comes earlier anyway; never oftener than every tick."""
        when = max(when, now + _TICK_S)
        if self._sweeper is not None:
            if self._sweeps <= when:
                return
            self._sweeper.cancel()
        self._sweeps = when
        self._sweeper = self._loop.call_later(when - now, self._sweep)

    def _sweep(self) -> None:
        """Answer what is past its deadline, end what hangs, and come again when that may next be so."""
        self._sweeper = None
        now = self._clock()
        late = self._queue.expire(now)
        late += [entry for batch in self._running.values() for entry in batch.entries if entry.open and entry.deadline <= now]
        for entry in late:
            entry.settle(
                ZeroMindError(ErrorKind.DEADLINE, "the request's time ran out before the model answered ('timeout_s' of the task)")
            )
        for worker in self._workers:
            for batch in self._of(worker)[:1]:
                if batch.hung <= now:
                    worker.kill()
        times = [entry.deadline for batch in self._running.values() for entry in batch.entries if entry.open]
        times += [batch.hung for worker in self._workers for batch in self._of(worker)[:1]]
        waiting = self._queue.next_deadline()
        if waiting is not None:
            times.append(waiting)
        if times:
            self._sweep_at(min(times), now)


def _rows(request: InferRequest) -> int:
    for value in request.inputs.values():
        if not isinstance(value, Encoded) and value.ndim:
            return len(value)
    return 1


def _kind(request: InferRequest) -> list[object]:
    """What must agree for two requests to be joined; of encoded values only the worker can tell."""
    kind: list[object] = []
    for name, value in request.inputs.items():
        kind += (name, None) if isinstance(value, Encoded) else (name, value.dtype, value.shape[1:])
    return kind
