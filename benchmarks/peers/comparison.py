"""Servers beside each other: started together, asked by turns, and what becomes of the figures. What run.py and calls.py share."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import catalogue
import models
import numpy as np
import psutil
import report
from running import Case, Running

GIB_EACH = 0.5
WARM_S = 1

Figures = Mapping[str, float]
"""Of one measurement: ``requests_per_second``, and what else the load generator tells."""


class Wire(Protocol):
    """One way to ask."""

    name: str

    def check(self, server: Running) -> None:
        """Ask once. Raises RuntimeError if the answer is not the model's, that, OSError or HTTPException if there is none."""

    def drive(self, server: Running, seconds: int, clients: int) -> Figures:
        """Ask for so long, so many at a time."""


Question = tuple[Wire, int]
"""A way to ask, and how many do so at a time."""


def measure(options: argparse.Namespace, asked: Mapping[str, Sequence[Question]]) -> dict[str, Any]:
    """The results of a comparison: for each model of the options, what is asked of every server that understands it."""
    rounds, seconds = (1, 1) if options.quick else (options.rounds, options.seconds)
    spoken = {wire.name for questions in asked.values() for wire, _ in questions}
    wanted = [peer for peer in catalogue.chosen(options.peers) if spoken & set(peer.speaks)]
    skipped = {peer.name: sentence for peer in wanted if (sentence := peer.missing(options.envs))}
    present = [catalogue.OURS, *(peer for peer in wanted if peer.name not in skipped)]
    for sentence in skipped.values():
        report.say(sentence)
    require_memory(present)
    rows: list[dict[str, Any]] = []
    for model in options.models.split(","):
        with serving(present, model, options.envs) as (servers, faults):
            rows += turns(servers, faults, asked[model], rounds, seconds)
        skipped |= {f"{name}, {model}": fault for name, fault in faults.items()}
    servers_of = {peer.name: {"title": peer.title, "package": peer.package, "version": peer.version(options.envs)} for peer in present}
    return {"rounds": rounds, "seconds": seconds, "servers": servers_of, "rows": rows, "skipped": skipped}


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


def turns(
    servers: Sequence[Running], faults: dict[str, str], questions: Sequence[Question], rounds: int, seconds: int
) -> list[dict[str, Any]]:
    """The medians of the sound servers for each question, ours first; every round has all questions and all servers in it."""
    found: dict[Question, dict[str, list[Figures]]] = {
        (wire, clients): {server.peer.name: [] for server in servers if wire.name in server.peer.speaks} for wire, clients in questions
    }
    for number in range(rounds):
        for (wire, clients), measured in found.items():
            for server in servers:
                name = server.peer.name
                if name in measured and name not in faults:
                    with noting(server, faults):
                        measured[name].append(turn(server, wire, clients, seconds, warm=number == 0))
                        rate = measured[name][-1]["requests_per_second"]
                        report.say(f"{server.case.model}, {wire.name}, {clients} at a time, {server.peer.title}: {rate:.0f}/s")
    return [
        {"model": servers[0].case.model, "wire": wire.name, "clients": clients, "server": name, **summary(each, measured)}
        for (wire, clients), measured in found.items()
        for name, each in measured.items()
        if name not in faults
    ]


def turn(server: Running, wire: Wire, clients: int, seconds: int, warm: bool) -> Figures:
    """One measurement of a server, the others standing still."""
    with server.awake():
        wire.check(server)
        if warm:
            wire.drive(server, WARM_S, clients)
        found = wire.drive(server, seconds, clients)
        # Its answer comes after those that the load did not wait for: none is under way when the server is made to stand still.
        wire.check(server)
    return found


def summary(turned: Sequence[Figures], measured: Mapping[str, Sequence[Figures]]) -> dict[str, Any]:
    """The medians of a server's rounds, all its failures, and by how many times as much ours answers."""
    ours = statistics.median(figures["requests_per_second"] for figures in measured[catalogue.OURS.name])
    middles = {key: statistics.median(figures[key] for figures in turned) for key in turned[0]}
    rate = middles["requests_per_second"]
    found: dict[str, Any] = {key: report.significant(value) for key, value in middles.items()}
    if "failed" in found:
        found["failed"] = sum(figures["failed"] for figures in turned)
    rounds = [report.significant(figures["requests_per_second"]) for figures in turned]
    return {**found, "rounds": rounds, "ours_is_times": report.significant(ours / rate) if rate else None}


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


def show(title: str, heads: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Show the rows to people, a column for each key of ``heads``."""
    report.table(title, list(heads.values()), [[row[key] for key in heads] for row in rows])


def arguments(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """The options of a comparison with these models."""
    parser.add_argument("--peers", default="all", help="names with commas, or nothing for 0Mind alone")
    parser.add_argument("--models", default=",".join(names), help="names with commas (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--envs", type=Path, default=catalogue.ENVS, help="where the peers' virtual environments are")
