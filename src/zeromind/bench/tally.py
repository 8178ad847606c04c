"""What is noted while load runs: little for each request, since that takes time from the next."""

from __future__ import annotations

import array
import collections
import dataclasses
import json
import time

import numpy as np

from zeromind.bench.result import Result, summary
from zeromind.bench.schedule import NEVER
from zeromind.tensors import Tensor

_MOST_MESSAGE = 300


@dataclasses.dataclass(frozen=True, slots=True)
class _Mark:
    """Where things stood at a moment: good answers until then, and the processor time of this process, in seconds."""

    now: float
    good: int
    processor_s: float


class Tally:
    """Counts and latencies, of requests due at ``begin`` or later; ``good`` and ``bad`` count those of the warm-up too."""

    def __init__(self) -> None:
        self.begin = NEVER
        self.good = 0
        self.bad = 0
        self._sent = 0
        self._waited = 0
        self._unfinished = 0
        # Single precision: the error is a ten-millionth, and there may be millions of them.
        self._latencies = array.array("f")
        self._late = array.array("f")
        self._ages = array.array("d")  # of requests that were given up: how long ago they had been due
        self._failed: collections.Counter[str] = collections.Counter()
        self._messages: dict[str, str] = {}
        self._marks: list[_Mark] = []
        self._behind: Tensor = np.empty(0)

    def sent(self, due: float, now: float, starved: bool) -> None:
        """A request went out; ``starved``: not before, for want of a free connection."""
        if due >= self.begin:
            self._sent += 1
            if starved:
                self._waited += 1
            else:
                self._late.append(now - due)

    def answered(self, due: float, now: float) -> None:
        """Its good answer came."""
        self.good += 1
        if due >= self.begin:
            self._latencies.append(now - due)

    def failed(self, how: str, due: float, tail: bytes = b"") -> None:
        """It failed: ``how`` is a status or one of ``result.NO_ANSWER``, ``tail`` what the answer ended with."""
        self.bad += 1
        if due >= self.begin:
            self._failed[how] += 1
        if tail and how not in self._messages:
            self._messages[how] = message(tail)

    def gave_up(self, due: float, now: float, how: str) -> None:
        """It was given up, which is a failure unless ``how`` is empty: then the run was interrupted."""
        if how:
            self.failed(how, due)
        elif due >= self.begin:
            self._unfinished += 1
        if due >= self.begin:
            self._ages.append(now - due)

    def mark(self, now: float) -> None:
        """The time that is measured begins, or ends."""
        self._marks.append(_Mark(now, self.good, time.process_time()))

    def ended(self, now: float, behind: Tensor) -> None:
        """The schedule is over; ``behind`` are the times of those requests of it that are not sent yet."""
        if self._marks:
            self.mark(now)
            self._behind = behind

    def result(self, rate: float | None, connections: int, interrupted: bool, gone: bool) -> Result:
        """What it came to."""
        first, last = self._marks if len(self._marks) == 2 else (_Mark(0, 0, 0), _Mark(0, 0, 0))
        seconds, good, processor_s = last.now - first.now, last.good - first.good, last.processor_s - first.processor_s
        late = np.array(self._late)
        return Result(
            rate=rate,
            connections=connections,
            seconds=seconds,
            requests=len(self._latencies) + self._failed.total() + self._unfinished,
            sent=self._sent,
            answered=len(self._latencies),
            failed=dict(self._failed),
            unfinished=self._unfinished,
            throughput=good / seconds if seconds else 0.0,
            latency_ms=summary(np.concatenate([self._latencies, self._ages])),
            waited=self._waited,
            behind_s=float(last.now - self._behind[0]) if self._behind.size else 0.0,
            backlog=len(self._behind),
            late_ms=summary(late)["p99"] if late.size else 0.0,
            generator_us=processor_s / good * 1e6 if good else 0.0,
            generator_share=processor_s / seconds if seconds else 0.0,
            interrupted=interrupted,
            gone=gone,
            messages=self._messages,
        )


def message(answer: bytes) -> str:
    """What an answer says, given its end: the sentence of an error as our dialects have it, else its text, cut."""
    body = answer.rpartition(b"\r\n\r\n")[2]
    try:
        data = json.loads(body)
        text = data["error"] if "error" in data else "; ".join(error["message"] for error in data["errors"])
    except (ValueError, KeyError, TypeError):
        text = body.decode(errors="replace").strip()
    return str(text)[:_MOST_MESSAGE]
