"""Closed-loop load over gRPC by ``h2load``: one message, sent again and again on streams of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from zeromind.codecs.protobuf import field, varint
from zeromind.grpc.encoding import framed

MISSING = "h2load is not installed: apt-get install nghttp2-client (Debian, Ubuntu), brew install nghttp2 (macOS)"
METHOD = "/inference.GRPCInferenceService/ModelInfer"
CONNECTIONS = 4
"""Of more than one stream at a time."""


def message(model: str, shape: tuple[int, ...], data: bytes) -> bytes:
    """A ``ModelInferRequest`` with one raw input ``x``, FP32."""
    sizes = b"".join(map(varint, shape))
    return field(1, model.encode()) + field(5, field(1, b"x") + field(2, b"FP32") + field(3, sizes)) + field(7, data)


def drive(port: int, request: bytes, seconds: int = 2, streams: int = 1) -> float:
    """Calls per second with so many streams at a time. Raises SystemExit if h2load is missing, RuntimeError if calls failed."""
    require()
    connections = 1 if streams == 1 else CONNECTIONS
    with tempfile.TemporaryDirectory(prefix="zeromind-bench-") as folder:
        body = Path(folder, "message")
        body.write_bytes(b"".join(framed([request])))
        command = [
            "h2load", "-t1", f"-c{connections}", f"-m{max(1, streams // connections)}", f"-D{seconds}", "--warm-up-time=1", "-d", str(body),
            "-H", "content-type: application/grpc", "-H", "te: trailers", f"http://127.0.0.1:{port}{METHOD}",
        ]  # fmt: skip
        found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
    counts = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", found)
    rate = re.search(r"([\d.]+) req/s", found)
    if rate is None or counts is None or any(map(int, counts.groups())):
        raise RuntimeError(f"calls failed:\n{found}")
    return float(rate[1])


def require() -> None:
    """Raise SystemExit with what to do where h2load is missing."""
    if not shutil.which("h2load"):
        raise SystemExit(MISSING)
