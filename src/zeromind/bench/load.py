"""Load on a running server: requests on a schedule (an open loop), or as fast as so many clients get answers (a closed one).

In an open loop no request waits for another's answer, as the world's clients do not, and latency counts from when a request was due.
So a server that stalls cannot hide behind requests that nobody sent meanwhile, which is called coordinated omission (G. Tene,
"How NOT to Measure Latency").
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable

import numpy as np

from zeromind.bench.alarm import Alarm
from zeromind.bench.call import Call
from zeromind.bench.connection import Connection
from zeromind.bench.result import Result
from zeromind.bench.schedule import NEVER, Schedule, arrivals
from zeromind.bench.tally import Tally

_TICK_S = 0.05
_RETRY_S = 0.2
_TOGETHER = 100  # connections that are opened at once
_AFTER_STOP_S = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be: ``rate`` in requests per second, None for a closed loop; ``warmup_s`` comes before ``seconds``."""

    rate: float | None
    seconds: float
    warmup_s: float = 0.0
    arrivals: str = "poisson"
    connections: int = 64
    timeout_s: float = 10.0

    def schedule(self, now: float, rng: np.random.Generator) -> Schedule:
        """The schedule of a run that begins now with its warm-up."""
        if self.rate is None:
            return Schedule()
        warm = arrivals(self.arrivals, self.rate, self.warmup_s, rng)
        return Schedule(now + np.concatenate([warm, self.warmup_s + arrivals(self.arrivals, self.rate, self.seconds, rng)]))


class Load:
    """One run: ``await run()``, which ``stop`` ends early. ``tally`` holds the counts so far."""

    def __init__(self, call: Call, plan: Plan, rng: np.random.Generator | None = None) -> None:
        self.tally = Tally()
        self._call = call
        self._plan = plan
        self._rng = rng or np.random.default_rng()
        self._wire = call.wire()
        self._schedule = Schedule(np.empty(0))
        self._connections: set[Connection] = set()
        self._idle: list[Connection] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._refused = 0.0  # when a connection was last refused
        self._seen = 0.0  # when there was last one
        self._armed = NEVER  # what the alarm is set to
        self._deadline = NEVER
        self._running = False
        self._ended = False
        self._interrupted = False
        self._gone = False

    async def run(self, watch: Callable[[float], None] | None = None) -> Result:
        """Load the server as planned and tell how it went; ``watch`` gets the seconds since the start, now and then.

        Lasts at most the plan's warm-up, seconds and timeout together. Raises OSError if the connections cannot be opened.
        """
        loop = asyncio.get_running_loop()
        plan = self._plan
        self._alarm = Alarm(loop, self._rang)
        timers: list[asyncio.TimerHandle] = []
        try:
            await self._connect()
            start = time.monotonic()
            self._begin(start)
            timers = [
                loop.call_later(plan.warmup_s, self._mark),
                loop.call_later(plan.warmup_s + plan.seconds, self._end),
            ]
            while not self._over():
                await asyncio.sleep(_TICK_S)
                self._tend()
                if watch is not None:
                    watch(time.monotonic() - start)
            self._leave()
            return self.tally.result(plan.rate, plan.connections, self._interrupted, self._gone)
        finally:
            for timer in timers:
                timer.cancel()
            await self._close()

    def stop(self) -> None:
        """Send nothing more that is not due yet, and wait only shortly for answers; called again, not at all."""
        wait_s = 0.0 if self._interrupted else _AFTER_STOP_S
        self._interrupted = True
        self._end()
        self._deadline = min(self._deadline, time.monotonic() + wait_s)

    # the way of a request

    def _send(self, now: float, starved: bool = False) -> None:
        """Send what is due while there are connections, then set the alarm; ``starved``: there was no connection until now."""
        idle, schedule, note = self._idle, self._schedule, self.tally.sent
        while idle and schedule.next_due <= now:
            due = schedule.take(now)
            idle.pop().send(due, now)
            note(due, now, starved)
        if idle and schedule.next_due < self._armed:
            self._armed = schedule.next_due
            self._alarm.set(self._armed)

    def _rang(self) -> None:
        self._armed = NEVER
        self._send(time.monotonic())

    def answered(self, connection: Connection, status: int) -> None:
        """A connection has its answer; called by it."""
        now = time.monotonic()
        if 200 <= status < 300:
            self.tally.answered(connection.due, now)
        else:
            self.tally.failed(str(status), connection.due, connection.tail)
        if connection.open:
            self._free(connection, now)

    def _free(self, connection: Connection, now: float) -> None:
        """A connection can take a request."""
        starved = not self._idle
        self._idle.append(connection)
        next_due = self._schedule.next_due
        if next_due <= now or next_due < self._armed:
            self._send(now, starved)

    # connections

    async def _connect(self) -> None:
        for first in range(0, self._plan.connections, _TOGETHER):
            count = min(_TOGETHER, self._plan.connections - first)
            for failure in await asyncio.gather(*[self._open() for _ in range(count)], return_exceptions=True):
                if failure is not None:
                    raise failure

    async def _open(self) -> None:
        address = self._call.address
        making = asyncio.get_running_loop().create_connection(
            lambda: Connection(self, self._wire), address.host, address.port, ssl=True if address.tls else None
        )
        try:
            _, connection = await asyncio.wait_for(making, self._plan.timeout_s)
        except asyncio.TimeoutError:
            raise OSError(f"no connection within {self._plan.timeout_s:g} s") from None
        if not connection.open:
            raise OSError("the server closes connections at once")
        self._connections.add(connection)
        self._free(connection, time.monotonic())

    async def _reopen(self) -> None:
        try:
            await self._open()
        except OSError:
            self._refused = time.monotonic()

    def lost(self, connection: Connection, garbled: bool) -> None:
        """A connection has closed; called by it."""
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection.sent:
            self.tally.failed("garbled" if garbled else "lost", connection.due)
            connection.sent = 0.0
        if not connection.due:  # it was of no use: that is as good as refused
            self._refused = time.monotonic()
        self._refill()

    def _refill(self) -> None:
        """Open as many connections as are missing, unless that has just failed."""
        if self._running and time.monotonic() - self._refused > _RETRY_S:
            for _ in range(self._plan.connections - len(self._connections) - len(self._opening)):
                task = asyncio.ensure_future(self._reopen())
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)

    def _tend(self) -> None:
        """What has to be looked at from time to time: requests that wait too long, connections that are missing."""
        now = time.monotonic()
        for connection in [one for one in self._connections if one.sent and now - one.sent > self._plan.timeout_s]:
            self._give_up(connection, "timeout")
        self._refill()
        if self._connections:
            self._seen = now
        elif now - self._seen > self._plan.timeout_s:
            self._gone = True
            self._end()

    def _give_up(self, connection: Connection, how: str) -> None:
        self.tally.gave_up(connection.due, time.monotonic(), how)
        connection.sent = 0.0
        connection.abort()

    async def _close(self) -> None:
        self._running = False
        self._alarm.close()
        for task in list(self._opening):
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)

    # beginning and end

    def _begin(self, now: float) -> None:
        if self._interrupted:
            return
        self.tally.begin = now + self._plan.warmup_s
        self._deadline = self.tally.begin + self._plan.seconds + self._plan.timeout_s
        self._seen = now
        self._running = True
        self._schedule = self._plan.schedule(now, self._rng)
        self._send(now)

    def _mark(self) -> None:
        """The warm-up is over: what it left unsent must not hold up what is measured."""
        self._schedule.skip(self.tally.begin)
        self.tally.mark(time.monotonic())

    def _end(self) -> None:
        """The time is over, or cut short: what is due and not sent will still be, until the deadline."""
        if not self._ended:
            self._ended = True
            now = time.monotonic()
            self.tally.ended(now, self._schedule.behind(now))
            # Not at a time: timers of the loop may be early by a millisecond, in which the last request may be due.
            self._schedule.cut(now if self._interrupted else NEVER)

    def _over(self) -> bool:
        if self._gone or time.monotonic() > self._deadline:
            return True
        return self._ended and self._schedule.next_due == NEVER and not any(one.sent for one in self._connections)

    def _leave(self) -> None:
        """Give up what is under way, and what was never sent."""
        for connection in [one for one in self._connections if one.sent]:
            self._give_up(connection, "" if self._interrupted else "timeout")
        now = time.monotonic()
        for due in self._schedule.behind(now):
            self.tally.gave_up(due, now, "" if self._interrupted else "unsent")
