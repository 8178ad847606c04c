"""Compares 0Mind with the peers that are installed, on the same models and this machine: requests per second and their ratios.

    python benchmarks/peers/run.py [--peers triton,mosec] [--rounds 3] [--seconds 3] [--models tiny,mnist,image] [--envs DIR]

Every server runs one model with one thread of ONNX Runtime, with its way of joining requests on where it has one. Before anything
is timed, each one's answer is compared with the model's. The servers are started together and stand still (SIGSTOP) except the one
whose turn it is, so that an idle one costs the others nothing; their turns are interleaved round by round, and medians are shown.
wrk asks on the same cores. Needs wrk, and what `make peers` installs.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import catalogue
import models
import report
import signals
import wrk
from running import Case, Running

CLIENTS = {"tiny": (1, 32), "mnist": (1, 32), "image": (8,)}
GIB_EACH = 0.5


def measure(options: argparse.Namespace) -> dict[str, Any]:
    wrk.require()
    rounds, seconds = (1, 1) if options.quick else (options.rounds, options.seconds)
    wanted = catalogue.chosen(options.peers)
    skipped = {peer.name: sentence for peer in wanted if (sentence := peer.missing(options.envs))}
    present = [catalogue.OURS, *(peer for peer in wanted if peer.name not in skipped)]
    for sentence in skipped.values():
        report.say(sentence)
    require_memory(present)
    rows: list[dict[str, Any]] = []
    for model in options.models.split(","):
        with serving(present, model, options.envs) as (servers, faults):
            for clients in CLIENTS[model]:
                rows += turns(servers, faults, clients, rounds, seconds)
        skipped |= {f"{name}, {model}": fault for name, fault in faults.items()}
    show(rows)
    return {
        "rounds": rounds,
        "seconds": seconds,
        "servers": {peer.name: {"title": peer.title, "package": peer.package, "version": peer.version(options.envs)} for peer in present},
        "rows": rows,
        "skipped": skipped,
    }


def require_memory(peers: Sequence[catalogue.Peer]) -> None:
    """Raise SystemExit if the machine has not enough memory for all of them at a time."""
    free = psutil.virtual_memory().available / 2**30
    if free < GIB_EACH * len(peers):
        raise SystemExit(f"{len(peers)} servers need {GIB_EACH * len(peers):.1f} GiB and {free:.1f} are free: choose fewer with --peers")


@contextlib.contextmanager
def serving(peers: Sequence[catalogue.Peer], model: str, envs: Path) -> Iterator[tuple[list[Running], dict[str, str]]]:
    """The servers with one model, standing still, and what is wrong with those that do not answer rightly, by name."""
    faults: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="zeromind-bench-") as folder, contextlib.ExitStack() as stack:
        file = models.write(model, Path(folder))
        row = models.sample(model)
        case = Case(model, file, row, answer(file, row))
        servers = [stack.enter_context(Running(peer, envs, case)) for peer in peers]
        for server in servers:
            with noting(server, faults):
                server.wait()
        # Not before all have started: some of those that wait need more of the processor than their share.
        for server in servers:
            server.pause()
        yield servers, faults


def turns(servers: list[Running], faults: dict[str, str], clients: int, rounds: int, seconds: int) -> list[dict[str, Any]]:
    """The medians of the sound servers with so many clients, ours first."""
    loads: dict[str, list[wrk.Load]] = {server.peer.name: [] for server in servers}
    for number in range(rounds):
        for server in servers:
            if server.peer.name not in faults:
                with noting(server, faults):
                    load = turn(server, clients, seconds, warm=number == 0 and clients == CLIENTS[server.case.model][0])
                    loads[server.peer.name].append(load)
                    report.say(f"{server.case.model}, {clients} at a time, {server.peer.title}: {load.requests_per_second:.0f}/s")
    ours = statistics.median(load.requests_per_second for load in loads[catalogue.OURS.name])
    return [
        {"model": servers[0].case.model, "clients": clients, "server": name, **summary(found, ours)}
        for name, found in loads.items()
        if name not in faults
    ]


def turn(server: Running, clients: int, seconds: int, warm: bool) -> wrk.Load:
    """One measurement of a server, the others standing still."""
    request = wrk.Request(server.url, server.body)
    with server.awake():
        server.check()
        if warm:
            wrk.drive(request, 1, clients, strict=False)
        load = wrk.drive(request, seconds, clients, strict=False)
        # Its answer comes after those that wrk did not wait for: none is under way when the server is made to stand still.
        server.check()
    return load


def summary(loads: Sequence[wrk.Load], ours: float) -> dict[str, Any]:
    """The medians, and by how many times ``ours`` is more."""
    rates = [load.requests_per_second for load in loads]
    middle = statistics.median(rates)
    return {
        "requests_per_second": report.significant(middle),
        "rounds": [report.significant(rate) for rate in rates],
        "p50_ms": report.significant(statistics.median(load.p50_ms for load in loads)),
        "p99_ms": report.significant(statistics.median(load.p99_ms for load in loads)),
        "failed": sum(load.failed for load in loads),
        "ours_is_times": report.significant(ours / middle) if middle else None,
    }


@contextlib.contextmanager
def noting(server: Running, faults: dict[str, str]) -> Iterator[None]:
    """What goes wrong with a peer is told and leaves the others alone; with ours, it ends the comparison."""
    try:
        yield
    except (RuntimeError, OSError, http.client.HTTPException) as error:
        if server.peer is catalogue.OURS:
            raise
        text = f"{server.peer.title}: {error or error!r}"
        report.say(f"{text}\n{server.log()}")
        faults[server.peer.name] = text


def answer(file: Path, row: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the model gives for one row, without the batch dimension."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": row})[0][0])


def show(rows: list[dict[str, Any]]) -> None:
    heads = ("server", "model", "clients", "requests/s", "p50 ms", "p99 ms", "failed", "0Mind is times")
    keys = ("server", "model", "clients", "requests_per_second", "p50_ms", "p99_ms", "failed", "ours_is_times")
    report.table("side by side", heads, [[row[key] for key in keys] for row in rows])


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--peers", default="all", help="names with commas, or nothing for 0Mind alone")
    parser.add_argument("--models", default=",".join(CLIENTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--envs", type=Path, default=catalogue.ENVS, help="where their virtual environments are")


if __name__ == "__main__":
    signals.unwind()
    report.main("peers", __doc__, measure, ("onnxruntime",), arguments)
