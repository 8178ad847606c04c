"""A server of ours in a process of its own, as long as a benchmark needs it."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

JSON = (("Content-Type", "application/json"),)
READY_S = 120
_STOP_S = 20
_POLL_S = 0.02


@dataclasses.dataclass
class Server:
    """A running server: its address, and its front's process."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def front(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    @property
    def workers(self) -> list[psutil.Process]:
        return self.front.children(recursive=True)

    def ask(
        self, method: str, path: str, body: bytes | None = None, timeout: float = 60, headers: Iterable[tuple[str, str]] = JSON
    ) -> tuple[int, bytes]:
        """The status and body of one request on a connection of its own. Raises OSError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, dict(headers) if body else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@contextlib.contextmanager
def serving(tasks: Sequence[Mapping[str, Any]], **keys: Any) -> Iterator[Server]:
    """A server with these tasks and pool settings, ready, its models answering. Raises RuntimeError with its log if that fails."""
    with started(tasks, **keys) as server:
        wait_ready(server, [str(task["id"]) for task in tasks])
        yield server


@contextlib.contextmanager
def started(tasks: Sequence[Mapping[str, Any]], **keys: Any) -> Iterator[Server]:
    """The same, just started: perhaps it does not even listen yet."""
    with tempfile.TemporaryDirectory(prefix="zeromind-bench-") as folder, Path(folder, "log").open("wb") as log:
        port = free_port()
        config = Path(folder, "pool.json")
        config.write_text(json.dumps({"tasks": list(tasks), **keys}))
        command = [sys.executable, "-m", "zeromind", "serve", "-c", str(config), "--port", str(port)]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=_environment())
        try:
            yield Server(port, process)
        except Exception as error:
            raise RuntimeError(f"{error}; the server's log:\n{Path(log.name).read_text()[-4000:]}") from error
        finally:
            end(process)


def wait_ready(server: Server, ids: Sequence[str] = ()) -> None:
    """Return once it answers that it is ready. Raises RuntimeError if it ends, takes too long, or does not serve these models."""
    poll(server, lambda: server.ask("GET", "/v2/health/ready", timeout=1)[0] == 200)
    served = json.loads(server.ask("GET", "/model/list")[1])["models"]
    if missing := set(ids) - set(served):
        raise RuntimeError(f"not served: {', '.join(sorted(missing))}")


def poll(server: Server, condition: Any, every_s: float = _POLL_S) -> None:
    """Return once the condition holds; a refused connection counts as not yet. Raises RuntimeError if the server ends, or too late."""
    end_s = time.monotonic() + READY_S
    while time.monotonic() < end_s:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended with status {server.process.returncode}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if condition():
                return
        time.sleep(every_s)
    raise RuntimeError(f"the server is not ready after {READY_S} s")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and see to it that it does."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _environment() -> dict[str, str]:
    """This process's, without the settings of some other pool."""
    return {key: value for key, value in os.environ.items() if not key.startswith("ZEROMIND_")}
