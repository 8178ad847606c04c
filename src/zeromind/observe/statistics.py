"""What a model has done: counts and durations, as the Open Inference Protocol's statistics extension names them.

Seconds are summed as they come and told in nanoseconds. For each request ``success`` or ``fail`` is the whole time from its coming to
its answer; ``queue``, ``compute_input``, ``compute_infer`` and ``compute_output`` are that time's parts, its decoding and encoding aside:
waiting, the model's inputs (filters, joining, copying), the model, and its outputs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any, Protocol

from zeromind.tensors import Run

_MOST_RESPONSES = 1000
"""A stream's responses beyond are counted with the one that has this number."""


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


class Statistics:
    """Of one model since it was loaded."""

    def __init__(self) -> None:
        self._requests = 0
        self._took_s = self._waited_s = 0.0
        self._input_s = self._infer_s = self._output_s = 0.0
        self._fail = Duration()
        self._batches: dict[int, list[float]] = {}
        """By rows: how many runs, and their seconds for inputs, model and outputs."""
        self._responses: dict[int, _Named] = {}
        self._last = 0.0

    def ran(self, run: Run, requests: Sequence[Timed], times: tuple[float, float, float]) -> None:
        """A run has answered these requests: how long it took to hand their tensors over, when its answer arrived, when it was given.

        Times are on the clock of the requests' own. As this is done for each batch, it only adds; ``to_json`` puts it together.
        """
        rows, infer_s, input_s, output_s = run
        handed_s, arrived, done = times
        input_s += handed_s
        if len(requests) == 1:
            count, since, came = 1, requests[0].since, requests[0].came
        else:
            count, since, came = len(requests), sum([one.since for one in requests]), sum([one.came for one in requests])
        self._requests += count
        self._took_s += count * done - came
        self._waited_s += count * arrived - since
        self._input_s += count * input_s
        self._infer_s += count * infer_s
        self._output_s += count * output_s
        batch = self._batches.get(rows)
        if batch is None:
            batch = self._batches[rows] = [0, 0.0, 0.0, 0.0]
        batch[0] += 1
        batch[1] += input_s
        batch[2] += infer_s
        batch[3] += output_s
        self._last = done

    def failed(self, took_s: float) -> None:
        """A request was answered with a fault, or its client did not wait."""
        self._fail.add(1, took_s)

    def responded(self, number: int, run: Run) -> None:
        """A stream's response of that number, from 0 on."""
        response = self._response(number)
        response["compute_infer"].add(1, run.infer_s)
        response["compute_output"].add(1, run.output_s)
        response["success"].add(1, run.infer_s + run.output_s)

    def ended(self, number: int, how: str) -> None:
        """A stream ended before its response of that number: with an ``empty_response``, by a ``fail``, or by a ``cancel``."""
        self._response(number)[how].add(1, 0.0)

    def to_json(self) -> dict[str, Any]:
        """An entry of ``model_stats``, without the model's name and version."""
        computed_s = self._input_s + self._infer_s + self._output_s
        durations = {
            "success": Duration(self._requests, self._took_s),
            "fail": self._fail,
            "queue": Duration(self._requests, self._waited_s - computed_s),
            "compute_input": Duration(self._requests, self._input_s),
            "compute_infer": Duration(self._requests, self._infer_s),
            "compute_output": Duration(self._requests, self._output_s),
            "cache_hit": Duration(),
            "cache_miss": Duration(),
        }
        return {
            "last_inference": int((time.time() - time.monotonic() + self._last) * 1000) if self._requests else 0,
            "inference_count": int(sum(rows * batch[0] for rows, batch in self._batches.items())),
            "execution_count": int(sum(batch[0] for batch in self._batches.values())),
            "inference_stats": {name: duration.to_json() for name, duration in durations.items()},
            "response_stats": {str(number): response.to_json() for number, response in sorted(self._responses.items())},
            "batch_stats": [_batch(size, batch) for size, batch in sorted(self._batches.items())],
            "memory_usage": [],
        }

    def _response(self, number: int) -> _Named:
        number = min(number, _MOST_RESPONSES)
        if number not in self._responses:
            self._responses[number] = _Named("compute_infer", "compute_output", "success", "fail", "empty_response", "cancel")
        return self._responses[number]


def _batch(size: int, totals: list[float]) -> dict[str, Any]:
    count = int(totals[0])
    names = ("compute_input", "compute_infer", "compute_output")
    return {"batch_size": size, **{name: Duration(count, seconds).to_json() for name, seconds in zip(names, totals[1:], strict=True)}}
