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
"""How long past its last deadline a batch may run before its worker is ended."""
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
    deadline: float


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
        self._delay: asyncio.TimerHandle | None = None
        self._quiet = asyncio.Event()

    @property
    def pending(self) -> int:
        """Requests that wait or run."""
        return len(self._queue) + sum(len(batch.entries) for batch in self._running.values())

    def submit(self, request: InferRequest, deadline: float, reply: Callable[[Answer], None]) -> Entry:
        """Take a request; ``deadline`` on the monotonic clock. Raises BUSY, or why nothing is taken any more."""
        if self._farewell is not None:
            raise self._farewell
        now = self._clock()
        entry = Entry(_rows(request), request.nbytes, deadline, _kind(request), now, request=request, reply=reply)
        self._queue.put(entry)
        self._pump(now)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(max(_TICK_S, deadline - now), self._sweep)
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
        for batch in self._running.values():
            for entry in batch.entries:
                entry.settle(self._farewell)
        self._running.clear()
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
            self._send(worker, entries)

    def _choose(self) -> Worker | None:
        """An idle worker; else one behind whose batch the next may be staged."""
        staging = None
        for worker in self._workers:
            if worker.room:
                if not worker.under_way:
                    return worker
                staging = staging or worker
        if staging is None:
            return None
        running = sum(batch.rows for batch in self._running.values() if batch.worker is staging)
        return staging if self._queue.fills(running) else None

    def _send(self, worker: Worker, entries: list[Entry]) -> None:
        rows = [entry.rows for entry in entries]
        batch = _Batch(worker, entries, sum(rows), max(entry.deadline for entry in entries))
        self._running[id(batch)] = batch
        worker.send([entry.request for entry in entries], rows, lambda outcome: self._answered(batch, outcome))

    def _answered(self, batch: _Batch, outcome: Outcome) -> None:
        if self._running.pop(id(batch), None) is None:
            return  # the model was closed at once
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
        """Answer with the fault; but of a batch whose worker died only one killed it: the others wait again, to run one by one."""
        if fault.kind is ErrorKind.WORKER_CRASHED and len(batch.entries) > 1 and self._farewell is None:
            again = [entry for entry in batch.entries if entry.open]
            for entry in again:
                entry.kind = object()  # equal to no other
            self._queue.put_back(again)
            return
        for entry in batch.entries:
            entry.settle(fault)

    def _delayed(self) -> None:
        self._delay = None
        self.pump()

    def _sweep(self) -> None:
        """Answer what is past its deadline, end what hangs, and come again when that may next be so."""
        self._sweeper = None
        now = self._clock()
        late = self._queue.expire(now)
        for batch in list(self._running.values()):
            late += [entry for entry in batch.entries if entry.deadline <= now]
            if batch.deadline + KILL_GRACE_S <= now:
                batch.worker.kill()
        for entry in late:
            entry.settle(
                ZeroMindError(ErrorKind.DEADLINE, "the request's time ran out before the model answered ('timeout_s' of the task)")
            )
        times = [entry.deadline for batch in self._running.values() for entry in batch.entries if entry.open]
        times += [batch.deadline + KILL_GRACE_S for batch in self._running.values()]
        waiting = self._queue.next_deadline()
        if waiting is not None:
            times.append(waiting)
        if times:
            self._sweeper = self._loop.call_later(max(_TICK_S, min(times) - now), self._sweep)


def _rows(request: InferRequest) -> int:
    for value in request.inputs.values():
        if not isinstance(value, Encoded) and value.ndim:
            return len(value)
    return 1


def _kind(request: InferRequest) -> tuple[object, ...]:
    """What must agree for two requests to be joined; of encoded values only the worker can tell."""
    return tuple(
        (name, None if isinstance(value, Encoded) else (value.dtype.str, value.shape[1:])) for name, value in request.inputs.items()
    )
