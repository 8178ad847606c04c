"""The queue of one model: bounded by count and bytes, first come first served, batches formed when a worker is free.

It does no input or output and has no clock: times are passed in, in seconds of any monotonic clock.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from zeromind.errors import ErrorKind, ZeroMindError

T = TypeVar("T")


@dataclasses.dataclass(eq=False, slots=True)
class Waiting(Generic[T]):
    """One request in the queue: ``rows`` it adds to a batch, ``nbytes`` it holds, ``kind`` = what must be equal to join a batch."""

    item: T
    rows: int
    nbytes: int
    deadline: float
    kind: Hashable = None


class BatchQueue(Generic[T]):
    """Holds what waits; every entry leaves it once for each time it came: by ``take``, ``expire``, ``remove`` or ``clear``."""

    def __init__(self, max_rows: int, max_count: int, max_bytes: int) -> None:
        self._max_rows = max_rows
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._waiting: collections.OrderedDict[int, Waiting[T]] = collections.OrderedDict()
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, entry: Waiting[T]) -> None:
        """Append an entry. Raises BUSY when a bound would be passed; a single entry may be of any size."""
        if len(self._waiting) >= self._max_count or (self._waiting and self.nbytes + entry.nbytes > self._max_bytes):
            raise ZeroMindError(
                ErrorKind.BUSY, f"{len(self._waiting)} requests wait for this model already: try again shortly", len(self._waiting)
            )
        self._waiting[id(entry)] = entry
        self.nbytes += entry.nbytes

    def put_back(self, entries: Sequence[Waiting[T]]) -> None:
        """Let entries that were taken wait again, before all others, in their order; the bounds have let them in already."""
        for entry in reversed(entries):
            self._waiting[id(entry)] = entry
            self._waiting.move_to_end(id(entry), last=False)
            self.nbytes += entry.nbytes

    def take(self, now: float) -> list[Waiting[T]]:
        """The next batch: the oldest entry in time and those behind it of the same kind, up to the row limit; empty if none waits.

        Entries past their deadline are passed over: ``expire`` gives them.
        """
        batch: list[Waiting[T]] = []
        rows = 0
        for entry in self._waiting.values():
            if entry.deadline <= now or (batch and (entry.kind != batch[0].kind or rows + entry.rows > self._max_rows)):
                continue
            batch.append(entry)
            rows += entry.rows
            if rows >= self._max_rows:
                break
        for entry in batch:
            self.remove(entry)
        return batch

    def expire(self, now: float) -> list[Waiting[T]]:
        """Take out the entries whose deadline has passed."""
        late = [entry for entry in self._waiting.values() if entry.deadline <= now]
        for entry in late:
            self.remove(entry)
        return late

    def clear(self) -> list[Waiting[T]]:
        """Take out everything."""
        entries = list(self._waiting.values())
        self._waiting.clear()
        self.nbytes = 0
        return entries

    def remove(self, entry: Waiting[T]) -> bool:
        """Take an entry out; False if it has left already."""
        if self._waiting.pop(id(entry), None) is None:
            return False
        self.nbytes -= entry.nbytes
        return True
