"""A server of the comparison in processes of its own, which stand still while others are measured."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import models
import numpy as np
import psutil
import wrk
from catalogue import Peer
from server import free_port

READY_S = 180
_STOP_S = 15
_POLL_S = 0.1
# Nobody outside hears of it, and nothing is written outside its folder.
_QUIET = {"BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0", "HF_HUB_OFFLINE": "1"}


@dataclasses.dataclass(frozen=True)
class Case:
    """A model in a file, one row of ``x`` for it, and the row of ``y`` that ONNX Runtime gives for that."""

    model: str
    file: Path
    row: np.ndarray[Any, Any]
    expected: np.ndarray[Any, Any]


class Running:
    """One peer serving one model; a context manager that starts it, and ends whatever it started."""

    def __init__(self, peer: Peer, envs: Path, case: Case) -> None:
        self.peer = peer
        self.case = case
        self._python = peer.python(envs)
        self._family: dict[int, psutil.Process] = {}
        self.port = free_port()
        self.grpc_port = free_port()
        url = f"http://127.0.0.1:{self.port}{peer.route(case.model)}"
        self._json = wrk.Request(url, peer.body(case.row))
        self._binary = wrk.Request(url, *models.binary(case.model))

    def __enter__(self) -> Running:
        # A short name: beneath it some put sockets, whose paths must be short.
        self._folder = tempfile.TemporaryDirectory(prefix="0m", ignore_cleanup_errors=True)
        self._log = Path(self._folder.name, "server.log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._python, self.peer.program],
                cwd=self._folder.name, env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        for process in self._family.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._folder.cleanup()

    def wait(self) -> None:
        """Return once it answers, rightly. Raises RuntimeError if it does not."""
        end = time.monotonic() + READY_S
        while True:
            try:
                return self.check()
            except (OSError, http.client.HTTPException, RuntimeError) as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"it does not serve {self.case.model}: {error}") from None
            time.sleep(_POLL_S)

    def log(self) -> str:
        """The end of what it has written."""
        return self._log.read_text(errors="replace")[-2000:]

    def request(self, binary: bool = False) -> wrk.Request:
        """What it is asked over HTTP: JSON, or the tensors as bytes."""
        return self._binary if binary else self._json

    def check(self, binary: bool = False) -> None:
        """Ask once. Raises RuntimeError if the answer is not the model's, OSError or HTTPException if there is none."""
        request = self.request(binary)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", self.peer.route(self.case.model), request.body, dict(request.headers))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}: {body[:200].decode(errors='replace')}")
        try:
            found = models.binary_row(body) if binary else np.asarray(self.peer.answer(body), dtype=np.float32)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise RuntimeError(f"not an answer ({error!r}): {body[:200].decode(errors='replace')}") from None
        self.compare(found)

    def compare(self, found: np.ndarray[Any, Any]) -> None:
        """Raise RuntimeError if that is not the model's row."""
        if found.shape != self.case.expected.shape or not np.allclose(found, self.case.expected, rtol=1e-4, atol=1e-6):
            raise RuntimeError(f"wrong numbers: {found[:10].tolist()} instead of {self.case.expected[:10].tolist()}")

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """It runs inside and stands still afterwards."""
        self.resume()
        try:
            yield
        finally:
            self.pause()

    def pause(self) -> None:
        """Stop all its processes, so that nothing of it uses the processor."""
        for process in self._seen():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """Let them go on."""
        for process in reversed(list(self._family.values())):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def _seen(self) -> list[psutil.Process]:
        """All its processes, parents first, those too whose parent has gone since."""
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            for process in (root, *root.children(recursive=True)):
                self._family.setdefault(process.pid, process)
        return list(self._family.values())

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ZEROMIND_", "PYTHON", "VIRTUAL_ENV"))}
        return {
            **kept,
            **_QUIET,
            **self.peer.settings,
            "PATH": f"{self._python.parent}:{kept.get('PATH', os.defpath)}",
            "BENTOML_HOME": self._folder.name,
            "TMPDIR": self._folder.name,
            "BENCH_NAME": self.case.model,
            "BENCH_MODEL": str(self.case.file),
            "BENCH_PORT": str(self.port),
            "BENCH_GRPC_PORT": str(self.grpc_port),
            "BENCH_SPARE_PORTS": f"{free_port()} {free_port()}",
        }
