"""How long it takes from the start of the process until the port listens, until the models answer, and what importing costs.

    python benchmarks/cold_start.py [--quick] [--out FILE]

Pools without a model, with tiny.onnx, and with the demo's Keras model, started by turns; medians, in seconds. The bar: it listens
within a second whatever it is going to load. An import is measured as a process that does nothing else, less one that does nothing.
"""

from __future__ import annotations

import argparse
import functools
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import models
import report
from server import Server, poll, started, wait_ready

IMPORTS = ("zeromind", "zeromind.cli", "zeromind.server", "zeromind.executor.worker")
_EVERY_S = 0.002


def measure(options: argparse.Namespace) -> dict[str, Any]:
    rounds = 1 if options.quick else 5
    with tempfile.TemporaryDirectory() as folder:
        pools = {"empty": [], "tiny": [models.task("tiny", Path(folder))]}
        if not options.quick:
            pools["demo"] = [models.demo_task()]
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in pools}
        for _ in range(rounds):
            for name, tasks in pools.items():
                found[name].append(start(tasks))
    results = {
        name: {key: round(statistics.median(times), 3) for key, times in zip(("listening", "ready"), zip(*pairs, strict=True), strict=True)}
        for name, pairs in found.items()
    }
    imported = imports(2 if options.quick else 7)
    report.table("start, s", ["pool", "listening", "ready"], ([name, *row.values()] for name, row in results.items()))
    report.table("import, s", ["module", "seconds"], imported.items())
    return {"start_s": results, "import_s": imported, "rounds": rounds}


def start(tasks: list[dict[str, Any]]) -> tuple[float, float]:
    """Seconds until the port listens, and until the pool is ready."""
    begun = time.perf_counter()
    with started(tasks) as server:
        poll(server, functools.partial(_listens, server), _EVERY_S)
        listening = time.perf_counter() - begun
        wait_ready(server, [task["id"] for task in tasks])
        return listening, time.perf_counter() - begun


def imports(rounds: int) -> dict[str, float]:
    """Seconds that importing takes, by module, over what Python itself takes to start (``python``)."""
    found: dict[str, list[float]] = {name: [] for name in ("", *IMPORTS)}
    for _ in range(rounds):
        for name, times in found.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {name}" if name else "pass"], check=True)
            times.append(time.perf_counter() - begun)
    medians = {name: statistics.median(times) for name, times in found.items()}
    bare = medians.pop("")
    return {"python": round(bare, 3), **{name: round(taken - bare, 3) for name, taken in medians.items()}}


def _listens(server: Server) -> bool:
    socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
    return True


if __name__ == "__main__":
    report.main("cold_start", __doc__, measure, ("onnxruntime", "keras", "jax"))
