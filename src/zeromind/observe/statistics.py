"""What a model has done: counts and durations, as the Open Inference Protocol's statistics extension names them.

Seconds are summed as they come and told in nanoseconds. For each request ``success`` or ``fail`` is the whole time from its coming to
its answer; ``queue``, ``compute_input``, ``compute_infer`` and ``compute_output`` are that time's parts, its decoding and encoding aside:
waiting, the model's inputs (filters, joining, copying), the model, and its outputs. Each is also counted in a histogram.
"""

from __future__ import annotations

import dataclasses
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from zeromind.observe.histogram import BOUNDS, Histogram
from zeromind.observe.recent import Recent
from zeromind.tensors import Run

_MOST_SIZES = 1000
"""Clients choose how many rows they send; runs of sizes beyond so many are counted with the next lower power of two."""
_MOST_RESPONSES = 1000
"""A stream's responses beyond are counted with the one that has this number."""
STAGES = ("request", "queue", "input", "model", "output")
"""The whole of a request, and its parts."""
CANCELLED = "CANCELLED"
"""The failure of a request whose client did not wait; any other has the name of its ErrorKind."""


@dataclasses.dataclass(slots=True)
class Duration:
    """How often something happened, and how many seconds it took in all."""

    count: int = 0
    seconds: float = 0.0

    def add(self, count: int, seconds: float) -> None:
        """Count some more."""
        self.count += count
        self.seconds += seconds

    def to_json(self) -> dict[str, int]:
        """``{"count", "ns"}``."""
        return {"count": self.count, "ns": max(0, round(self.seconds * 1e9))}


class Timed(Protocol):
    """A request: when it came, and since when it waited, in seconds of the monotonic clock."""

    came: float
    since: float


class _Named:
    """Durations by name."""

    def __init__(self, *names: str) -> None:
        self._durations = {name: Duration() for name in names}

    def __getitem__(self, name: str) -> Duration:
        return self._durations[name]

    def to_json(self) -> dict[str, Any]:
        return {name: duration.to_json() for name, duration in self._durations.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """The counts of one moment. ``recent`` are those of about the last minute by stage and bucket, ``first`` is of streams."""

    requests: int
    rows: int
    failures: Mapping[str, int]
    batch_sizes: Mapping[int, int]
    stages: Mapping[str, Histogram]
    first: Histogram
    recent: Mapping[str, Sequence[int]]


class Statistics:
    """Of one model since it was loaded."""

    def __init__(self) -> None:
        self.requests = 0
        """How many were answered with a result."""
        self.rows = 0
        """How many rows the model was run on."""
        self.request, self.queue, self.input, self.model, self.output = (Histogram() for _ in STAGES)
        self.first = Histogram()
        """How long a stream's client waited for its first response."""
        self.failures: dict[str, int] = {}
        """By kind."""
        self._fail = Duration()
        self._batches: dict[int, list[float]] = {}
        """By rows: how many runs, and their seconds for inputs, model and outputs."""
        self._responses: dict[int, _Named] = {}
        self._last = 0.0
        self._recent = Recent()

    def ran(self, run: Run, requests: Sequence[Timed], times: tuple[float, float, float]) -> None:
        """A run has answered these requests: how long it took to hand their tensors over, when its answer arrived, when it was given.

        Times are on the clock of the requests' own. As this is done for each batch, it only adds; others put it together.
        """
        rows, infer_s, input_s, output_s = run
        handed_s, arrived, done = times
        input_s += handed_s
        begun = arrived - output_s - infer_s - input_s
        took, waited = self.request, self.queue
        took_counts, waited_counts = took.counts, waited.counts
        took_s = waited_s = 0.0
        for one in requests:
            seconds = done - one.came
            took_s += seconds
            took_counts[bisect_left(BOUNDS, seconds)] += 1
            since = one.since  # a worker may run while the rest of its batch is handed over: that counts twice
            seconds = begun - since if begun > since else 0.0
            waited_s += seconds
            waited_counts[bisect_left(BOUNDS, seconds)] += 1
        took.seconds += took_s
        waited.seconds += waited_s
        count = len(requests)
        self.requests += count
        for stage, seconds in ((self.input, input_s), (self.model, infer_s), (self.output, output_s)):  # as ``add``, without its calls
            stage.counts[bisect_left(BOUNDS, seconds)] += count
            stage.seconds += count * seconds
        self.rows += rows
        batch = self._batches.get(rows) or self._batch(rows)
        batch[0] += 1
        batch[1] += input_s
        batch[2] += infer_s
        batch[3] += output_s
        self._last = done

    def failed(self, took_s: float, kind: str) -> None:
        """A request was answered with a fault of that kind, or its client did not wait."""
        self._fail.add(1, took_s)
        self.failures[kind] = self.failures.get(kind, 0) + 1

    def responded(self, number: int, run: Run, took_s: float) -> None:
        """A stream's response of that number, from 0 on, so long after its request came."""
        if not number:
            self.first.add(took_s)
        response = self._response(number)
        response["compute_infer"].add(1, run.infer_s)
        response["compute_output"].add(1, run.output_s)
        response["success"].add(1, run.infer_s + run.output_s)

    def ended(self, number: int, how: str) -> None:
        """A stream ended before its response of that number: with an ``empty_response``, by a ``fail``, or by a ``cancel``."""
        self._response(number)[how].add(1, 0.0)

    @property
    def batches(self) -> int:
        """How often the model was run."""
        return sum(self.batch_sizes().values())

    def batch_sizes(self) -> dict[int, int]:
        """By rows, ascending, how many runs had so many."""
        return {rows: int(batch[0]) for rows, batch in sorted(self._batches.items())}

    def stages(self) -> dict[str, Histogram]:
        """By their names, those of ``STAGES``."""
        return dict(zip(STAGES, (self.request, self.queue, self.input, self.model, self.output), strict=True))

    def snapshot(self, now: float) -> Snapshot:
        """All counts, to look at elsewhere; ``now`` is in seconds of any one clock."""
        stages = {name: stage.copy() for name, stage in self.stages().items()}
        recent = self._recent.since(now, [stage.counts for stage in stages.values()])
        by_stage = dict(zip(stages, recent, strict=True))
        return Snapshot(self.requests, self.rows, dict(self.failures), self.batch_sizes(), stages, self.first.copy(), by_stage)

    def activity(self) -> dict[str, Any]:
        """All counts for whoever asks again and again and looks at what has changed."""
        return {
            "requests": self.requests,
            "failures": dict(self.failures),
            "rows": self.rows,
            "batches": self.batches,
            "batch_sizes": {str(rows): runs for rows, runs in self.batch_sizes().items()},
            "stages": {name: stage.to_json() for name, stage in self.stages().items()},
        }

    def to_json(self) -> dict[str, Any]:
        """An entry of ``model_stats``, without the model's name and version."""
        durations = {
            "success": Duration(self.requests, self.request.seconds),
            "fail": self._fail,
            "queue": Duration(self.requests, self.queue.seconds),
            "compute_input": Duration(self.requests, self.input.seconds),
            "compute_infer": Duration(self.requests, self.model.seconds),
            "compute_output": Duration(self.requests, self.output.seconds),
            "cache_hit": Duration(),
            "cache_miss": Duration(),
        }
        return {
            "last_inference": int((time.time() - time.monotonic() + self._last) * 1000) if self.requests else 0,
            "inference_count": self.rows,
            "execution_count": self.batches,
            "inference_stats": {name: duration.to_json() for name, duration in durations.items()},
            "response_stats": {str(number): response.to_json() for number, response in sorted(self._responses.items())},
            "batch_stats": [_told(size, batch) for size, batch in sorted(self._batches.items())],
            "memory_usage": [],
        }

    def _batch(self, rows: int) -> list[float]:
        if len(self._batches) >= _MOST_SIZES and rows:
            rows = 1 << rows.bit_length() - 1
        return self._batches.setdefault(rows, [0, 0.0, 0.0, 0.0])

    def _response(self, number: int) -> _Named:
        number = min(number, _MOST_RESPONSES)
        if number not in self._responses:
            self._responses[number] = _Named("compute_infer", "compute_output", "success", "fail", "empty_response", "cancel")
        return self._responses[number]


def _told(size: int, totals: list[float]) -> dict[str, Any]:
    count = int(totals[0])
    names = ("compute_input", "compute_infer", "compute_output")
    return {"batch_size": size, **{name: Duration(count, seconds).to_json() for name, seconds in zip(names, totals[1:], strict=True)}}
