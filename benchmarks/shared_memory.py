"""What it takes to hand a tensor to a worker and get one of its size back, from 16 bytes to 64 MiB.

    python benchmarks/shared_memory.py [--quick] [--out FILE]

The worker is a real one, a process with a Python skill that gives back what it gets: two copies, one into shared memory and one out
of it, two frames over the socket pair, and what is done around them. Beside it the same through a pair of pipes to a process that
does nothing else, and one copy of that size within this process. Microseconds by the clock; ``copies`` is how many such copies a trip
takes beyond what the smallest takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import report
import timing
import uvloop

from zeromind.executor.order import Order
from zeromind.executor.process import ProcessExecutor
from zeromind.tensors import InferRequest

SIZES = [16 << shift for shift in range(0, 23, 2)]
_MANY = 20
_SMALL = 1 << 18

_ECHO = """\
class Skill:
    inputs = {"x": ("float32", [None, None])}
    outputs = {"y": ("float32", [None, None])}

    def predict(self, x):
        return x
"""

_PIPE = """\
import sys  # started with -u: standard input and output are raw

size = int(sys.argv[1])
data = memoryview(bytearray(size))
while True:
    at = 0
    while at < size:
        count = sys.stdin.buffer.readinto(data[at:])
        if not count:
            sys.exit()
        at += count
    at = 0
    while at < size:
        at += sys.stdout.buffer.write(data[at:])
"""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    sizes = SIZES[::4] if options.quick else SIZES
    seconds = 0.5 if options.quick else 3
    results: dict[str, Any] = {}
    floor = 0.0
    with worker() as trips:
        for size in sizes:
            found = times(size, trips, seconds, 3 if options.quick else 7)
            floor = floor or found["worker"]
            row = {name: report.significant(1e6 * value) for name, value in found.items()}
            copies = (found["worker"] - floor) / found["copy"]
            results[str(size)] = {**row, "copies": report.significant(copies) if size >= _SMALL else None}
    report.table("there and back, µs", ["bytes", *results[str(sizes[0])]], ([size, *row.values()] for size, row in results.items()))
    return {"there_and_back_us": results}


def times(size: int, trips: Callable[[np.ndarray[Any, Any], int], None], seconds: float, rounds: int) -> dict[str, float]:
    """Seconds per trip by each way."""
    array = np.ones((1, size // 4), np.float32)
    target = np.empty_like(array)
    many = _MANY if size < _SMALL else 1
    with pipe(size) as echo:
        ways = {
            "worker": lambda: trips(array, many),
            "pipe": lambda: [echo(array) for _ in range(many)],
            "copy": lambda: [np.copyto(target, array) for _ in range(many)],
        }
        return {name: value / many for name, value in timing.by_turns(ways, seconds, rounds, time.perf_counter).items()}


@contextlib.contextmanager
def worker() -> Iterator[Callable[[np.ndarray[Any, Any], int], None]]:
    """A function that makes an array's trip to a worker and back so many times."""
    loop = uvloop.new_event_loop()
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(loop):
        file = Path(folder, "echo.py")
        file.write_text(_ECHO)
        order = Order({"id": "echo", "model_file": str(file)}, str(file), trusted=True, allow_code=True)
        executor = loop.run_until_complete(_started(order))
        try:
            yield lambda array, count: loop.run_until_complete(_trips(executor, array, count))
        finally:
            loop.run_until_complete(executor.stop())


async def _started(order: Order) -> ProcessExecutor:
    executor = ProcessExecutor(order, lambda: None, lambda: None)
    await executor.start(60)
    return executor


async def _trips(executor: ProcessExecutor, array: np.ndarray[Any, Any], count: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(count):
        done = loop.create_future()
        executor.send([InferRequest({"x": array})], [len(array)], done.set_result)
        (answer,) = await done
        if answer.outputs["y"].nbytes != array.nbytes:
            raise RuntimeError("the worker gave back something else")


@contextlib.contextmanager
def pipe(size: int) -> Iterator[Callable[[np.ndarray[Any, Any]], None]]:
    """A function that makes an array's trip through a process that echoes so many bytes."""
    command = [sys.executable, "-u", "-c", _PIPE, str(size)]
    back = memoryview(bytearray(size))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin, "it was asked for"
        yield lambda array: _echo(process, memoryview(array).cast("B"), back)
        process.stdin.close()


def _echo(process: subprocess.Popen[bytes], data: memoryview, back: memoryview) -> None:
    sent = received = 0
    while sent < len(data):
        sent += process.stdin.write(data[sent:])
    while received < len(back):
        count = process.stdout.readinto(back[received:])
        if not count:
            raise RuntimeError("the process at the other end of the pipe has ended")
        received += count


if __name__ == "__main__":
    report.main("shared_memory", __doc__, measure)
