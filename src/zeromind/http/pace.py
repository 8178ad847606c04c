"""Whether a client takes its answer fast enough."""

from __future__ import annotations

from zeromind.limits import HttpLimits


class Pace:
    """Watches the bytes that wait to be sent, from ``begin`` on."""

    __slots__ = ("_limits", "_since", "unsent")

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._since = 0.0
        self.unsent = 0
        """What would wait had the client taken nothing since it last kept the pace; whoever writes adds to it."""

    def begin(self, unsent: int, now: float) -> None:
        """From ``now`` on the client is expected to take the bytes that wait."""
        self.unsent, self._since = unsent, now

    def kept(self, unsent: int, now: float) -> bool:
        """Whether a client that has left ``unsent`` bytes should get more time: not with none, nor after ``write_s`` below its rate."""
        if self.unsent - unsent >= self._limits.min_rate * self._limits.write_s:
            self.begin(unsent, now)
        return unsent > 0 and now - self._since < self._limits.write_s
