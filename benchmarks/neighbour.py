"""Whether a bad neighbour costs a model anything: tiny.onnx alone, and beside a model that sleeps 50 ms in each call.

    python benchmarks/neighbour.py [--quick] [--out FILE] [--rate 200]

One server has both, each in its worker. tiny gets requests on a schedule of so many per second (Poisson arrivals), latency counting
from when each was due; the neighbour gets them from eight clients as fast as it answers, in every other turn. The figures are
medians over the turns, in milliseconds; ``change`` is 0.1 where a percentile is a tenth longer beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Any

import models
import report
import uvloop
from server import Server, serving

from zeromind.bench.call import Call
from zeromind.bench.load import Load, Plan
from zeromind.bench.result import Result
from zeromind.client.address import Address

SHOWN = ("p50", "p99")
NEIGHBOURS = 8
_WARM_S = 0.5


def measure(options: argparse.Namespace) -> dict[str, Any]:
    turns, seconds = (1, 2) if options.quick else (7, 3)
    with tempfile.TemporaryDirectory() as folder:
        tasks = [models.task(name, Path(folder)) for name in ("tiny", "slow")]
        with serving(tasks) as server:
            alone, beside, slept = [], [], []
            for turn in range(turns):
                # Who comes first in a turn changes, for what the machine does may drift.
                for with_it in (False, True) if turn % 2 == 0 else (True, False):
                    tiny, slow = uvloop.run(_turn(server, options.rate, seconds, with_it))
                    (beside if with_it else alone).append(tiny.latency_ms)
                    slept += [slow.throughput] if slow else []
    results = _results(alone, beside)
    report.table("tiny, ms", ["", *SHOWN], [[name, *(row[key] for key in SHOWN)] for name, row in results.items()])
    return {
        **results,
        "rate": options.rate,
        "turns": turns,
        "seconds": seconds,
        "neighbour_calls_per_second": round(statistics.median(slept), 1),
    }


async def _turn(server: Server, rate: float, seconds: float, with_it: bool) -> tuple[Result, Result | None]:
    loads = [Load(_call(server, "tiny"), Plan(rate, seconds, _WARM_S, connections=32))]
    if with_it:
        loads.append(Load(_call(server, "slow"), Plan(None, seconds, _WARM_S, connections=NEIGHBOURS)))
    found = await asyncio.gather(*(load.run() for load in loads))
    for result in found:
        if result.failures or not result.answered:
            raise RuntimeError(f"{result.answered} requests were answered, these were not: {dict(result.failed)} {dict(result.messages)}")
    return found[0], found[1] if with_it else None


def _call(server: Server, name: str) -> Call:
    return Call(Address.parse(server.url), models.path(name), models.body(name))


def _results(alone: list[Any], beside: list[Any]) -> dict[str, dict[str, float]]:
    medians = {
        name: {key: report.significant(statistics.median(row[key] for row in rows)) for key in SHOWN}
        for name, rows in {"alone": alone, "beside": beside}.items()
    }
    change = {key: round(medians["beside"][key] / medians["alone"][key] - 1, 3) for key in SHOWN}
    return {**medians, "change": change}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=float, default=200, help="requests per second for tiny (default: %(default)s)")


if __name__ == "__main__":
    report.main("neighbour", __doc__, measure, ("onnxruntime",), _arguments)
