"""What the models take on their own, in a loop without a server: what the server's figures are compared with.

    python benchmarks/bare.py [--quick] [--out FILE]

ONNX Runtime with one thread, a row at a time and 32 at a time. ``keras.Model.predict_on_batch`` with one row of the demo's network,
and the same network as the keras adapter compiles it. Pillow decoding a picture of a digit and the model on what comes out, in two
processes at a time. All have one thread. Rows per second, each in processes of its own, by turns; medians of the rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import models
import numpy as np
import report

_BATCH = 32
SAMPLE = models.ROOT / "samples" / "image5.png"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    rounds, seconds = (1, 0.3) if options.quick else (3, 1)
    subjects = {f"{name}.onnx": 1 for name in models.SHAPES}
    subjects |= {f"{name}.onnx, batches of {_BATCH}": 1 for name in models.SHAPES}
    if not options.quick:
        subjects |= {"demo, predict_on_batch": 1, "demo, compiled": 1, "Pillow": 1}
        subjects |= {"Pillow and demo, predict_on_batch, 2 processes": 2, "Pillow and demo, compiled, 2 processes": 2}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in subjects}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for name in models.SHAPES:
            models.write(name, Path(folder))
        started = {name: [stack.enter_context(process(name, seconds, folder)) for _ in range(count)] for name, count in subjects.items()}
        for name, processes in started.items():
            wait_loaded(name, processes)
        for _ in range(rounds):
            for name, processes in started.items():
                found[name].append(turn(processes))
    medians = {
        name: [report.significant(statistics.median(column), 4) for column in zip(*turns, strict=True)] for name, turns in found.items()
    }
    report.table("alone", ["", "rows/s", "processor µs/row"], ([name, *row] for name, row in medians.items()))
    return {
        "rows_per_second": {name: rate for name, (rate, _) in medians.items()},
        "processor_us_per_row": {name: microseconds for name, (_, microseconds) in medians.items()},
        "rounds": rounds,
        "seconds": seconds,
    }


@contextlib.contextmanager
def process(name: str, seconds: float, folder: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is one subject, and works when it is told to."""
    command = [sys.executable, __file__, "--subject", name, str(seconds), folder]
    environment = {**os.environ, **dict.fromkeys(_THREADS, "1")}
    with subprocess.Popen(command, text=True, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        try:
            yield started
        finally:
            started.kill()


def wait_loaded(name: str, processes: Sequence[subprocess.Popen[str]]) -> None:
    """Return once they have loaded. Raises RuntimeError if one has failed."""
    for each in processes:
        if each.stdout.readline() != "loaded\n":
            raise RuntimeError(f"{name} could not be loaded: see above")


def together(processes: Sequence[subprocess.Popen[str]]) -> float:
    """Rows per second of a subject, all its processes at the same time."""
    return turn(processes)[0]


def turn(processes: Sequence[subprocess.Popen[str]]) -> tuple[float, float]:
    """The same, and the processor time of a row in microseconds."""
    for each in processes:
        each.stdin.write("go\n")
        each.stdin.flush()
    rates, times = zip(*(json.loads(each.stdout.readline()) for each in processes), strict=True)
    return sum(rates), statistics.mean(times)


def subject(name: str, seconds: float, folder: str) -> None:
    """Be one of those processes."""
    call, rows = make(name, folder)
    call()
    print("loaded", flush=True)
    for _ in sys.stdin:
        count, begun, used = 0, time.perf_counter(), time.process_time()
        while (taken := time.perf_counter() - begun) < seconds:
            call()
            count += rows
        print(json.dumps([count / taken, 1e6 * (time.process_time() - used) / count]), flush=True)


def make(name: str, folder: str) -> tuple[Callable[[], Any], int]:
    """A subject's call, and how many rows that does."""
    if ".onnx" in name:
        rows = _BATCH if "batches" in name else 1
        return onnx(Path(folder, name.partition(",")[0]), rows), rows
    decode = decoder()
    if name == "Pillow":
        return decode, 1
    model = compiled() if "compiled" in name else predict_on_batch()
    row = decode()
    return (lambda: model(decode())) if name.startswith("Pillow") else (lambda: model(row)), 1


def onnx(path: Path, rows: int) -> Callable[[], Any]:
    """One run of an ONNX model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    feed = {"x": np.repeat(models.sample(path.stem), rows, axis=0)}
    return lambda: session.run(None, feed)


def predict_on_batch() -> Callable[[np.ndarray[Any, Any]], Any]:
    """The demo's network as Keras itself runs it. Its file is older than Keras 3, which cannot read it without us."""
    from zeromind.adapters import keras_backend, keras_hdf5, keras_legacy

    keras = keras_backend.keras_module(1, "auto")
    model, _, _ = keras_legacy.load(keras, keras_hdf5.read(Path(models.demo_task()["model_file"])), allow_code=False)
    return model.predict_on_batch


def compiled() -> Callable[[np.ndarray[Any, Any]], Any]:
    """The demo's network as the keras adapter runs it."""
    from zeromind.adapters.base import Source
    from zeromind.adapters.file import ModelFile
    from zeromind.adapters.keras import KerasAdapter

    adapter = KerasAdapter(Source(ModelFile(Path(models.demo_task()["model_file"]))))
    (spec,) = adapter.spec.inputs
    return lambda rows: adapter.predict({spec.name: rows})


def decoder() -> Callable[[], np.ndarray[Any, Any]]:
    """A picture's bytes as the demo's network takes them: resized, gray, divided by 255; what the demo's filter does, unchecked."""
    from PIL import Image

    png = SAMPLE.read_bytes()

    def decode() -> np.ndarray[Any, Any]:
        with Image.open(io.BytesIO(png)) as image:
            gray = image.resize((28, 28), Image.Resampling.LANCZOS).convert("L")
            return np.divide(gray, 255, dtype=np.float32).reshape(1, 28, 28, 1)

    return decode


if __name__ == "__main__":
    if sys.argv[1:2] == ["--subject"]:
        subject(sys.argv[2], float(sys.argv[3]), sys.argv[4])
    else:
        report.main("bare", __doc__, measure, ("onnxruntime", "keras", "jax", "pillow"))
