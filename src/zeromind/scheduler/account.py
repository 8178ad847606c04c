"""What the statistics and the trace of a model learn of its requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from zeromind.errors import ZeroMindError
from zeromind.observe.statistics import CANCELLED, Statistics
from zeromind.observe.trace import Sampler
from zeromind.scheduler.entry import Answer, Batch, Entry
from zeromind.tensors import InferResponse, Run


class Account:
    """Keeps the account of one model; times are those of ``clock``, in seconds."""

    def __init__(self, statistics: Statistics, sampler: Sampler, clock: Callable[[], float] = time.monotonic) -> None:
        self._statistics = statistics
        self._sampler = sampler
        self._clock = clock

    def answered(self, batch: Batch, outcome: Sequence[Answer], arrived: float, late: Sequence[Entry]) -> None:
        """A batch's answers have arrived and been given, but to those that were ``late``; faults among them are counted already."""
        first, done = outcome[0], self._clock()
        if batch.uniform and not late and not isinstance(first, ZeroMindError):  # run as one
            runs: Sequence[tuple[Run, list[Entry]]] = ((first.run, batch.entries),)
        else:
            runs = _runs(batch.entries, outcome, late)
        for run, entries in runs:
            self._statistics.ran(run, entries, (batch.handed_s, arrived, done))
            if self._sampler.active:
                self._sample(run._replace(input_s=run.input_s + batch.handed_s), entries, arrived, done)
            if entries and entries[0].stream is not None:
                self._statistics.ended(batch.responses, "empty_response")

    def responded(self, batch: Batch, response: InferResponse) -> None:
        """A stream has one more response, which is not the last."""
        self._statistics.responded(batch.responses, response.run, self._clock() - batch.entries[0].came)
        batch.responses += 1

    def failed(self, entry: Entry, fault: ZeroMindError | None) -> None:
        """A request has no result but this fault; none if its client has left."""
        self._statistics.failed(self._clock() - entry.came, CANCELLED if fault is None else fault.kind.name)
        if entry.stream is not None:
            self._statistics.ended(entry.stream.responses, "cancel" if fault is None else "fail")

    def _sample(self, run: Run, entries: Sequence[Entry], arrived: float, done: float) -> None:
        for entry in entries:
            self._sampler.sample(entry.request.id, (entry.came, entry.since, arrived, done), run)


def _runs(entries: Sequence[Entry], outcome: Sequence[Answer], late: Sequence[Entry]) -> list[tuple[Run, list[Entry]]]:
    """Each run with the requests that it answered."""
    runs: list[tuple[Run, list[Entry]]] = []
    for entry, answer in zip(entries, outcome, strict=True):
        if not isinstance(answer, ZeroMindError):
            answered = _of(answer.run, runs)
            if entry not in late:
                answered.append(entry)
    return runs


def _of(run: Run, runs: list[tuple[Run, list[Entry]]]) -> list[Entry]:
    """The requests of a run, as far as they are known."""
    for known, entries in reversed(runs):
        if known is run:
            return entries
    runs.append((run, []))
    return runs[-1][1]
