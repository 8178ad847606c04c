"""Closed-loop load by ``wrk``, which is fast enough not to be what is measured."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

MISSING = "wrk is not installed: apt-get install wrk (Debian, Ubuntu), brew install wrk (macOS)"

_SCRIPT = """
local file = io.open("{body}", "rb")
wrk.method, wrk.body = "{method}", file:read("*a")
if #wrk.body == 0 then wrk.body = nil end
{headers}
function done(summary, latency)
    local errors = summary.errors
    io.write(string.format('{{"requests": %d, "us": %d, "bad": %d, "lost": %d, "p50": %.1f, "p99": %.1f}}\\n', summary.requests,
        summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
"""


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked again and again: a POST if there is a body, else a GET."""

    url: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)


@dataclasses.dataclass(frozen=True)
class Load:
    """What a run of load came to; latencies in milliseconds, ``failed`` the requests with a fault or no answer."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    failed: int = 0


def drive(request: Request, seconds: float = 2, connections: int = 32, core: int | None = None, strict: bool = True) -> Load:
    """Ask for whole seconds, each connection one request after the other. ``core`` pins the load to one, where that can be done.

    Raises SystemExit if wrk is missing, RuntimeError if a request failed and ``strict`` does not leave them to be counted.
    """
    require()
    with tempfile.TemporaryDirectory(prefix="zeromind-bench-") as folder:
        payload, script = Path(folder, "body"), Path(folder, "work.lua")
        payload.write_bytes(request.body)
        headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in request.headers)
        script.write_text(_SCRIPT.format(body=payload, method="POST" if request.body else "GET", headers=headers))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(script), request.url]
        found = subprocess.run(pinned(core, command), check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
    counts = json.loads(found.splitlines()[-1])
    failed = counts["bad"] + counts["lost"]
    if strict and (failed or not counts["requests"]):
        raise RuntimeError(f"{request.url}: {counts['bad']} of {counts['requests']} requests failed, {counts['lost']} were lost:\n{found}")
    return Load(counts["requests"] / counts["us"] * 1e6, counts["p50"] / 1e3, counts["p99"] / 1e3, failed)


def require() -> None:
    """Raise SystemExit with what to do where wrk is missing."""
    if not shutil.which("wrk"):
        raise SystemExit(MISSING)


def pinned(core: int | None, command: list[str]) -> list[str]:
    """The command, on that core only where the system has ``taskset``."""
    return ["taskset", "-c", str(core), *command] if core is not None and shutil.which("taskset") else command
