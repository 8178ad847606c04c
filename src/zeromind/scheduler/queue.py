"""The queue of one model: bounded by count and bytes, by urgency and then in order, batches formed when a worker is free.

It does no input or output and has no clock: times are passed in, in seconds of any monotonic clock.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from zeromind.errors import ErrorKind, ZeroMindError


@dataclasses.dataclass(eq=False, slots=True)
class Waiting:
    """One request in the queue: ``rows`` it adds to a batch, ``nbytes`` it holds, ``kind`` = what must be equal to join a batch.

    ``alone`` is for one that has to run by itself, with nothing before or behind it in its worker. ``priority`` is the less the more
    urgent it is.
    """

    rows: int
    nbytes: int
    deadline: float
    kind: object
    since: float
    alone: bool
    priority: int


W = TypeVar("W", bound=Waiting)


class BatchQueue(Generic[W]):
    """Holds what waits; every entry leaves it once for each time it came: by ``take``, ``expire``, ``remove`` or ``clear``."""

    def __init__(self, max_rows: int, max_count: int, max_bytes: int, max_delay_s: float = 0.0) -> None:
        self.max_rows = max_rows
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._max_delay_s = max_delay_s
        self._usual: collections.OrderedDict[int, W] = collections.OrderedDict()
        """What waits with the priority 0, by id, the first to be served first."""
        self._levels: dict[int, collections.OrderedDict[int, W]] = {0: self._usual}
        """What waits with each priority, the most urgent first."""
        self.count = 0
        self.nbytes = 0
        self.rows = 0

    def __len__(self) -> int:
        return self.count

    @property
    def full(self) -> bool:
        """Whether no more entries may wait."""
        return self.count >= self._max_count

    def put(self, entry: W) -> None:
        """Append an entry to those as urgent. Raises BUSY when a bound would be passed; a single entry may be of any size."""
        if self.count >= self._max_count or (self.count and self.nbytes + entry.nbytes > self._max_bytes):
            raise ZeroMindError(ErrorKind.BUSY, f"{self.count} requests wait for this model already: try again shortly", self.count)
        level = self._level(entry.priority) if entry.priority else self._usual
        level[id(entry)] = entry
        self.count += 1
        self.nbytes += entry.nbytes
        self.rows += entry.rows

    def put_back(self, entries: Sequence[W]) -> None:
        """Let entries that were taken wait again, before all as urgent, in their order; the bounds have let them in already."""
        for entry in reversed(entries):
            level = self._level(entry.priority)
            level[id(entry)] = entry
            level.move_to_end(id(entry), last=False)
            self.count += 1
            self.nbytes += entry.nbytes
            self.rows += entry.rows

    def due(self, now: float) -> float:
        """Seconds until a batch should leave although it is not full; 0 if it should now. Of no meaning for an empty queue."""
        if not self._max_delay_s or self.rows >= self.max_rows:
            return 0.0
        oldest = min(next(iter(level.values())).since for level in self._levels.values() if level)
        return max(0.0, oldest + self._max_delay_s - now)

    def fills(self, running_rows: int) -> bool:
        """Whether enough waits to stage the next batch behind one that runs: staging less would split what could be joined.

        Of no meaning for an empty queue.
        """
        return self.rows >= min(running_rows, self.max_rows) and not next(self._waiting()).alone

    def take(self, now: float, share: int | None = None) -> list[W]:
        """The next batch: the oldest entry in time and those behind it of the same kind, up to the row limit; empty if none waits.

        ``share`` is a lower limit, where there are others who could take some. Entries past their deadline are passed over:
        ``expire`` gives them.
        """
        limit = self.max_rows if share is None else min(share, self.max_rows)
        batch: list[W] = []
        rows = 0
        kind = None
        for entry in self._waiting():
            if entry.deadline <= now or (batch and (entry.kind != kind or entry.alone or rows + entry.rows > limit)):
                continue
            if not batch:
                kind = entry.kind
            batch.append(entry)
            rows += entry.rows
            if rows >= limit or entry.alone:
                break
        if len(batch) == self.count:
            self._empty()
            return batch
        for entry in batch:
            self.remove(entry)
        return batch

    def expire(self, now: float) -> list[W]:
        """Take out the entries whose deadline has passed."""
        late = [entry for entry in self._waiting() if entry.deadline <= now]
        for entry in late:
            self.remove(entry)
        return late

    def next_deadline(self) -> float | None:
        """The earliest deadline of all that waits; None if nothing does."""
        return min((entry.deadline for entry in self._waiting()), default=None)

    def clear(self) -> list[W]:
        """Take out everything."""
        entries = list(self._waiting())
        self._empty()
        return entries

    def remove(self, entry: W) -> bool:
        """Take an entry out; False if it has left already."""
        level = self._levels.get(entry.priority)
        if level is None or level.pop(id(entry), None) is None:
            return False
        self.count -= 1
        self.nbytes -= entry.nbytes
        self.rows -= entry.rows
        return True

    def _waiting(self) -> Iterator[W]:
        """What waits, the first to be served first."""
        if len(self._levels) == 1:
            return iter(self._usual.values())
        return itertools.chain.from_iterable([level.values() for level in self._levels.values()])

    def _level(self, priority: int) -> collections.OrderedDict[int, W]:
        """What waits with a priority."""
        if priority not in self._levels:
            self._levels[priority] = collections.OrderedDict()
            self._levels = dict(sorted(self._levels.items()))
        return self._levels[priority]

    def _empty(self) -> None:
        for level in self._levels.values():
            level.clear()
        self.count = self.nbytes = self.rows = 0
