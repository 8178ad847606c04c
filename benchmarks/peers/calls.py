"""Compares 0Mind's gRPC with Triton's, on the same models and this machine: calls per second and their ratios.

    python benchmarks/peers/calls.py [--rounds 3] [--seconds 3] [--models tiny,mnist] [--envs DIR]

As run.py, with h2load for wrk: one stream on one connection, or 32 on four. Needs h2load, grpcio, and what `make peers` installs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import catalogue
import h2load
import report
import run
import signals
from running import Running

import grpc
from zeromind.grpc import messages

STREAMS = (1, 32)
_TRITON = catalogue.chosen("triton")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    h2load.require()
    rounds, seconds = (1, 1) if options.quick else (options.rounds, options.seconds)
    skipped = {peer.name: sentence for peer in _TRITON if (sentence := peer.missing(options.envs))}
    present = [catalogue.OURS, *(peer for peer in _TRITON if peer.name not in skipped)]
    rows: list[dict[str, Any]] = []
    for model in options.models.split(","):
        with run.serving(present, model, options.envs) as (servers, faults):
            sound = [server for server in servers if server.peer.name not in faults]
            for streams in STREAMS:
                rows += turns(sound, streams, rounds, seconds)
        skipped |= {f"{name}, {model}": fault for name, fault in faults.items()}
    report.table("gRPC", ("server", "model", "streams", "calls/s", "0Mind is times"), [list(row.values())[:5] for row in rows])
    return {
        "rounds": rounds,
        "seconds": seconds,
        "servers": {peer.name: {"title": peer.title, "version": peer.version(options.envs)} for peer in present},
        "rows": rows,
        "skipped": skipped,
    }


def turns(servers: list[Running], streams: int, rounds: int, seconds: int) -> list[dict[str, Any]]:
    """The medians of the servers with so many streams at a time, ours first."""
    rates: dict[str, list[float]] = {server.peer.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            row = server.case.row
            request = h2load.message(server.case.model, row.shape, row.tobytes())
            with server.awake():
                check(server, request)
                rates[server.peer.name].append(h2load.drive(server.grpc_port, request, seconds, streams))
                check(server, request)
            report.say(f"{server.case.model}, {streams} streams, {server.peer.title}: {rates[server.peer.name][-1]:.0f}/s")
    middles = {name: statistics.median(found) for name, found in rates.items()}
    ours = middles[catalogue.OURS.name]
    return [
        {
            "server": name,
            "model": servers[0].case.model,
            "streams": streams,
            "calls_per_second": report.significant(middle),
            "ours_is_times": report.significant(ours / middle),
            "rounds": [report.significant(rate) for rate in rates[name]],
        }
        for name, middle in middles.items()
    ]


def check(server: Running, request: bytes) -> None:
    """Call once. Raises RuntimeError if the answer is not the model's, RpcError if there is none."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        answer = channel.unary_unary(h2load.METHOD)(request, timeout=30, wait_for_ready=True)
    response = messages.load()["inference.ModelInferResponse"].FromString(answer)
    found = np.frombuffer(response.raw_output_contents[0], np.float32)
    if found.shape != server.case.expected.shape or not np.allclose(found, server.case.expected, rtol=1e-4, atol=1e-6):
        raise RuntimeError(f"{server.peer.title}: wrong numbers: {found[:10].tolist()}")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", default="tiny,mnist")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--envs", type=Path, default=catalogue.ENVS, help="where the virtual environments are")


if __name__ == "__main__":
    signals.unwind()
    report.main("calls", __doc__, measure, ("onnxruntime", "hpack", "protobuf", "grpcio"), arguments)
