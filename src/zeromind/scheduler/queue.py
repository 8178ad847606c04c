"""The queue of one model: bounded by count and bytes, first come first served, batches formed when a worker is free.

It does no input or output and has no clock: times are passed in, in seconds of any monotonic clock.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from typing import Generic, TypeVar

from zeromind.errors import ErrorKind, ZeroMindError


@dataclasses.dataclass(eq=False, slots=True)
class Waiting:
    """One request in the queue: ``rows`` it adds to a batch, ``nbytes`` it holds, ``kind`` = what must be equal to join a batch.

    ``alone`` is for one that has to run by itself, with nothing before or behind it in its worker.
    """

    rows: int
    nbytes: int
    deadline: float
    kind: object
    since: float
    alone: bool


W = TypeVar("W", bound=Waiting)


class BatchQueue(Generic[W]):
    """Holds what waits; every entry leaves it once for each time it came: by ``take``, ``expire``, ``remove`` or ``clear``."""

    def __init__(self, max_rows: int, max_count: int, max_bytes: int, max_delay_s: float = 0.0) -> None:
        self.max_rows = max_rows
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._max_delay_s = max_delay_s
        self.waiting: collections.OrderedDict[int, W] = collections.OrderedDict()
        """By id, the first to be served first."""
        self.nbytes = 0
        self.rows = 0

    def __len__(self) -> int:
        return len(self.waiting)

    @property
    def full(self) -> bool:
        """Whether no more entries may wait."""
        return len(self.waiting) >= self._max_count

    def put(self, entry: W) -> None:
        """Append an entry. Raises BUSY when a bound would be passed; a single entry may be of any size."""
        if len(self.waiting) >= self._max_count or (self.waiting and self.nbytes + entry.nbytes > self._max_bytes):
            raise ZeroMindError(
                ErrorKind.BUSY, f"{len(self.waiting)} requests wait for this model already: try again shortly", len(self.waiting)
            )
        self.waiting[id(entry)] = entry
        self.nbytes += entry.nbytes
        self.rows += entry.rows

    def put_back(self, entries: Sequence[W]) -> None:
        """Let entries that were taken wait again, before all others, in their order; the bounds have let them in already."""
        for entry in reversed(entries):
            self.waiting[id(entry)] = entry
            self.waiting.move_to_end(id(entry), last=False)
            self.nbytes += entry.nbytes
            self.rows += entry.rows

    def due(self, now: float) -> float:
        """Seconds until a batch should leave although it is not full; 0 if it should now. Of no meaning for an empty queue."""
        if not self._max_delay_s or self.rows >= self.max_rows:
            return 0.0
        oldest = next(iter(self.waiting.values()))
        return max(0.0, oldest.since + self._max_delay_s - now)

    def fills(self, running_rows: int) -> bool:
        """Whether enough waits to stage the next batch behind one that runs: staging less would split what could be joined.

        Of no meaning for an empty queue.
        """
        return self.rows >= min(running_rows, self.max_rows) and not next(iter(self.waiting.values())).alone

    def take(self, now: float, share: int | None = None) -> list[W]:
        """The next batch: the oldest entry in time and those behind it of the same kind, up to the row limit; empty if none waits.

        ``share`` is a lower limit, where there are others who could take some. Entries past their deadline are passed over:
        ``expire`` gives them.
        """
        limit = self.max_rows if share is None else min(share, self.max_rows)
        batch: list[W] = []
        rows = 0
        kind = None
        for entry in self.waiting.values():
            if entry.deadline <= now or (batch and (entry.kind != kind or entry.alone or rows + entry.rows > limit)):
                continue
            if not batch:
                kind = entry.kind
            batch.append(entry)
            rows += entry.rows
            if rows >= limit or entry.alone:
                break
        if len(batch) == len(self.waiting):
            self.waiting.clear()
            self.nbytes = self.rows = 0
            return batch
        for entry in batch:
            self.remove(entry)
        return batch

    def expire(self, now: float) -> list[W]:
        """Take out the entries whose deadline has passed."""
        late = [entry for entry in self.waiting.values() if entry.deadline <= now]
        for entry in late:
            self.remove(entry)
        return late

    def next_deadline(self) -> float | None:
        """The earliest deadline of all that waits; None if nothing does."""
        return min((entry.deadline for entry in self.waiting.values()), default=None)

    def clear(self) -> list[W]:
        """Take out everything."""
        entries = list(self.waiting.values())
        self.waiting.clear()
        self.nbytes = self.rows = 0
        return entries

    def remove(self, entry: W) -> bool:
        """Take an entry out; False if it has left already."""
        if self.waiting.pop(id(entry), None) is None:
            return False
        self.nbytes -= entry.nbytes
        self.rows -= entry.rows
        return True
