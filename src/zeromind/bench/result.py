"""What a run of load came to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from zeromind.tensors import Tensor

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
NO_ANSWER = {
    "timeout": "sent, but not answered in time",
    "unsent": "never sent, since no connection became free in time",
    "lost": "the connection closed before the answer was complete",
    "garbled": "what came back was no HTTP",
}
"""How requests fail other than with a status."""

_BEHIND = 0.05  # of the measured time: so far a schedule may be behind at its end and still count as kept
_LEAST_BEHIND_S = 0.1
_BUSY_SHARE = 0.9
_LATE_MS = 5.0
_WAITED = 0.01


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """One run. Requests of the warm-up are in none of the figures.

    ``rate``           requests per second that were due; None for a closed loop
    ``connections``    how many there were, in a closed loop the clients
    ``seconds``        how long it was measured
    ``requests``       how many fell due; each is in exactly one of ``answered``, ``failed`` (by status or ``NO_ANSWER``) and
                       ``unfinished`` (under way when the run was interrupted)
    ``sent``           how many of them went out
    ``throughput``     good answers (2xx) per second that came while it was measured
    ``latency_ms``     mean, p50 … p99.9, max, in milliseconds from when a request was due to its good answer; one that was given up
                       counts with the time until then, one that failed does not count; empty if there is nothing to count
    ``waited``         how many found every connection busy when they fell due
    ``behind_s``       how long ago, at the end, the request had fallen due that was next to be sent
    ``backlog``        how many were due and not sent then
    ``late_ms``        how late the generator sent though a connection was free: the 99th percentile
    ``generator_us``   processor time of the generator per good answer, in microseconds
    ``generator_share``  the part of one processor that it had
    ``messages``       what the server said to the first request of each failing status
    """

    rate: float | None
    connections: int
    seconds: float
    requests: int
    sent: int
    answered: int
    failed: Mapping[str, int]
    unfinished: int
    throughput: float
    latency_ms: Mapping[str, float]
    waited: int
    behind_s: float
    backlog: int
    late_ms: float
    generator_us: float
    generator_share: float
    interrupted: bool
    gone: bool
    messages: Mapping[str, str]

    @property
    def failures(self) -> int:
        """How many requests failed, in whatever way."""
        return sum(self.failed.values())

    @property
    def behind(self) -> bool:
        """Whether the end came with more to be sent than noise explains."""
        return self.behind_s > max(_LEAST_BEHIND_S, _BEHIND * self.seconds)

    @property
    def verdict(self) -> str:
        """Whether the schedule was kept, and whose fault it is if not, in one sentence."""
        needs = f"{self.generator_us:.0f} µs of a processor for each request and {self.generator_share:.0%} of one in all"
        waited = f"{self.waited / max(1, self.requests):.0%} of the requests waited for one of the {self.connections} connections"
        verdicts = (
            (self.gone, "the server has gone: no connection to it could be opened any more"),
            (not self.requests, "no request fell into the time that was measured: give it longer"),
            (
                self.behind and self.generator_share > _BUSY_SHARE,
                f"the load generator did not keep up: it took {needs}; ask for less, or run several of it",
            ),
            (
                self.behind,
                f"the server did not keep up: at the end it was {self.behind_s:.1f} s behind, {self.backlog:,} requests due and unsent",
            ),
            (self.rate is None, "each client sent its next request when it had its answer"),
            (
                self.late_ms > _LATE_MS,
                f"the load generator was late itself (p99 {self.late_ms:.1f} ms): other programs leave it too little of the processors",
            ),
            (self.waited > _WAITED * self.requests, f"the schedule was kept, but {waited}"),
            (True, "the schedule was kept"),
        )
        return next(sentence for holds, sentence in verdicts if holds)

    def as_dict(self) -> dict[str, Any]:
        """Its fields and its verdict, for JSON."""
        return {**dataclasses.asdict(self), "verdict": self.verdict}


def summary(seconds: Tensor) -> dict[str, float]:
    """Mean, percentiles and maximum, in milliseconds, of latencies in seconds, shape (n,); empty for none.

    A percentile is the smallest latency that at least so many of a hundred do not exceed; nothing is interpolated.
    """
    if not seconds.size:
        return {}
    values = np.percentile(seconds, PERCENTILES, method="inverted_cdf")
    named = {f"p{percent:g}": value for percent, value in zip(PERCENTILES, values, strict=True)}
    return {name: round(float(value) * 1000, 4) for name, value in {"mean": seconds.mean(), **named, "max": seconds.max()}.items()}
