"""What a model has done: counts and durations, as the Open Inference Protocol's statistics extension names them.

Seconds are summed as they come and told in nanoseconds. For each request ``success`` or ``fail`` is the whole time from its coming to
its answer; ``queue``, ``compute_input``, ``compute_infer`` and ``compute_output`` are that time's parts, its decoding and encoding aside:
waiting, the model's inputs (filters, joining), the model, and its outputs.
"""

from __future__ import annotations

import dataclasses
from typing import Any

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
        self._success, self._fail, self._queue = Duration(), Duration(), Duration()
        self._input, self._infer, self._output = Duration(), Duration(), Duration()
        self._batches: dict[int, _Named] = {}
        self._responses: dict[int, _Named] = {}
        self._rows = 0
        self._runs = 0
        self._last = 0.0

    def ran(self, run: Run, requests: int, waited_s: float, took_s: float, now: float) -> None:
        """A run has answered so many requests: from enqueuing to answer they took ``waited_s`` all together, from coming ``took_s``.

        ``now`` is the time of day, in seconds since 1970.
        """
        self._success.add(requests, took_s)
        self._queue.add(requests, waited_s - requests * (run.input_s + run.infer_s + run.output_s))
        self._input.add(requests, requests * run.input_s)
        self._infer.add(requests, requests * run.infer_s)
        self._output.add(requests, requests * run.output_s)
        batch = self._batches.get(run.rows)
        if batch is None:
            batch = self._batches[run.rows] = _Named("compute_input", "compute_infer", "compute_output")
        batch["compute_input"].add(1, run.input_s)
        batch["compute_infer"].add(1, run.infer_s)
        batch["compute_output"].add(1, run.output_s)
        self._rows += run.rows
        self._runs += 1
        self._last = now

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
        durations = {
            "success": self._success,
            "fail": self._fail,
            "queue": self._queue,
            "compute_input": self._input,
            "compute_infer": self._infer,
            "compute_output": self._output,
            "cache_hit": Duration(),
            "cache_miss": Duration(),
        }
        return {
            "last_inference": int(self._last * 1000),
            "inference_count": self._rows,
            "execution_count": self._runs,
            "inference_stats": {name: duration.to_json() for name, duration in durations.items()},
            "response_stats": {str(number): response.to_json() for number, response in sorted(self._responses.items())},
            "batch_stats": [{"batch_size": size, **batch.to_json()} for size, batch in sorted(self._batches.items())],
            "memory_usage": [],
        }

    def _response(self, number: int) -> _Named:
        number = min(number, _MOST_RESPONSES)
        if number not in self._responses:
            self._responses[number] = _Named("compute_infer", "compute_output", "success", "fail", "empty_response", "cancel")
        return self._responses[number]
