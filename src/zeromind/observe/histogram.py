"""How long something took, as counts of buckets: fine enough for quantiles, and ten times as cheap as keeping what came."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Sequence

_STEPS = (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8)
"""Of each decade (the series R10 of ISO 3, rounded). What is between two of them is within an eighth of either's middle."""
_USUAL = (1, 2.5, 5)

BOUNDS: tuple[float, ...] = (*(float(f"{step}e{power}") for power in range(-5, 2) for step in _STEPS), 100.0)
"""The upper bounds of the buckets, in seconds, each of which belongs to its bucket; what takes longer is in one more."""
COARSE: tuple[float, ...] = (*(float(f"{step}e{power}") for power in range(-5, 2) for step in _USUAL), 100.0)
"""Those of ``BOUNDS`` that are usual where each costs somebody a time series."""
_PLACES = {bound: place for place, bound in enumerate(BOUNDS)}


class Histogram:
    """Seconds, counted by bucket and summed. Who adds many at once may do so by hand."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        """Something took so long, so many times."""
        self.counts[bisect_left(BOUNDS, seconds)] += count
        self.seconds += count * seconds

    def copy(self) -> Histogram:
        """The same, to keep."""
        made = Histogram()
        made.counts, made.seconds = self.counts.copy(), self.seconds
        return made

    def to_json(self) -> dict[str, object]:
        """``{"counts", "seconds"}``, zeros at the end left out."""
        counts = self.counts
        filled = next((at for at in range(len(counts), 0, -1) if counts[at - 1]), 0)
        return {"counts": counts[:filled], "seconds": self.seconds}

    def upto(self, bounds: Sequence[float]) -> list[int]:
        """How many took at most each of some of ``BOUNDS``, and how many there are."""
        sums = list(itertools.accumulate(self.counts))
        return [*(sums[_PLACES[bound]] for bound in bounds), sums[-1]]


def quantile(counts: Sequence[int], share: float) -> float:
    """The seconds that this share of what was counted took at most, as far as its bucket tells; 0 of nothing."""
    wanted = share * sum(counts)
    below = 0
    for at, count in enumerate(counts):
        if count and below + count >= wanted:
            low = BOUNDS[at - 1] if at else 0.0
            high = BOUNDS[min(at, len(BOUNDS) - 1)]
            return low + (high - low) * max(0.0, wanted - below) / count
        below += count
    return 0.0
