"""How long calls take, several subjects by turns, so that what else the machine does hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

Clock = Callable[[], float]


def by_turns(
    subjects: Mapping[str, Callable[[], Any]], seconds: float, rounds: int = 7, clock: Clock = time.thread_time
) -> dict[str, float]:
    """Seconds per call of each subject, the median over the rounds; ``seconds`` is what it all may take.

    The clock counts this thread's time on the processor; ``time.perf_counter`` also what it waits.
    """
    turn_s = seconds / rounds / len(subjects)
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, call in subjects.items():
            found[name].append(per_call(call, turn_s, clock))
    return {name: statistics.median(times) for name, times in found.items()}


def per_call(call: Callable[[], Any], seconds: float, clock: Clock = time.thread_time) -> float:
    """Seconds per call, over as many calls as fit into the time, at least one."""
    count, calls, start = 1, 0, clock()
    while True:
        for _ in range(count):
            call()
        calls += count
        taken = clock() - start
        if taken >= seconds:
            return taken / calls
        # Looking at the clock must not count: a tenth of what is left at the speed so far.
        count = max(1, int(calls * (seconds / max(taken, 1e-9) - 1) / 10)) if taken else 2 * count
