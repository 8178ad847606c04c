"""A token bucket: how much of something a client may do in the long run, and how much at once."""

from __future__ import annotations


class Allowance:
    """``rate`` per second, ten seconds of it at once; ``now`` on any clock in seconds."""

    __slots__ = ("_left", "_most", "_rate", "_then")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._most = self._left = 10 * rate
        self._then = now

    def spend(self, now: float) -> bool:
        """Use one; False when there is none left."""
        self._left = min(self._most, self._left + (now - self._then) * self._rate)
        self._then = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
