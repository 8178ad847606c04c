"""What joining requests gives: requests per second and the mean batch, by the settings of the task.

    python benchmarks/batching.py [--quick] [--out FILE] [--connections 32] [--model mnist]

Every setting is a task of its own in one server, all with the same ONNX model, run by a Python skill that counts its calls; wrk asks
them by turns. Medians of the rounds; latencies in milliseconds. Needs wrk.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import models
import report
import wrk
from server import serving

SETTINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "max_batch_size 1": {"max_batch_size": 1},
    "max_batch_size 4": {"max_batch_size": 4},
    "max_batch_size 16": {"max_batch_size": 16},
    "max_queue_delay_us 1000": {"max_queue_delay_us": 1000},
    "max_queue_delay_us 5000": {"max_queue_delay_us": 5000},
    "instances 2": {"instances": 2},
    "instances 2, max_batch_size 1": {"instances": 2, "max_batch_size": 1},
}

_COUNTED = """\
import json
import os

import onnxruntime


class Skill:
    inputs = {"x": ("float32", [None, *SHAPE])}
    outputs = {"y": ("float32", [None, None])}

    def __init__(self, folder, model, counts, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(folder / model), options, ["CPUExecutionProvider"])
        self.calls = self.rows = 0
        self.counts = folder / f"{counts}-{os.getpid()}.json"

    def predict(self, x):
        self.calls += 1
        self.rows += len(x)
        return self.session.run(None, {"x": x})[0]

    def close(self):
        self.counts.write_text(json.dumps([self.calls, self.rows]))
"""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    wrk.require()
    names = list(SETTINGS)[:2] if options.quick else list(SETTINGS)
    rounds, seconds = (1, 1) if options.quick else (3, 2)
    body = models.body(options.model)
    with tempfile.TemporaryDirectory() as folder:
        tasks = write(Path(folder), options.model, names)
        with serving(tasks) as server:
            found: dict[str, list[wrk.Load]] = {name: [] for name in names}
            for _ in range(rounds):
                for name, task in zip(names, tasks, strict=True):
                    request = wrk.Request(server.url + models.path(task["id"]), body)
                    found[name].append(wrk.drive(request, seconds, options.connections))
        # The counts are written when the workers end.
        results = {name: {**row(found[name]), "mean_batch": mean_batch(Path(folder), place)} for place, name in enumerate(names)}
    shown = list(next(iter(results.values())))
    report.table(f"{options.model}, {options.connections} connections", ["setting", *shown], ([n, *r.values()] for n, r in results.items()))
    return {"model": options.model, "connections": options.connections, "rounds": rounds, "seconds": seconds, "settings": results}


def write(folder: Path, model: str, names: list[str]) -> list[dict[str, Any]]:
    """The tasks, whose ids are their places."""
    file = models.write(model, folder)
    skill = folder / "counted.py"
    skill.write_text(_COUNTED.replace("*SHAPE", ", ".join(map(str, models.SHAPES[model]))))
    common = {"model_file": str(skill), "allow_code": True, "threads": 1, "model": file.name}
    return [{"id": str(place), "counts": str(place), **common, **SETTINGS[name]} for place, name in enumerate(names)]


def row(loads: Sequence[wrk.Load]) -> dict[str, float]:
    """The medians of the rounds."""
    return {
        "requests_per_second": round(statistics.median(load.requests_per_second for load in loads)),
        "p50_ms": report.significant(statistics.median(load.p50_ms for load in loads)),
        "p99_ms": report.significant(statistics.median(load.p99_ms for load in loads)),
    }


def mean_batch(folder: Path, place: int) -> float:
    """Rows per call of the model, over all of a task's workers."""
    counts = [json.loads(path.read_text()) for path in folder.glob(f"{place}-*.json")]
    calls, rows = map(sum, zip(*counts, strict=True))
    return round(rows / calls, 2)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--connections", type=int, default=32, help="how many ask at a time (default: %(default)s)")
    parser.add_argument("--model", choices=list(models.SHAPES), default="mnist", help="(default: %(default)s)")


if __name__ == "__main__":
    report.main("batching", __doc__, measure, ("onnxruntime",), _arguments)
