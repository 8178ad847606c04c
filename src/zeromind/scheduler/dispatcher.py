"""Drives one model's queue: whichever worker has room takes the next batch, and every answer finds its request.

What waits while the workers are busy is the next batch; an idle worker gets a single request at once, and what else comes in the same
turn of the event loop is staged behind it together. It runs on that loop and never waits: requests come with a function that takes
their answer, workers call back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from zeromind.errors import DEATHS, ErrorKind, ZeroMindError
from zeromind.observe.statistics import Statistics
from zeromind.observe.trace import Sampler
from zeromind.scheduler.account import Account
from zeromind.scheduler.entry import Answer, Batch, Entry, Lane, Outcome, Terms, Worker
from zeromind.scheduler.queue import BatchQueue
from zeromind.tensors import Encoded, InferRequest, InferResponse

_log = logging.getLogger(__name__)

_TICK_S = 0.05
_MOST_DEATHS = 2
"""A request that has taken so many workers with it, the last of them alone, is not run again."""
_LATE = "the request's time ran out before the model answered ('timeout_s' of the task, or the request's own time-out)"


class Dispatcher:
    """Answers every submitted request exactly once: with its result, its fault, or DEADLINE."""

    def __init__(
        self,
        workers: Sequence[Worker],
        queue: BatchQueue[Entry],
        clock: Callable[[], float] = time.monotonic,
        *,
        terms: Terms | None = None,
        account: Account | None = None,
    ) -> None:
        terms = terms or Terms()
        interface = terms.interface
        self._lanes = [Lane(worker) for worker in workers]
        self._queue = queue
        self._clock = clock
        self._uniform = interface is not None and interface.uniform
        self._decoupled = interface is not None and interface.decoupled
        self._parameters = interface is not None and interface.parameters
        self._account = account or Account(Statistics(), Sampler(), clock)
        self._loop = asyncio.get_running_loop()
        self._terms = terms
        self._longest_s = 0.0
        """What a batch took at most."""
        self._farewell: ZeroMindError | None = None
        self._refusing: ZeroMindError | None = None
        """Why nothing is taken at present, or any more."""
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweeps = 0.0
        self._delay: asyncio.TimerHandle | None = None
        self._turning = False
        self._quiet = asyncio.Event()
        self.answering: Batch | None = None
        """Whose answers are being given."""

    @property
    def pending(self) -> int:
        """Requests that are still to be answered."""
        return self.waiting + self.running

    @property
    def waiting(self) -> int:
        """Requests that no worker has yet."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """Requests that workers have, and that are still to be answered."""
        return sum(entry.open for batch in self._running() for entry in batch.entries)

    def submit(self, request: InferRequest, deadline: float, reply: Callable[[Answer], None], came: float | None = None) -> Entry:
        """Take a request that ``came`` then; times are the clock's. Raises BUSY, or why nothing is taken."""
        if self._refusing is not None:
            raise self._refusing.with_traceback(None)  # else it would grow by each request, and hold them all
        now = self._clock()
        rows, nbytes = request.size()
        kind = None if self._uniform else _kind(request, self._parameters)
        if self._turning and self._queue.full:
            self._pump(now)
        entry = Entry(
            rows, nbytes, deadline, kind, now, self._decoupled, request.priority, request, reply, self, now if came is None else came
        )
        self._queue.put(entry)
        if not self._turning:
            lane, share = self._choose()
            if lane is None or lane.batches or not self._feed(lane, share, now):
                self._turning = True
                self._loop.call_soon(self._turn)
        if self._sweeper is None or deadline < self._sweeps:
            self._sweep_at(deadline, now)
        return entry

    def pump(self) -> None:
        """Look for work for the workers: one has room again."""
        if self._queue.count:
            self._pump(self._clock())

    def refuse(self, trouble: ZeroMindError | None) -> None:
        """Take nothing, and answer what waits with that; None: take requests again."""
        if self._farewell is not None:
            return
        self._refusing = trouble
        if trouble is not None:
            for entry in self._queue.clear():
                self._refuse(entry, trouble)

    def withdrawn(self, entry: Entry) -> None:
        """Let nobody work on a request whose client has left."""
        self._queue.remove(entry)
        self._account.failed(entry, None)
        if entry.stream is not None:
            entry.stream.go_on(False)

    async def close(self, at_once: ZeroMindError | None = None) -> None:
        """Refuse what waits, let what runs finish; ``at_once`` is the fault that answers what runs too, now."""
        gone = ZeroMindError(ErrorKind.MODEL_NOT_FOUND, "the model was dropped before it answered this request")
        self._refusing = self._farewell = at_once or gone
        for entry in self._queue.clear():
            self._refuse(entry, self._farewell)
        while self._running() and at_once is None:
            self._quiet.clear()
            await self._quiet.wait()
        running = self._running()
        for lane in self._lanes:
            lane.batches.clear()
        for batch in running:
            for entry in batch.entries:
                self._refuse(entry, self._farewell)
        self._quiet.set()  # for a close that lets what runs finish and is overtaken by this one
        for timer in (self._sweeper, self._delay):
            if timer is not None:
                timer.cancel()

    def _running(self) -> list[Batch]:
        return [batch for lane in self._lanes for batch in lane.batches]

    def _turn(self) -> None:
        """The event loop has seen all that came with this turn."""
        self._turning = False
        self.pump()

    def _pump(self, now: float) -> None:
        while self._queue.count:
            lane, share = self._choose()
            if lane is None or not self._feed(lane, share, now):
                return

    def _feed(self, lane: Lane, share: int, now: float) -> bool:
        """Give a worker its next batch; False if that has to wait."""
        if not lane.batches and (wait_s := self._queue.due(now)):
            if self._delay is None:
                self._delay = self._loop.call_later(wait_s, self._delayed)
            return False
        entries = self._queue.take(now, share)
        if not entries:
            return False
        self._send(lane, entries, now)
        return True

    def _choose(self) -> tuple[Lane | None, int]:
        """An idle worker; else the least loaded behind whose batch the next may be staged. And its fair share of what waits, in rows."""
        chosen, least, open_lanes = None, 0, 0
        for lane in self._lanes:
            if lane.worker.room:
                open_lanes += 1
                if chosen is None or (chosen.batches and (not lane.batches or lane.rows < least)):
                    chosen, least = lane, lane.rows
        if chosen is None or (chosen.batches and (chosen.batches[0].entries[0].alone or not self._queue.fills(least))):
            return None, 0
        return chosen, max(least, -(-self._queue.rows // open_lanes))

    def _send(self, lane: Lane, entries: list[Entry], now: float) -> None:
        rows = [entry.rows for entry in entries]
        batch = Batch(lane, entries, sum(rows), now, uniform=self._uniform)
        lane.batches.append(batch)
        lane.rows += batch.rows
        if self._decoupled:
            entries[0].stream = batch
        until = max([entry.deadline for entry in entries])
        begun = self._clock()
        try:
            lane.worker.send([entry.request for entry in entries], rows, lambda outcome: self._answered(batch, outcome), until)
            batch.handed_s = self._clock() - begun
        except Exception:
            _log.exception("a batch could not be handed to its worker")
            fault = ZeroMindError(ErrorKind.PREDICT_UNKNOWN, "the prediction failed for an unknown reason; see the server's log")
            self._loop.call_soon(self._answered, batch, fault)

    def _answered(self, batch: Batch, outcome: Outcome) -> None:
        lane = batch.lane
        batches = lane.batches
        if batch not in batches:
            return  # the model was closed at once
        arrived = batch.arrived = self._clock()
        if self._decoupled and (response := _partial(outcome)) is not None:
            self._responded(batch, response)
            return
        staged = batches[0] is not batch
        batches.remove(batch)
        lane.rows -= batch.rows
        took_s = arrived - batch.begun
        if took_s > self._longest_s and not isinstance(outcome, ZeroMindError):
            self._longest_s = took_s
        if batches:
            batches[0].begun = arrived
        if isinstance(outcome, ZeroMindError):
            self._failed(batch, outcome, staged)
        else:
            if self._queue.count:
                self._pump(arrived)  # the worker runs again while these answers are encoded
            late: list[Entry] = []
            self.answering = batch
            for entry, answer in zip(batch.entries, outcome, strict=True):
                if not entry.open:  # asked one by one: an answer may make the clients of others leave
                    late.append(entry)
                elif isinstance(answer, ZeroMindError):
                    self._refuse(entry, answer)
                else:
                    entry.settle(answer)
            self.answering = None
            self._account.answered(batch, outcome, arrived, late)
        if self._farewell is not None and not self._running():
            self._quiet.set()

    def _responded(self, batch: Batch, response: InferResponse) -> None:
        """Deliver one of several responses."""
        (entry,) = batch.entries
        batch.awaiting = True
        if entry.open:
            self._account.responded(batch, response)
            entry.deliver(response)
        else:
            batch.go_on(False)

    def _refuse(self, entry: Entry, fault: ZeroMindError) -> None:
        """Answer a request with a fault, if it is not answered yet."""
        if entry.open:
            self._account.failed(entry, fault)
            entry.settle(fault)
            if entry.stream is not None:
                entry.stream.go_on(False)

    def _failed(self, batch: Batch, fault: ZeroMindError, staged: bool) -> None:
        """Have those wait again, each to run by itself, that need not be to blame for the fault of a batch; answer the others with it."""
        again: list[Entry] = []
        for entry in batch.entries:
            if entry.open and self._farewell is None and self._may_run_again(entry, batch, fault, staged):
                entry.alone = True
                again.append(entry)
            else:
                self._refuse(entry, fault)
        self._queue.put_back(again)
        self.pump()

    def _may_run_again(self, entry: Entry, batch: Batch, fault: ZeroMindError, staged: bool) -> bool:
        """Whether a request is run again, now alone, after a fault of its batch, or the death of its worker.

        What was ``staged`` behind another batch has not reached the model; at most its filters have begun. What its worker has not even
        read is to blame for nothing.
        """
        if fault.kind not in DEATHS:
            return len(batch.entries) > 1
        if batch.responses or not (self._terms.retry or staged or not fault.begun):
            return False
        if fault.begun and (not staged or any(isinstance(value, Encoded) for value in entry.request.inputs.values())):
            entry.deaths += 1
        return entry.deaths < _MOST_DEATHS

    def _delayed(self) -> None:
        self._delay = None
        self.pump()

    def _hung(self, lane: Lane) -> float:
        return lane.batches[0].hung(self._longest_s, self._terms.timeout_s)

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
        late += [entry for batch in self._running() for entry in batch.entries if entry.open and entry.deadline <= now]
        for entry in late:
            self._refuse(entry, ZeroMindError(ErrorKind.DEADLINE, _LATE))
        for lane in self._lanes:
            if lane.batches and self._hung(lane) <= now:
                lane.worker.kill()
        times = [entry.deadline for batch in self._running() for entry in batch.entries if entry.open]
        times += [self._hung(lane) for lane in self._lanes if lane.batches]
        waiting = self._queue.next_deadline()
        if waiting is not None:
            times.append(waiting)
        if times:
            self._sweep_at(min(times), now)


def _partial(outcome: Outcome) -> InferResponse | None:
    """The response that is not the last of a stream; None for any other outcome."""
    if isinstance(outcome, ZeroMindError) or isinstance(outcome[0], ZeroMindError) or outcome[0].final:
        return None
    return outcome[0]


def _kind(request: InferRequest, parameters: bool) -> list[object]:
    """What must agree for two requests to be joined; of encoded values only the worker can tell."""
    kind: list[object] = [request.filters]
    if parameters and request.parameters:  # with their types: 1, 1.0 and true are equal
        kind += (request.parameters, [type(value) for value in request.parameters.values()])
    for name, value in request.inputs.items():
        kind += (name, None) if isinstance(value, Encoded) else (name, value.dtype, value.shape[1:])
    return kind
