"""Compares 0Mind with the peers that are installed, on the same models and this machine: requests per second and their ratios.

    python benchmarks/peers/run.py [--peers triton,mosec] [--rounds 3] [--seconds 3] [--models tiny,mnist,image] [--envs DIR]

Every server runs one model with one thread of ONNX Runtime, with its way of joining requests on where it has one. The large request
goes as JSON and, where a server takes it, with its tensor as bytes. Before anything is timed, each one's answer is compared with the
model's. The servers are started together and stand still (SIGSTOP) except the one whose turn it is, so that an idle one costs the
others nothing; their turns are interleaved round by round, and medians are shown. wrk asks on the same cores. Needs wrk, and what
`make peers` installs.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import comparison
import report
import signals
import wrk
from running import Running


@dataclasses.dataclass(frozen=True)
class Http:
    """Over HTTP: JSON, or with ``binary`` tensors as bytes behind it."""

    binary: bool

    @property
    def name(self) -> str:
        return "binary" if self.binary else "JSON"

    def check(self, server: Running) -> None:
        server.check(self.binary)

    def drive(self, server: Running, seconds: int, clients: int) -> comparison.Figures:
        return dataclasses.asdict(wrk.drive(server.request(self.binary), seconds, clients, strict=False))


JSON, BINARY = Http(binary=False), Http(binary=True)
ASKED = {"tiny": [(JSON, 1), (JSON, 32)], "mnist": [(JSON, 1), (JSON, 32)], "image": [(JSON, 8), (BINARY, 8)]}
HEADS = {
    "server": "server", "model": "model", "wire": "wire", "clients": "clients", "requests_per_second": "requests/s", "p50_ms": "p50 ms",
    "p99_ms": "p99 ms", "failed": "failed", "ours_is_times": "0Mind is times",
}  # fmt: skip


def measure(options: argparse.Namespace) -> dict[str, Any]:
    wrk.require()
    results = comparison.measure(options, ASKED)
    comparison.show("side by side", HEADS, results["rows"])
    return results


if __name__ == "__main__":
    signals.unwind()
    report.main("peers", __doc__, measure, ("onnxruntime",), lambda parser: comparison.arguments(parser, list(ASKED)))
