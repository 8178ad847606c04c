"""Drives one model's queue: a lane for each worker takes the next batch as soon as that worker is free.

What waits while the workers are busy is the next batch; an idle worker gets a single request at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.scheduler.queue import BatchQueue, Waiting
from zeromind.tensors import Encoded, InferRequest, InferResponse

_log = logging.getLogger(__name__)

Answer: TypeAlias = "InferResponse | ZeroMindError"
_Entry: TypeAlias = "Waiting[tuple[InferRequest, asyncio.Future[InferResponse]]]"


class Worker(Protocol):
    """What a lane drives."""

    async def ready(self) -> None:
        """Return once batches may come, restarting what died where that is needed."""

    async def run(self, batch: Sequence[InferRequest], timeout_s: float) -> list[Answer]:
        """One answer per request; or raise a ZeroMindError, which answers them all."""


class Lane:
    """One worker's turn in the queue."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.wake = asyncio.Event()
        self.busy = False


class Dispatcher:
    """Answers every submitted request exactly once: with its result, its fault, or DEADLINE."""

    def __init__(self, workers: Sequence[Worker], queue: BatchQueue[tuple[InferRequest, asyncio.Future[InferResponse]]]) -> None:
        self._queue = queue
        self._clock: Callable[[], float] = time.monotonic
        self._idle: list[Lane] = []
        self._lanes = [Lane(worker) for worker in workers]
        self._running = 0
        self._closed = False
        self._farewell = _gone()
        self._tasks = [asyncio.create_task(self._drive(lane)) for lane in self._lanes]

    @property
    def pending(self) -> int:
        """Requests that wait or run."""
        return len(self._queue) + self._running

    async def submit(self, request: InferRequest, deadline: float) -> InferResponse:
        """The answer to a request; ``deadline`` on the monotonic clock. Raises BUSY, DEADLINE, or the request's own fault."""
        if self._closed:
            raise self._farewell
        loop = asyncio.get_running_loop()
        future: asyncio.Future[InferResponse] = loop.create_future()
        entry = Waiting((request, future), _rows(request), request.nbytes, deadline, _kind(request))
        self._queue.put(entry)
        timer = loop.call_later(max(0.0, deadline - self._clock()), self._expire, entry)
        if self._idle:
            self._idle.pop().wake.set()
        try:
            return await future
        finally:
            timer.cancel()
            self._queue.remove(entry)  # a client that left must not reach the model

    def rouse(self) -> None:
        """Let the lanes look at their workers again: one has died."""
        for lane in self._idle:
            lane.wake.set()
        self._idle.clear()

    async def close(self, at_once: ZeroMindError | None = None) -> None:
        """Refuse what waits, let what runs finish, end the lanes; ``at_once`` is the fault that answers what runs too, now."""
        self._closed = True
        self._farewell = at_once or self._farewell
        for entry in self._queue.clear():
            _settle(entry, self._farewell)
        for lane, task in zip(self._lanes, self._tasks, strict=True):
            if at_once or not lane.busy:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drive(self, lane: Lane) -> None:
        while not self._closed:
            await lane.worker.ready()
            batch = self._queue.take(self._clock())
            if batch:
                lane.busy = True
                await self._run(lane, batch)
                lane.busy = False
            else:
                lane.wake.clear()
                self._idle.append(lane)
                await lane.wake.wait()

    async def _run(self, lane: Lane, batch: list[_Entry]) -> None:
        count = len(batch)
        self._running += count
        answers: Sequence[Answer]
        try:
            timeout_s = max(entry.deadline for entry in batch) - self._clock()
            answers = await lane.worker.run([entry.item[0] for entry in batch], max(0.0, timeout_s))
        except ZeroMindError as error:
            again = self._separate(batch) if error.kind is ErrorKind.WORKER_CRASHED and len(batch) > 1 and not self._closed else []
            batch = [entry for entry in batch if entry not in again]
            answers = [error] * len(batch)
        except asyncio.CancelledError:
            answers = [self._farewell] * len(batch)
            raise
        except Exception:
            _log.exception("a batch failed for an unknown reason")
            unknown = ZeroMindError(ErrorKind.PREDICT_UNKNOWN, "the prediction failed for an unknown reason; see the server's log")
            answers = [unknown] * len(batch)
        finally:
            self._running -= count
            for entry, answer in zip(batch, answers, strict=True):
                _settle(entry, answer)

    def _separate(self, batch: list[_Entry]) -> list[_Entry]:
        """Let those of a batch whose clients still wait, wait again, to run one by one: only one of them killed the worker."""
        again = [entry for entry in batch if not entry.item[1].done()]
        for entry in again:
            entry.kind = object()  # equal to no other
        self._queue.put_back(again)
        return again

    def _expire(self, entry: _Entry) -> None:
        self._queue.remove(entry)
        _settle(entry, ZeroMindError(ErrorKind.DEADLINE, "the request's time ran out before the model answered ('timeout_s' of the task)"))


def _settle(entry: _Entry, answer: Answer) -> None:
    future = entry.item[1]
    if future.done():
        return
    if isinstance(answer, ZeroMindError):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def _gone() -> ZeroMindError:
    return ZeroMindError(ErrorKind.MODEL_NOT_FOUND, "the model was dropped before it answered this request")


def _rows(request: InferRequest) -> int:
    return max((len(value) for value in request.inputs.values() if not isinstance(value, Encoded) and value.ndim), default=1)


def _kind(request: InferRequest) -> tuple[object, ...]:
    """What must agree for two requests to be joined; of encoded values only the worker can tell."""
    return tuple(
        (name, None if isinstance(value, Encoded) else (value.dtype.str, value.shape[1:])) for name, value in request.inputs.items()
    )
