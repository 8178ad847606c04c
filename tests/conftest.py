"""What the tests of the pool share: small models, servers in this process or in one of their own, a plain client."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import psutil
import pytest

from zeromind.config import pool
from zeromind.observe import log_settings
from zeromind.server import Server

pytest_plugins = ["promises", "scripted"]
WAIT_S = 30
JSON = {"Content-Type": "application/json"}

SUM = '''
"""Adds up the numbers of each row."""


class Skill:
    inputs = {"x": ("float32", [None, 3])}
    outputs = {"sum": ("float32", [None])}

    def predict(self, x):
        return x.sum(axis=1)
'''

SLOW = '''
"""Takes its time to load."""

import time


class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"y": ("float32", [None])}

    def __init__(self, load_s=2.0):
        time.sleep(load_s)

    def predict(self, x):
        return x
'''

LAB = '''
"""Does what the request says, to itself too; tells its process and the size of its batch."""

import ctypes
import os
import signal
import time

import numpy as np


class Skill:
    inputs = {"order": ("string", [None])}
    outputs = {"pid": ("int64", [None]), "batch": ("int64", [None]), "echo": ("string", [None])}

    def predict(self, order):
        for one in order.tolist():
            name, _, value = one.partition(":")
            if name == "sleep":
                time.sleep(float(value))
            elif name == "hold":  # nothing else of the process runs meanwhile
                ctypes.PyDLL(None).sleep(int(value))
            elif name == "note":
                with open(value, "a") as file:
                    file.write("x")
            elif name == "due":  # a time of the monotonic clock, and where to note that it has passed
                due, _, path = value.partition(":")
                if time.monotonic() > float(due):
                    with open(path, "a") as file:
                        file.write("x")
                time.sleep(0.02)
            elif name == "fill":
                bytearray(b"x") * int(value)
            elif name == "exit":
                os._exit(int(value))
            elif name == "leave":
                raise SystemExit(int(value))
            elif name == "signal":
                os.kill(os.getpid(), getattr(signal, value))
                time.sleep(60)
            elif name == "refuse":
                raise ValueError("not this one")
            elif name == "fail":
                raise RuntimeError("a secret of the skill")
        rows = len(order)
        return {"pid": np.full(rows, os.getpid()), "batch": np.full(rows, rows), "echo": order}
'''

PICTURE = '''
"""The mean of a picture."""


class Skill:
    inputs = {"picture": ("float32", [None, 4, 4, 1])}
    outputs = {"mean": ("float32", [None])}

    def predict(self, picture):
        return picture.mean(axis=(1, 2, 3))
'''

KINDS = '''
"""Gives back what it gets, one input of each kind."""


class Skill:
    inputs = {
        "float": ("float32", [None, 2]), "half": ("float16", [None]), "int": ("int64", [None]), "byte": ("uint8", [None]),
        "flag": ("bool", [None]), "text": ("string", [None, 1]),
    }
    outputs = {f"{name}_out": entry for name, entry in inputs.items()}

    def predict(self, **values):
        return {f"{name}_out": value for name, value in values.items()}
'''

FILTERS = '''
"""Filters of the operator's own."""

import numpy as np


class Split:
    side = "input"

    def apply(self, value, spec):
        return np.array([[float(part) for part in row.split()] for row in value], np.float32)


class Scale:
    side = "both"

    def __init__(self, by=2.0):
        self.by = by

    def apply(self, value, spec):
        return np.asarray(value, np.float32) * self.by


class Broken:
    side = "input"

    def apply(self, value, spec):
        raise KeyError("a secret of the filter")


class Strange:
    """Gives what JSON has no form for."""

    side = "output"

    def __init__(self, kind="set"):
        self.kind = kind

    def apply(self, value, spec):
        if self.kind == "nan":
            return float("nan")
        return {1, 2} if self.kind == "set" else {("a", "b"): 1}


class Reader:
    """Reads a file that the client names and gives its numbers."""

    side = "input"

    def __init__(self, files):
        self.files = files

    def apply(self, value, spec):
        return np.array([[float(part) for part in self.files.read(row["path"]).split()] for row in value], np.float32)


class NoFilter:
    side = "sideways"
'''


def make_onnx(path: Path, gain: float) -> None:
    """``y = gain * x`` for rows of four."""
    import onnx
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 4])
    factor = helper.make_tensor("gain", TensorProto.FLOAT, [], [gain])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "gain"], ["y"])], "gain", [x], [y], [factor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder with ``double.onnx``, the Python skills and the folder ``filters``; a pool's root in most tests."""
    folder = tmp_path_factory.mktemp("models")
    make_onnx(folder / "double.onnx", 2)
    for name, text in {"sum": SUM, "slow": SLOW, "lab": LAB, "kinds": KINDS, "picture": PICTURE}.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "filters").mkdir()
    (folder / "filters" / "own.py").write_text(FILTERS)
    (folder / "row.txt").write_text("1 2 3")
    (folder / "broken.onnx").write_bytes(b"\x08\x08 nothing of ONNX")
    return folder


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    data: bytes

    @property
    def json(self):
        return json.loads(self.data, parse_constant=_refuse)

    @property
    def error(self):
        """The only error of the envelope."""
        assert list(self.json) == ["errors"], self
        (error,) = self.json["errors"]
        assert list(error) == ["code", "message", "params"]
        return error


def _refuse(token):
    raise AssertionError(f"{token} is no JSON")


class Client:
    """One request per connection, against one server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = urllib.parse.urlsplit(url).netloc

    def ask(self, method, route, body=None, headers=None, timeout=WAIT_S) -> Answer:
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        headers = dict(JSON if headers is None and body is not None else headers or {})
        connection = http.client.HTTPConnection(self.address, timeout=timeout)
        try:
            connection.request(method, route, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, route, **more):
        return self.ask("GET", route, **more)

    def post(self, route, body=None, **more):
        return self.ask("POST", route, body, **more)

    def predict(self, model, body, **more):
        return self.post(f"/model/predict?id={urllib.parse.quote(model)}", body, **more)

    def load(self, task, **more):
        return self.post("/model/load", task, **more)

    def drop(self, model, **more):
        return self.get(f"/model/drop?id={urllib.parse.quote(model)}", **more)

    def ids(self):
        return self.get("/model/list").json["models"]

    def pid(self, model="lab"):
        """The process that serves a ``lab`` skill."""
        answer = self.predict(model, {"order": ["echo"]})
        assert answer.status == 200, answer
        return answer.json["result"]["pid"][0]


def wait_for(condition, timeout_s=WAIT_S):
    """Return once the condition holds; fail when it does not in time."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def gone(pid):
    """Whether no such process runs any more."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(scope="session")
def waiting():
    return wait_for


@pytest.fixture(scope="session")
def neighbours():
    """A function that gives a free port whose next one is free as well."""

    def found():
        while True:
            with socket.socket() as first, socket.socket() as second:
                first.bind(("127.0.0.1", 0))
                port = first.getsockname()[1]
                try:
                    second.bind(("127.0.0.1", port + 1))
                except (OSError, OverflowError):
                    continue
                return port

    return found


@pytest.fixture(scope="session")
def is_gone():
    return gone


class Hosted(Client):
    """A client of a server in this process, whose operator it can be, too."""

    def serve(self, task, timeout_s=600):
        """Load a task as one of the configuration's: it may run in a thread of the server, which saves a process for each."""
        loading = self.server.engine.registry.load(task, trusted=True)
        return asyncio.run_coroutine_threadsafe(loading, self.loop).result(timeout_s)


class Thread:
    """A real server on a loop of its own in a thread of this process; every complaint of the loop fails the test."""

    def __init__(self, config) -> None:
        self.config = config
        self.complaints: list[dict] = []
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Hosted:
        self._level = logging.getLogger("zeromind").level
        self._thread.start()
        assert self._up.wait(WAIT_S)
        client = Hosted(self.server.url)
        client.server = self.server
        client.loop = self._loop
        wait_for(lambda: client.get("/v2/health/ready").status == 200)
        return client

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, context: self.complaints.append(context))
        self.server = Server(self.config)
        self.server.start()
        self._up.set()
        await self.server.engine.stopped.wait()
        await self.server.close()

    def __exit__(self, *_) -> None:
        self._loop.call_soon_threadsafe(self.server.engine.stop)
        self._thread.join(WAIT_S)
        self._forget_log_settings()
        assert not self._thread.is_alive()
        assert self.complaints == []

    def _forget_log_settings(self) -> None:
        """What a client has had logged or not, which holds for this process."""
        logger = logging.getLogger("zeromind")
        logger.setLevel(self._level)
        for handler in (*logger.handlers, *logging.getLogger().handlers):
            for gate in [gate for gate in handler.filters if isinstance(gate, log_settings._Gate)]:
                handler.removeFilter(gate)


def settings(folder, **keys):
    """A configuration with ``folder`` as root and as where code may come from."""
    return pool.read(None, {}, {"port": 0, "roots": [str(folder)], "code_roots": [str(folder)], **keys}, folder)


@pytest.fixture(scope="session")
def configured(models):
    """A function that makes a configuration over the shared models."""
    return lambda **keys: settings(models, **keys)


@pytest.fixture(scope="session")
def thread_server(models):
    """A context manager that serves in this process and gives a Client."""
    return lambda **keys: Thread(settings(models, **keys))


class Spawned(Client):
    """A server that is a process of its own; whoever asks for one gets it ended, by its id."""

    def __init__(self, arguments, log, environment) -> None:
        self.log = log
        port = [] if "--port" in arguments else ["--port", "0"]
        command = [sys.executable, "-W", "default::ResourceWarning", "-m", "zeromind", *arguments, *port]
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                command, cwd=log.parent, stderr=stderr, stdout=subprocess.DEVNULL, env={**os.environ, **environment}
            )

    def wait_url(self):
        def found():
            assert self.process.poll() is None, self.log.read_text()
            return re.search(r"0Mind is ready: (http://[^\s]+)", self.log.read_text())

        wait_for(found)
        super().__init__(found()[1])
        return self

    def workers(self):
        """The ids of its worker processes."""
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, timeout_s=WAIT_S):
        return self.process.wait(timeout_s)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def complaints(self):
        """What its standard error says of forgotten coroutines, tasks, sockets, and unknown faults."""
        return re.findall(r".*(?:Traceback|never awaited|never retrieved|ResourceWarning|was destroyed).*", self.log.read_text())


@pytest.fixture
def spawn(models, tmp_path):
    """A function that starts ``python -m zeromind`` with a configuration of these keys and gives a Client with its process."""
    servers = []

    def start(arguments=None, wait=True, environment=None, **keys):
        number = len(servers)
        if arguments is None:
            file = tmp_path / f"pool{number}.json"
            file.write_text(json.dumps({"roots": [str(models)], "code_roots": [str(models)], **keys}))
            arguments = ["-c", str(file)]
        server = Spawned(arguments, tmp_path / f"log{number}.txt", environment or {})
        servers.append(server)
        return server.wait_url() if wait else server

    yield start
    for server in servers:
        server.end()
