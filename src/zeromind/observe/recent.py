"""What histograms counted in about the last minute, for quantiles that say how it goes now."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import TypeAlias

WINDOW_S = 60.0
_LEAST_S = 5.0
"""How far apart what is kept lies, whoever asks how often."""
Counts: TypeAlias = "Sequence[Sequence[int]]"


class Recent:
    """Keeps what was counted when somebody looked, and takes it off what is counted now."""

    def __init__(self) -> None:
        self._kept: collections.deque[tuple[float, Counts]] = collections.deque()

    def since(self, now: float, counts: Counts) -> list[list[int]]:
        """What of these counts came since somebody looked about a window ago, or at all; times are in seconds of one clock."""
        while len(self._kept) > 1 and self._kept[1][0] <= now - WINDOW_S:
            self._kept.popleft()
        before = self._kept[0][1] if self._kept else [[0] * len(one) for one in counts]
        if not self._kept or now - self._kept[-1][0] >= _LEAST_S:
            self._kept.append((now, counts))
        return [[new - old for new, old in zip(*pair, strict=True)] for pair in zip(counts, before, strict=True)]
