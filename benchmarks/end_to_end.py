"""The whole way of a request, beside what the model alone does in a loop: requests per second by wire, model and number of clients.

    python benchmarks/end_to_end.py [--quick] [--out FILE]

One server holds all models with one thread each, everything else as it comes: limits, validation and errors are on. ``oip`` is
/v2/models/…/infer, its tensors in JSON or, ``binary``, as bytes behind it; ``0mind`` is /model/predict; the demo gets pixels as
numbers, and PNG bodies through its filter with two instances. wrk asks on the same cores. The loops of bare.py take their turns in
between; medians of the rounds. Needs wrk.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import bare
import models
import numpy as np
import report
import wrk
from server import JSON, Server, serving

CLIENTS = (1, 8, 32)
DEMO_INPUT = "conv2d_1_input:0"
DIGIT = 5  # on bare.SAMPLE


@dataclasses.dataclass(frozen=True)
class Case:
    """What is asked, by how many clients, and the loop that it is compared with: its name in bare.py."""

    model: str
    wire: str
    path: str
    body: bytes
    alone: str
    clients: tuple[int, ...] = CLIENTS
    headers: tuple[tuple[str, str], ...] = JSON

    def request(self, server: Server) -> wrk.Request:
        return wrk.Request(server.url + self.path, self.body, self.headers)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    wrk.require()
    rounds, seconds = (1, 1) if options.quick else (3, 2)
    chosen = [case for case in cases() if not options.quick or case.model in models.SHAPES]
    with tempfile.TemporaryDirectory(prefix="zeromind-bench-") as folder, contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(tasks(chosen, Path(folder))))
        for case in chosen:
            check(server, case, Path(folder))
        loops = {}
        for name in {case.alone: None for case in chosen}:
            count = 2 if name.endswith("2 processes") else 1
            loops[name] = [stack.enter_context(bare.process(name, 0.3 if options.quick else 1, folder)) for _ in range(count)]
        for name, processes in loops.items():
            bare.wait_loaded(name, processes)
        alone: dict[str, list[float]] = {name: [] for name in loops}
        loads: dict[tuple[Case, int], list[wrk.Load]] = {turn: [] for turn in turns(chosen)}
        for _ in range(rounds):
            for name, processes in loops.items():
                alone[name].append(bare.together(processes))
            for (case, clients), found in loads.items():
                found.append(wrk.drive(case.request(server), seconds, clients))
    medians = {name: statistics.median(rates) for name, rates in alone.items()}
    rows = [row(case, clients, found, medians[case.alone]) for (case, clients), found in loads.items()]
    show(rows)
    rounded = {name: report.significant(rate, 4) for name, rate in medians.items()}
    return {"rounds": rounds, "seconds": seconds, "rows": rows, "alone_rows_per_second": rounded}


def cases() -> list[Case]:
    """Everything that is asked."""
    found = []
    for name in models.SHAPES:
        clients = (1, 8) if name == "image" else CLIENTS
        found.append(Case(name, "oip", models.path(name), models.body(name), f"{name}.onnx", clients=clients))
        body, headers = models.binary(name)
        found.append(Case(name, "oip, binary", models.path(name), body, f"{name}.onnx", clients, headers))
        found.append(Case(name, "0mind", f"/model/predict?id={name}", numbers("x", models.sample(name)), f"{name}.onnx", clients=clients))
    pixels = numbers(DEMO_INPUT, bare.decoder()().round(6))
    found.append(Case("demo", "0mind", "/model/predict?id=demo", pixels, "demo, predict_on_batch"))
    picture = bare.SAMPLE.read_bytes()
    together = "Pillow and demo, compiled, 2 processes"
    found.append(Case("pictures", "0mind", "/model/predict?id=pictures", picture, together, headers=(("Content-Type", "image/png"),)))
    return found


def turns(chosen: list[Case]) -> list[tuple[Case, int]]:
    """A round's cases with their clients, in order: the wires of one model with as many clients follow each other, to be compared."""
    order = list(dict.fromkeys(case.model for case in chosen))
    return sorted(((case, clients) for case in chosen for clients in case.clients), key=lambda turn: (order.index(turn[0].model), turn[1]))


def numbers(name: str, rows: np.ndarray[Any, Any]) -> bytes:
    """A request of 0Mind's own, with the digits that a float32 has."""
    digits = np.array([float(str(number)) for number in rows.ravel()]).reshape(rows.shape)
    return json.dumps({name: digits.tolist()}).encode()


def tasks(chosen: list[Case], folder: Path) -> list[dict[str, Any]]:
    """A task for each model."""
    made = {
        "demo": lambda: models.demo_task(id="demo", input_filters={}, threads=1),
        "pictures": lambda: models.demo_task(id="pictures", instances=2, threads=1),
    }
    names = {case.model: None for case in chosen}
    return [made[name]() if name in made else models.task(name, folder) for name in names]


def check(server: Server, case: Case, folder: Path) -> None:
    """Ask once. Raises RuntimeError if the answer is not the model's."""
    status, answer = server.ask("POST", case.path, case.body, headers=case.headers)
    if status != 200:
        raise RuntimeError(f"{case.path}: {status} {answer[:200].decode(errors='replace')}")
    if case.model in models.SHAPES:
        right = np.allclose(numbers_in(answer, case.wire), bare.onnx(folder / f"{case.model}.onnx", 1)()[0][0], rtol=1e-4, atol=1e-6)
    else:
        (rows,) = json.loads(answer)["result"].values()
        right = np.argmax(rows[0]) == DIGIT
    if not right:
        raise RuntimeError(f"{case.path} has a wrong answer: {answer[:200].decode(errors='replace')}")


def numbers_in(answer: bytes, wire: str) -> Any:
    """The row of ``y``, which is the only output."""
    if wire == "oip, binary":
        return models.binary_row(answer)
    document = json.loads(answer)
    return document["outputs"][0]["data"] if wire == "oip" else document["result"]["y"][0]


def row(case: Case, clients: int, loads: list[wrk.Load], alone: float) -> dict[str, Any]:
    rate = statistics.median(load.requests_per_second for load in loads)
    return {
        "model": case.model,
        "wire": case.wire,
        "clients": clients,
        "requests_per_second": report.significant(rate, 4),
        "p50_ms": report.significant(statistics.median(load.p50_ms for load in loads)),
        "p99_ms": report.significant(statistics.median(load.p99_ms for load in loads)),
        "alone": case.alone,
        "times_alone": report.significant(rate / alone),
    }


def show(rows: list[dict[str, Any]]) -> None:
    heads = ("model", "wire", "clients", "requests/s", "p50 ms", "p99 ms", "times alone")
    keys = ("model", "wire", "clients", "requests_per_second", "p50_ms", "p99_ms", "times_alone")
    report.table("the whole way", heads, [[row[key] for key in keys] for row in rows])


if __name__ == "__main__":
    report.main("end_to_end", __doc__, measure, ("onnxruntime", "keras", "jax", "pillow"))
