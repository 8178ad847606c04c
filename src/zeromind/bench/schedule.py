"""Which request is due when."""

from __future__ import annotations

import math

import numpy as np

from zeromind.tensors import Tensor

KINDS = ("poisson", "constant")
NEVER = math.inf
ALWAYS = -math.inf


def arrivals(kind: str, rate: float, seconds: float, rng: np.random.Generator) -> Tensor:
    """The seconds from the beginning at which requests are due: float64 of shape (round(rate x seconds),), in order, < ``seconds``.

    "constant" spaces them evenly. "poisson" is how independent clients come: given how many there are, the arrivals of a Poisson
    process are that many independent uniform times, in order, so that the number itself need not be left to chance.
    Raises ValueError for another kind.
    """
    count = round(rate * seconds)
    if kind == "constant":
        return np.arange(count) / rate
    if kind == "poisson":
        return np.sort(rng.uniform(0, seconds, count))
    raise ValueError(f"arrivals are {' or '.join(KINDS)}, not {kind!r}")


class Schedule:
    """Requests in the order in which they fall due. It reads no clock: ``now`` and the times are of one that the caller chose.

    Without ``times``, float64 of shape (requests,) in order, a request is due whenever one can be sent, until the schedule is cut.
    """

    def __init__(self, times: Tensor | None = None) -> None:
        self._times = np.append(np.empty(0) if times is None else times, NEVER)
        # Floats of Python's come out of it faster than out of an array.
        self._view = self._times.data
        self._place = 0
        self.next_due = ALWAYS if times is None else self._view[0]
        """When the next request is due; ``NEVER`` behind the last."""

    def take(self, now: float) -> float:
        """Take the next request off; when it was due."""
        due = self.next_due
        if due == ALWAYS:
            return now
        self._place += 1
        self.next_due = self._view[self._place]
        return due

    def skip(self, until: float) -> None:
        """Drop what is due earlier and was not taken."""
        if self.next_due != ALWAYS:
            self._place += int(np.searchsorted(self._times[self._place : -1], until))
            self.next_due = self._view[self._place]

    def cut(self, now: float) -> None:
        """Drop what is due later than now."""
        last = self._place + len(self.behind(now))
        self._times = np.append(self._times[:last], NEVER)
        self._view = self._times.data
        self.next_due = self._view[self._place]

    def behind(self, now: float) -> Tensor:
        """The times of the requests that are due by now and were not taken."""
        times = self._times[self._place : -1]
        return times[: np.searchsorted(times, now, "right")]
