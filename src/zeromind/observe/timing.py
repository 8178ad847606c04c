"""Where a request's time went, as it is told to clients, to the access log and to traces."""

from __future__ import annotations

from typing import NamedTuple, Protocol

WORK = b"input;dur=%.3f, model;dur=%.3f, output;dur=%.3f"
"""What ``Server-Timing`` has behind the time in the queue, in milliseconds (W3C Server Timing)."""


class Worker(Protocol):
    """Who ran a request."""

    @property
    def pid(self) -> int | None:
        """Its process, while it has one."""


class Work(NamedTuple):
    """What was done for a request, and for those of its batch: the seconds of each stage, as ``observe.statistics`` has them.

    It ``begun`` then on the monotonic clock, when they ceased to wait; ``rows`` ran together.
    """

    begun: float
    input_s: float
    model_s: float
    output_s: float
    rows: int
    worker: Worker

    def field(self, waited_s: float) -> bytes:
        """The value of ``Server-Timing``."""
        return b"queue;dur=%.3f, %b" % (1e3 * waited_s, WORK % (1e3 * self.input_s, 1e3 * self.model_s, 1e3 * self.output_s))
