"""When a worker that died is started again, and when its model is better not asked at all. No input or output; the clock is passed in."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 30.0
MOST_DEATHS = 5
"""So many in a row without an answer between them open the breaker."""
_HEALTHY_AFTER_S = 60.0


class Backoff:
    """Pauses that double from death to death, until the worker answers something or lives for a minute; ``broken`` after several."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._pause_s = FIRST_PAUSE_S
        self.deaths = 0
        """In a row."""

    @property
    def broken(self) -> bool:
        """Whether it died so often that another death is to be expected."""
        return self.deaths >= MOST_DEATHS

    def started(self) -> None:
        """The worker begins to live."""
        self._started = self._clock()

    def died(self, served: bool) -> float:
        """It has died, after it had answered something or not: how many seconds to wait before it is started again."""
        if served or self._clock() - self._started > _HEALTHY_AFTER_S:
            self.deaths, self._pause_s = 0, FIRST_PAUSE_S
        self.deaths += 1
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, LONGEST_PAUSE_S)
        # Jitter: several workers that one cause killed should not load again in the same instant.
        return min(pause_s * random.uniform(0.8, 1.2), LONGEST_PAUSE_S)  # noqa: S311 - no secret
