"""The server is killed at any instant: what it had acknowledged comes back, and nothing of it is left."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import random
import socket
import threading
import time
from pathlib import Path

import pytest

from faults.versions import config, task, versioned

IDS = ("a", "b", "c")
GONE_S = 2.0
CONFIGURED = task(100, "fixed")


class Life:
    """A client that loads, replaces and drops one id in turn, and knows what was acknowledged and what it was about to do."""

    def __init__(self, server, name, known, number):
        self.server = server
        self.name = name
        self.known = {known}
        """The versions that may be there: one, or two while an answer is missing; None: it is dropped."""
        self.dice = random.Random(f"{number} {name}")  # noqa: S311 - no secret
        self.version = 1000 * number
        self.faults = []
        self.thread = threading.Thread(target=self._live)
        self.thread.start()

    def _live(self):
        with contextlib.suppress(OSError, http.client.HTTPException):  # it was killed
            while True:
                self._step()

    def _step(self):
        (present,) = self.known
        self.version += 1
        if present is None:
            self._ask(self.version, lambda: self.server.load(task(self.version, self.name)))
            return
        match self.dice.choice(["drop", "unload", "reload", "predict"]):
            case "drop":
                self._ask(None, lambda: self.server.drop(self.name))
            case "unload":
                self._ask(None, lambda: self.server.post(f"/v2/repository/models/{self.name}/unload"))
                while self.server.get(f"/v2/models/{self.name}/stats").status == 200:
                    time.sleep(0.01)
            case "reload":
                body = {"parameters": {"config": json.dumps(config(self.version))}}
                self._ask(self.version, lambda: self.server.post(f"/v2/repository/models/{self.name}/load", body))
            case "predict":
                answer = self.server.predict(self.name, {"wait": [0.01]})
                if answer.status != 200 or answer.json["result"]["version"] != [present]:
                    self.faults.append(answer)

    def _ask(self, then, call):
        self.known.add(then)
        answer = call()
        if answer.status == 200:
            self.known = {then}
        else:
            self.faults.append(answer)


def what_is_there(server, name):
    answer = server.predict(name, {"wait": [0]})
    assert answer.status in (200, 404), answer
    return answer.json["result"]["version"][0] if answer.status == 200 else None


def contents(folder):
    """What lies in a folder and beneath."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def shared_memory():
    """The names of what is in shared memory."""
    return {path.name for path in Path("/dev/shm").iterdir()}


@pytest.mark.proves("G5", "F17")
@pytest.mark.timeout(36000)
def test_g5_what_was_acknowledged_survives_a_kill_at_any_instant(spawn, tmp_path, size, is_gone, waiting):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    keys = {"port": port, "grpc_port": 0, "tasks": [CONFIGURED], "environment": {"TMPDIR": str(temporary)}}
    known = dict.fromkeys(IDS)
    dice = random.Random(5)  # noqa: S311 - no secret
    shared = shared_memory()
    for number in range(1, 1 + size(20, 500)):
        server = versioned(spawn, tmp_path, **keys)  # on the port of the one that was killed
        for name, versions in known.items() if number > 1 else ():
            assert what_is_there(server, name) in versions, (number, name)
        assert what_is_there(server, "fixed") == 100
        lives = [Life(server, name, what_is_there(server, name), number) for name in IDS]
        time.sleep(dice.random() * 1.2)
        processes = server.workers()
        server.process.kill()
        server.wait()
        killed = time.monotonic()
        for life in lives:
            life.thread.join()
            assert life.faults == [], number
        waiting(lambda gone=processes: all(map(is_gone, gone)), max(0.0, killed + GONE_S - time.monotonic()))
        known = {life.name: life.known for life in lives}
        assert server.complaints() == []
    server = versioned(spawn, tmp_path, **keys)
    for name, versions in known.items():
        assert what_is_there(server, name) in versions, name
    server.signal()
    assert server.wait() == 0
    assert contents(temporary) == []
    assert shared_memory() <= shared
    assert [path for path in contents(tmp_path / "state") if path not in ("pool.sqlite3", "pool.sqlite3-journal")] == []


@pytest.mark.proves("F17")
def test_f17_files_that_clients_sent_go_with_the_server_that_was_killed(spawn, models, tmp_path, waiting, is_gone):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    whole = base64.b64encode((models / "double.onnx").read_bytes()).decode()
    parameters = {"config": '{"backend": "onnx"}', "file:1/model.onnx": whole}
    first, second = (
        spawn(tasks=[], allow_file_override=True, environment={"TMPDIR": str(temporary)}, state_dir=str(tmp_path / name)) for name in "ab"
    )
    for server in (first, second):
        assert server.post("/v2/repository/models/sent/load", {"parameters": parameters}).status == 200
    assert len(list(temporary.iterdir())) == 2
    workers = first.workers()
    first.process.kill()
    first.wait()
    waiting(lambda: all(map(is_gone, workers)), GONE_S)
    again = spawn(tasks=[], environment={"TMPDIR": str(temporary)}, state_dir=str(tmp_path / "a"))
    waiting(lambda: len(list(temporary.iterdir())) == 1)
    assert again.ids() == []  # what came with files of its own is not remembered
    assert second.predict("sent", {"x": [[1, 2, 3, 4]]}).json["result"] == {"y": [[2, 4, 6, 8]]}
    assert second.post("/v2/repository/models/sent/load", {"parameters": parameters}).status == 200
    for server in (again, second):
        server.signal()
        assert server.wait() == 0
    assert contents(temporary) == []


@pytest.mark.proves("F17")
def test_f17_a_worker_that_only_begins_does_not_outlive_the_server(spawn, tmp_path, is_gone, waiting):
    for pause in (0.0, 0.02, 0.05, 0.1, 0.15, 0.2):
        server = versioned(spawn, tmp_path)
        threads = [threading.Thread(target=lambda name=name, server=server: quietly(server.load, task(1, name))) for name in IDS]
        for thread in threads:
            thread.start()
        waiting(lambda server=server: len(server.workers()) > 0)
        time.sleep(pause)
        workers = server.workers()
        server.process.kill()
        server.wait()
        waiting(lambda workers=workers: all(map(is_gone, workers)), GONE_S)
        for thread in threads:
            thread.join()
        (tmp_path / "state" / "pool.sqlite3").unlink()


@pytest.mark.proves("F17")
def test_f17_a_worker_whose_lock_is_held_does_not_outlive_the_server(spawn, is_gone, waiting):
    """No thread of it can see that the server has gone."""
    server = spawn(tasks=[{"id": "lab", "model_file": "lab.py"}])
    (worker,) = server.workers()
    asking = threading.Thread(target=lambda: quietly(server.predict, "lab", {"order": ["hold:60"]}))
    asking.start()
    time.sleep(0.5)
    server.process.kill()
    server.wait()
    waiting(lambda: is_gone(worker), GONE_S)
    asking.join()


def quietly(call, *arguments):
    with contextlib.suppress(OSError, http.client.HTTPException):
        call(*arguments)
