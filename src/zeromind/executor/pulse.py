"""A worker's pulse, felt by the server: a thread of the worker counts in shared memory as long as it gets to run.

It stands still when the process is halted, or something holds the interpreter's lock, and says nothing of a model that only takes long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

BEAT_S = 0.1
"""How often a worker counts."""
TICK_S = 0.25
"""How often the server looks."""
STILL_TICKS = 4
"""After so many looks without a beat it gets no new work."""
LOST_TICKS = 40
"""After so many it is given up if it has nothing to do: what is idle has no reason to hold the lock."""


class Pulse:
    """Calls ``felt`` at every look with how many of them there was no beat. Looks are counted, not seconds: the server may sleep, too."""

    def __init__(self, beats: Callable[[], int], felt: Callable[[int], None]) -> None:
        self._beats = beats
        self._felt = felt
        self._last = -1
        self._still = 0
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(TICK_S, self._look)

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        beats = self._beats()
        self._still = self._still + 1 if beats == self._last else 0
        self._last = beats
        self._timer = self._loop.call_later(TICK_S, self._look)
        self._felt(self._still)
