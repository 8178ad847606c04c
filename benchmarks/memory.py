"""What the server's own process and its workers hold in memory, with no model loaded, with one and with ten.

    python benchmarks/memory.py [--quick] [--out FILE]

``resident`` counts a page that several processes share for each of them, ``proportional`` a share of it. After loading every model
gets requests, first small ones (tiny.onnx), then large ones (image.onnx, 600 KB of numbers in 1.4 MB of JSON). Megabytes of 10^6
bytes. The bar: the front holds less than 90 MB resident with ten models.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import models
import psutil
import report
from server import Server, serving

HEADS = ("resident", "proportional")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    counts = (0, 1) if options.quick else (0, 1, 10)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, requests in {"tiny": 100, "image": 5 if options.quick else 20}.items():
            for count in counts if name == "tiny" else counts[-1:]:
                tasks = [models.task(name, Path(folder), id=f"{name}-{number}") for number in range(count)]
                with serving(tasks) as server:
                    results[f"{count} x {name}" if count else "no model"] = pool(server, name, tasks, requests)
    _show(results)
    return results


def pool(server: Server, name: str, tasks: list[dict[str, Any]], requests: int) -> dict[str, Any]:
    """What a pool holds once it has loaded, and after each model was asked."""
    found = {"loaded": held(server)}
    body = models.body(name) if tasks else b""
    for task in tasks:
        for _ in range(requests):
            status, answer = server.ask("POST", models.path(task["id"]), body)
            if status != 200:
                raise RuntimeError(f"{task['id']}: {answer.decode(errors='replace')}")
    return {**found, "asked": held(server)} if tasks else found


def held(server: Server) -> dict[str, Any]:
    """The front's memory, and what a worker has in the mean, in megabytes."""
    workers = [_memory(process) for process in server.workers]
    found: dict[str, Any] = {"front": _memory(server.front)}
    if workers:
        found["worker"] = {key: round(sum(each[key] for each in workers) / len(workers), 1) for key in workers[0]}
    return found


def _memory(process: psutil.Process) -> dict[str, float]:
    info = process.memory_full_info()
    sizes = {"resident": info.rss}
    if hasattr(info, "pss"):  # only Linux tells it
        sizes["proportional"] = info.pss
    return {key: round(size / 1e6, 1) for key, size in sizes.items()}


def _show(results: dict[str, Any]) -> None:
    rows = []
    for name, moments in results.items():
        for moment, processes in moments.items():
            sizes = [processes.get(process, {}).get(key, "") for process in ("front", "worker") for key in HEADS]
            rows.append([f"{name}, {moment}", *sizes])
    report.table("memory, MB", ["", "front resident", "proportional", "worker resident", "proportional"], rows)


if __name__ == "__main__":
    report.main("memory", __doc__, measure, ("onnxruntime",))
