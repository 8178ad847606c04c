"""Where a request's time went, as it is told to clients, to the access log and to traces."""

from __future__ import annotations

from typing import NamedTuple, Protocol


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
        """The stages as the value of ``Server-Timing``, in milliseconds (W3C Server Timing)."""
        return b"queue;dur=%.3f, input;dur=%.3f, model;dur=%.3f, output;dur=%.3f" % self.milliseconds

    @property
    def milliseconds(self) -> tuple[float, float, float, float]:
        """The four stages."""
        return self[0] * 1e3, self[1] * 1e3, self[2] * 1e3, self[3] * 1e3
