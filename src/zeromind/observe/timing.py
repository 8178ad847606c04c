"""Where a request's time went, as it is told to clients, to the access log and to traces."""

from __future__ import annotations

from typing import NamedTuple, Protocol

WORK = b"input;dur=%.3f, model;dur=%.3f, output;dur=%.3f"
"""What ``Server-Timing`` has in common for all requests of a run, behind their time in the queue, in milliseconds (W3C Server Timing)."""


class Worker(Protocol):
    """Who ran a request."""

    @property
    def pid(self) -> int | None:
        """Its process, while it has one."""


class Timing(NamedTuple):  # one is made for each request
    """The stages of a request in seconds, as ``observe.statistics`` has them: what joined it in its batch counts as its own.

    ``arrived`` is when its answer came from the worker, on the monotonic clock in seconds; ``rows`` ran together.
    """

    queue_s: float
    input_s: float
    model_s: float
    output_s: float
    arrived: float
    rows: int
    worker: Worker

    @property
    def field(self) -> bytes:
        """The stages as the value of ``Server-Timing``."""
        queue_s, input_s, model_s, output_s = self[:4]
        return b"queue;dur=%.3f, %b" % (1e3 * queue_s, WORK % (1e3 * input_s, 1e3 * model_s, 1e3 * output_s))
