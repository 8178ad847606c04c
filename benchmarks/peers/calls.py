"""Compares 0Mind's gRPC with Triton's, on the same models and this machine: calls per second and their ratios.

    python benchmarks/peers/calls.py [--rounds 3] [--seconds 3] [--models tiny,mnist] [--envs DIR]

As run.py, with h2load for wrk: one stream on one connection, or 32 on four. Needs h2load, grpcio, and what `make peers` installs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import comparison
import h2load
import report
import signals
from running import Running

import grpc
from zeromind.grpc import messages


class Grpc:
    """ModelInfer with raw tensors; who asks at the same time does so on a stream of its own."""

    name = "gRPC"

    def check(self, server: Running) -> None:
        try:
            with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
                answer = channel.unary_unary(h2load.METHOD)(message(server), timeout=30, wait_for_ready=True)
        except grpc.RpcError as error:
            raise RuntimeError(f"no answer over gRPC: {error.code().name} {error.details()}") from None
        response = messages.load()["inference.ModelInferResponse"].FromString(answer)
        server.compare(np.frombuffer(response.raw_output_contents[0], np.float32))

    def drive(self, server: Running, seconds: int, clients: int) -> comparison.Figures:
        return {"requests_per_second": h2load.drive(server.grpc_port, message(server), seconds, clients)}


GRPC = Grpc()
ASKED = {"tiny": [(GRPC, 1), (GRPC, 32)], "mnist": [(GRPC, 1), (GRPC, 32)]}
HEADS = {
    "server": "server", "model": "model", "clients": "streams", "requests_per_second": "calls/s", "ours_is_times": "0Mind is times",
}  # fmt: skip


def message(server: Running) -> bytes:
    return h2load.message(server.case.model, server.case.row.shape, server.case.row.tobytes())


def measure(options: argparse.Namespace) -> dict[str, Any]:
    h2load.require()
    results = comparison.measure(options, ASKED)
    comparison.show("gRPC", HEADS, results["rows"])
    return results


if __name__ == "__main__":
    signals.unwind()
    packages = ("onnxruntime", "hpack", "protobuf", "grpcio")
    report.main("calls", __doc__, measure, packages, lambda parser: comparison.arguments(parser, list(ASKED)))
