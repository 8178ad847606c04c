"""What happens to the workers of one model, for people to read: what they do while they load, what they say, how they failed.

It outlives them, as it is asked for when something has gone wrong.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from zeromind.errors import ZeroMindError

MOST_LINES = 200
_MOST_LENGTH = 1000
"""Of a line that is kept, in characters."""
_MOST_CHARACTERS = 1 << 16
"""Of them all."""
_MOST_STAGE = 100


class Line(NamedTuple):
    """What a process wrote to its standard error, and when, in seconds since 1970."""

    time: float
    pid: int
    text: str


class Fault(NamedTuple):
    """What went wrong, and when, in seconds since 1970."""

    time: float
    error: ZeroMindError

    def to_json(self) -> dict[str, Any]:
        """``{"message", "time", "kind"}``."""
        return {"message": self.error.message, "time": self.time, "kind": self.error.kind.name}


class Diary:
    """Of one model. Bounded, as a worker is not to be trusted."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.now = clock
        self.lines: collections.deque[Line] = collections.deque()
        self.stage = "starting"
        """What is done to load it."""
        self.fault: Fault | None = None
        """The last one."""
        self._characters = 0

    def hear(self, pid: int, texts: Sequence[str]) -> None:
        """A worker has written lines; the last are kept."""
        now = self.now()
        for text in texts[-MOST_LINES:]:
            kept = text[:_MOST_LENGTH]
            self.lines.append(Line(now, pid, kept))
            self._characters += len(kept)
        while len(self.lines) > MOST_LINES or self._characters > _MOST_CHARACTERS:
            self._characters -= len(self.lines.popleft().text)

    def reach(self, stage: str) -> None:
        """A worker says what it does next."""
        self.stage = "".join(letter for letter in stage[:_MOST_STAGE] if letter.isprintable())

    def failed(self, error: ZeroMindError) -> None:
        """Loading failed, or a worker."""
        self.fault = Fault(self.now(), error)
