"""What an adapter, and the server around it, take from the speed of a framework: 32 rows at a time on one thread, beside its own loop.

    python benchmarks/adapters.py [--quick] [--out FILE] [--only onnx,torch]

adapter_models.py makes a model for each adapter and does with it what the framework's documentation tells to do. ``adapter`` is
``Adapter.predict`` in the same process, both in processor time; ``served`` are the rows per second that come back from a server which wrk
asks for 32 at a time, as bytes, from four connections on the same cores, which the loop has for itself. Each is a percentage of what the
loop alone does, by turns with it: medians over the rounds.
A model of less than a millisecond would say more of Python than of us, and is refused. Needs wrk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import adapter_models
import numpy as np
import report
import timing
import wrk
from adapter_models import ROWS, Subject
from server import serving

from zeromind import importing
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.config.task import Task
from zeromind.plugins import ADAPTERS, Plugins

LEAST_S = 0.001
_CONNECTIONS = 4
_SHORT = 5
"""Within one process turns may be as much shorter as that."""
_QUICK = ("onnx",)
_PACKAGES = (
    "onnxruntime", "torch", "tensorflow", "ai-edge-litert", "jax", "keras", "openvino", "opencv-python-headless",
    "scikit-learn", "xgboost", "lightgbm", "catboost", "transformers", "mlflow-skinny",
)  # fmt: skip
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_DISABLE_TELEMETRY": "true", "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    wrk.require()
    rounds, seconds = (1, 0.2) if options.quick else (3, 1)
    names = options.only.split(",") if options.only else _QUICK if options.quick else list(adapter_models.MAKERS)
    rows, skipped = [], {}
    for name in names:
        if name not in ADAPTERS:
            skipped[name] = "there is no such adapter"
            continue
        try:
            rows.append(compared(name, rounds, seconds))
        except RuntimeError as error:
            skipped[name] = str(error)
        report.say(shown(rows[-1]) if name not in skipped else f"{name}: {skipped[name]}")
    heads = ("", "model", "alone, ms", "adapter, %", "served, %")
    report.table("32 rows at a time, one thread", heads, [list(row.values())[:5] for row in rows])
    return {"rounds": rounds, "seconds": seconds, "rows": rows, "skipped": skipped}


def compared(name: str, rounds: int, seconds: float) -> dict[str, Any]:
    """One adapter's figures. Raises RuntimeError where its model cannot be made, loaded or served, or is too quick."""
    with tempfile.TemporaryDirectory(prefix="zeromind-bench-") as folder, process(name, folder) as loop:
        made = answer(loop)
        inside = ask(loop, "adapter", _SHORT * rounds, seconds / _SHORT)
        with serving([{**made["task"], "id": name}]) as server:
            headers = (("Content-Type", "application/octet-stream"), ("Inference-Header-Content-Length", str(made["head"])))
            request = wrk.Request(f"{server.url}/v2/models/{name}/infer", Path(folder, "body").read_bytes(), headers)
            served = [turn(loop, request, seconds) for _ in range(rounds)]
    return {
        "adapter": name,
        "model": made["model"],
        "alone_ms": report.significant(1e3 * statistics.median(alone for alone, _ in inside)),
        "adapter_percent": report.significant(100 * statistics.median(alone / ours for alone, ours in inside)),
        "served_percent": report.significant(100 * statistics.median(ours / alone for alone, ours in served)),
        "served_rows_per_second": report.significant(statistics.median(ours for _, ours in served), 4),
    }


def turn(loop: subprocess.Popen[str], request: wrk.Request, seconds: float) -> tuple[float, float]:
    """Rows per second of the loop alone, while nobody asks, then of the server."""
    ((alone,),) = ask(loop, "alone", 1, seconds)
    return ROWS / alone, ROWS * wrk.drive(request, seconds, _CONNECTIONS).requests_per_second


@contextlib.contextmanager
def process(name: str, folder: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has the model, in the framework's hands and in the adapter's, and works when it is told to."""
    command = [sys.executable, __file__, "--subject", name, folder]
    environment = {**os.environ, **_QUIET, **dict.fromkeys(_THREADS, "1")}
    with subprocess.Popen(command, text=True, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        try:
            yield started
        finally:
            started.kill()


def ask(loop: subprocess.Popen[str], what: str, rounds: int, seconds: float) -> Any:
    loop.stdin.write(json.dumps([what, rounds, seconds]) + "\n")
    loop.stdin.flush()
    return answer(loop)


def answer(loop: subprocess.Popen[str]) -> Any:
    """What the process says. Raises RuntimeError with its reason if it cannot work."""
    said = json.loads(loop.stdout.readline() or '{"problem": "its process ended: see above"}')
    if isinstance(said, dict) and "problem" in said:
        raise RuntimeError(said["problem"])
    return said


def subject(name: str, folder: Path) -> None:
    """Be that process; its standard output is for answers alone."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        with importing.silence():
            made = adapter_models.MAKERS[name](folder)
            adapter, task = loaded(name, made)
        inputs = {spec.name: array.astype(spec.dtype) for spec, array in zip(adapter.spec.inputs, made.arrays, strict=True)}
        check(made, adapter, inputs)
        head = write_body(adapter, inputs, folder / "body")
    except Exception as error:
        print(json.dumps({"problem": f"{type(error).__name__}: {error}"}), file=answers)
        return
    print(json.dumps({"task": task, "head": head, "model": made.model}), file=answers)
    calls: Mapping[str, Sequence[Callable[[], Any]]] = {
        "alone": [made.alone],
        "adapter": [made.alone, lambda: adapter.predict(inputs)],
    }
    for line in sys.stdin:
        what, rounds, seconds = json.loads(line)
        clock = time.process_time if what == "adapter" else time.perf_counter
        turns = [[timing.per_call(call, seconds / len(calls[what]), clock) for call in calls[what]] for _ in range(rounds)]
        print(json.dumps(turns), file=answers)


def loaded(name: str, made: Subject) -> tuple[Adapter, dict[str, Any]]:
    """The adapter, and the task that serves the same."""
    task = {"id": name, "model_file": str(made.path), "model_type": name, "threads": 1, "device": "cpu", "allow_code": True, **made.task}
    parsed = Task.parse(task)
    source = Source(ModelFile(made.path), parsed.inputs, parsed.outputs, "cpu", 1, allow_code=True, options=parsed.options)
    return Plugins().adapter(name)(source), task


def check(made: Subject, adapter: Adapter, inputs: Mapping[str, Any]) -> None:
    """Raise RuntimeError if the two disagree, or the model is too quick for the comparison."""
    if not adapter.spec.batches:
        raise RuntimeError("the adapter takes its rows for no batch")
    expected = np.asarray(made.alone())
    given = [array.reshape(expected.shape) for array in adapter.predict(inputs).values() if array.size == expected.size]
    if not any(array.dtype.kind in "fiu" and np.allclose(array, expected, rtol=1e-3, atol=1e-4) for array in given):
        raise RuntimeError("the adapter's answer is another than the framework's")
    if (taken := timing.per_call(made.alone, 0.1, time.perf_counter)) < LEAST_S:
        raise RuntimeError(f"the model takes {1e3 * taken:.2g} ms, which is too little to compare")


def write_body(adapter: Adapter, inputs: Mapping[str, Any], path: Path) -> int:
    """A request of the Open Inference Protocol with the tensors' bytes behind its JSON; gives the JSON's length."""
    parts = [raw(array) for array in inputs.values()]
    entries = [
        {"name": spec.name, "shape": inputs[spec.name].shape, "datatype": spec.datatype, "parameters": {"binary_data_size": len(part)}}
        for spec, part in zip(adapter.spec.inputs, parts, strict=True)
    ]
    head = json.dumps({"inputs": entries, "parameters": {"binary_data_output": True}}).encode()
    path.write_bytes(head + b"".join(parts))
    return len(head)


def raw(array: Any) -> bytes:
    """A tensor's bytes; a text's have their length before them, in four."""
    if not array.dtype.hasobject:
        return array.tobytes()
    return b"".join(len(text).to_bytes(4, "little") + text for text in array.flat)


def shown(row: Mapping[str, Any]) -> str:
    return f"{row['adapter']}: {row['alone_ms']} ms alone, {row['adapter_percent']} % by the adapter, {row['served_percent']} % served"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", help="names with commas, of " + ", ".join(adapter_models.MAKERS))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--subject"]:
        subject(sys.argv[2], Path(sys.argv[3]))
    else:
        report.main("adapters", __doc__, measure, _PACKAGES, _arguments)
