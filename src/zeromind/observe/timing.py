"""Where a request's time went, as it is told to clients, to the access log and to traces."""

from __future__ import annotations

from typing import Protocol, TypeAlias

WORK = b"input;dur=%.3f, model;dur=%.3f, output;dur=%.3f"
"""What ``Server-Timing`` has behind the time in the queue, in milliseconds (W3C Server Timing)."""


class Worker(Protocol):
    """Who ran a request."""

    @property
    def pid(self) -> int | None:
        """Its process, while it has one."""


Work: TypeAlias = "tuple[float, float, float, float, int, Worker]"
"""What was done for a request, and for those of its batch.

When they ceased to wait, on the monotonic clock, the seconds of input, model and output, as ``observe.statistics`` has them, how many
rows ran together, and where. It is made for each batch, which takes a named tuple five times as long.
"""


def field(waited_s: float, work: Work) -> bytes:
    """The value of ``Server-Timing``."""
    _, input_s, model_s, output_s, _, _ = work
    return b"queue;dur=%.3f, %b" % (1e3 * waited_s, WORK % (1e3 * input_s, 1e3 * model_s, 1e3 * output_s))
