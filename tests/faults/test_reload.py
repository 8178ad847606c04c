"""Models are replaced while clients ask for them, by good versions and by broken ones, and their files are damaged, cut off and deleted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import threading
import time

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from faults.clients import Talker
from faults.versions import NAME, config, task, versioned

CLIENTS = 6
BROKEN = {
    "does not load": lambda version: config(-1),
    "gives another answer than its sample": lambda version: config(
        version + 1000, samples=[{"inputs": {"wait": [0]}, "outputs": {"version": [version]}}]
    ),
    "is no model": lambda version: {"model_file": "broken.onnx", "model_type": "onnx"},
    "is nowhere": lambda version: config(version, model_file="nowhere.py"),
}


def reload(server, keys, name=NAME):
    return server.post(f"/v2/repository/models/{name}/load", {"parameters": {"config": json.dumps(keys)}} if keys else None)


class Readers:
    """Clients that ask without a pause, over HTTP and gRPC, and note the versions that answered, each in its own order."""

    def __init__(self, server):
        self.server = server
        self.seen = []
        self.slowest = 0.0
        self.wrong = []
        self.done = False

    def __enter__(self):
        self._threads = [threading.Thread(target=lambda: asyncio.run(self._web())), threading.Thread(target=self._rpc)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done = True
        for thread in self._threads:
            thread.join()

    async def _web(self):
        await asyncio.gather(*(self._ask() for _ in range(CLIENTS)))

    async def _ask(self):
        talker = Talker(self.server.address)
        mine = []
        self.seen.append(mine)
        while not self.done:
            status, answer, seconds = await talker.ask(f"/model/predict?id={NAME}", {"wait": [0, 0, 0]})
            self.slowest = max(self.slowest, seconds)
            self._note(mine, (status, answer), answer["result"]["version"] if status == 200 else ())
        talker.close()

    def _rpc(self):
        mine = []
        self.seen.append(mine)
        wait = triton.InferInput("wait", [2], "FP32").set_data_from_numpy(np.zeros(2, np.float32))
        with contextlib.closing(triton.InferenceServerClient(self.server.address)) as client:
            while not self.done:
                try:
                    versions = client.infer(NAME, [wait]).as_numpy("version").tolist()
                except InferenceServerException as error:
                    self.wrong.append(error)
                else:
                    self._note(mine, versions, versions)

    def _note(self, mine, answer, versions):
        if len(set(versions)) != 1 or (mine and versions[0] < mine[-1]):
            self.wrong.append((answer, mine[-1:]))
        else:
            mine.append(versions[0])


@pytest.mark.proves("G9", "F8")
def test_g9_no_request_fails_while_its_model_is_replaced_and_no_broken_version_is_seen(spawn, tmp_path, size):
    server = versioned(spawn, tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"\x08\x08 nothing of ONNX")
    assert server.load(task(1)).status == 200
    good = [1]
    with Readers(server) as readers:
        for version in range(2, 2 + size(10, 500)):
            broken = list(BROKEN.values())[version % len(BROKEN)]
            assert reload(server, broken(version)).status == 400, version
            assert reload(server, config(version)).status == 200
            good.append(version)
            assert server.predict(NAME, {"wait": [0]}).json["result"] == {"version": [version]}
    assert readers.wrong == []
    assert {version for mine in readers.seen for version in mine} <= set(good)
    assert all(len(set(mine)) > len(good) / 2 for mine in readers.seen)  # they met most of them
    assert readers.slowest < 5
    assert server.complaints() == []


# --- files


def truncated(whole):
    return whole[: len(whole) // 2]


def overwritten(whole):
    middle = len(whole) // 2
    return whole[:middle] + bytes(len(whole) - middle)


@pytest.mark.proves("F5")
@pytest.mark.parametrize(
    "damage",
    [truncated, overwritten, lambda whole: b"", lambda whole: whole + whole[:100]],
    ids=["cut off", "overwritten", "empty", "too long"],
)
def test_f5_a_damaged_file_is_refused_and_what_serves_stays(spawn, models, tmp_path, damage):
    whole = (models / "double.onnx").read_bytes()
    file = tmp_path / "model.onnx"
    file.write_bytes(whole)
    server = spawn(tasks=[], roots=[str(tmp_path)])
    assert server.load({"id": NAME, "model_file": "model.onnx", "model_type": "onnx"}).status == 200
    file.write_bytes(damage(whole))
    begun = time.monotonic()
    first = server.load({"id": "other", "model_file": "model.onnx", "model_type": "onnx"})
    assert (first.status, first.error["code"]) == (422, 6)
    assert str(tmp_path) not in first.error["message"]
    again = reload(server, None)
    assert again.status == 400
    with contextlib.closing(triton.InferenceServerClient(server.address)) as client:
        with pytest.raises(InferenceServerException) as caught:
            client.load_model(NAME)
        assert caught.value.status() == "StatusCode.FAILED_PRECONDITION"
    assert time.monotonic() - begun < 30
    assert server.predict(NAME, {"x": [[1, 2, 3, 4]]}).json["result"] == {"y": [[2, 4, 6, 8]]}
    assert server.ids() == [NAME]
    file.write_bytes(whole)
    assert reload(server, None).status == 200
    assert server.predict(NAME, {"x": [[1, 2, 3, 4]]}).json["result"] == {"y": [[2, 4, 6, 8]]}
    assert server.complaints() == []


@pytest.mark.proves("F6")
def test_f6_a_file_that_is_being_copied_is_nobodys_until_somebody_asks_for_it(spawn, models, tmp_path):
    whole = (models / "double.onnx").read_bytes()
    file = tmp_path / "model.onnx"
    file.write_bytes(whole)
    server = spawn(tasks=[{"id": NAME, "model_file": str(file)}], roots=[str(tmp_path)])
    before = server.post("/v2/repository/index").json
    (tmp_path / "another.onnx").write_bytes(whole)
    with file.open("r+b") as copy:  # over the one that is loaded
        for at in range(0, len(whole), 8):
            copy.write(whole[at : at + 8][::-1])
            copy.flush()
            answer = server.predict(NAME, {"x": [[1, 2, 3, 4]]})
            assert answer.json["result"] == {"y": [[2, 4, 6, 8]]}
    assert server.post("/v2/repository/index").json == before
    assert server.complaints() == []


@pytest.mark.proves("F7")
def test_f7_a_model_whose_file_is_gone_serves_on_and_says_so_when_it_cannot_be_started_again(spawn, tmp_path, waiting):
    server = versioned(spawn, tmp_path)
    assert server.load(task(1)).status == 200
    file = tmp_path / "versioned.py"
    shutil.move(file, tmp_path / "elsewhere")
    assert server.predict(NAME, {"wait": [0]}).json["result"] == {"version": [1]}
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    waiting(lambda: server.get(f"/v2/models/{NAME}/ready").status == 400)
    begun = time.monotonic()
    answer = server.predict(NAME, {"wait": [0]})
    assert time.monotonic() - begun < 2
    assert answer.status == 503
    assert NAME in answer.error["message"]
    (entry,) = server.post("/v2/repository/index").json
    assert entry["state"] == "UNAVAILABLE"
    assert "versioned.py" in entry["reason"]
    assert server.get("/v2/health/live").status == 200
    shutil.move(tmp_path / "elsewhere", file)
    waiting(lambda: server.get(f"/v2/models/{NAME}/ready").status == 200, 60)
    assert server.predict(NAME, {"wait": [0]}).json["result"] == {"version": [1]}
