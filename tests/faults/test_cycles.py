"""Models come and go, over and over: the server is as it was before."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

THREADS = min(32, (os.cpu_count() or 1) + 4)
"""So many the event loop's own pool may come to have."""
WARM = 6
"""Cycles before the first look: pools of threads and caches of the interpreter fill up to their bounds."""


def make_catboost(folder):
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostRegressor(iterations=3, depth=2, verbose=0, thread_count=1, allow_writing_files=False)
    model.fit(np.eye(4), np.arange(4.0)).save_model(str(folder / "trees.cbm"))
    return {"id": "cycled", "model_file": "trees.cbm", "model_type": "catboost"}


def make_python(folder):
    (folder / "twice.py").write_text(
        'class Skill:\n    inputs = {"x": ("float32", [None, 4])}\n    outputs = {"y": ("float32", [None, 4])}\n\n'
        "    def predict(self, x):\n        return 2 * x\n"
    )
    return {"id": "cycled", "model_file": "twice.py", "model_type": "python"}


def make_onnx_task(folder):
    return {"id": "cycled", "model_file": "double.onnx", "model_type": "onnx"}


def held(pid):
    """What a process holds: everything that must be exactly as before, and its memory."""
    process = psutil.Process(pid)
    files = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a connection that closes just now
            files.append(str(file.readlink()).split(":")[0])
    arenas = Path(f"/proc/{pid}/maps").read_text().count("memfd:zeromind")
    counts = {"children": len(process.children(recursive=True)), "threads": process.num_threads(), "arenas": arenas}
    return {"files": sorted(files), **counts}, process.memory_info().rss


class Server:
    """A server with a model that comes and goes."""

    def __init__(self, spawn, folders, temporary, state, task):
        keys = {"roots": folders, "code_roots": folders, "state_dir": state, "environment": {"TMPDIR": temporary}}
        self.client = spawn(tasks=[], **keys)
        self.pid = self.client.process.pid
        self.task = task

    def cycle(self):
        """Load, ask, drop."""
        client = self.client
        assert client.load(self.task).status == 200
        (name,) = (entry["name"] for entry in client.get("/v2/models/cycled").json["inputs"])
        for _ in range(3):
            assert client.predict("cycled", {name: [[1, 2, 3, 4]]}).status == 200
        assert client.drop("cycled").status == 200


@pytest.fixture
def server(spawn, models, tmp_path, request):
    (tmp_path / "tmp").mkdir()
    task = {**request.param(tmp_path), "threads": 1}
    made = Server(spawn, [str(tmp_path), str(models)], str(tmp_path / "tmp"), str(tmp_path / "state"), task)
    yield made
    assert made.client.get("/v2/health/ready").status == 200
    assert len(list((tmp_path / "tmp").rglob("*"))) <= 1  # the server's own folder, empty
    assert made.client.complaints() == []


@pytest.mark.proves("G7")
@pytest.mark.timeout(100_000)
@pytest.mark.parametrize("server", [make_python, make_onnx_task, make_catboost], indirect=True)
def test_g7_nothing_grows_as_models_come_and_go(server, size, waiting):
    for _ in range(WARM):
        server.cycle()
    time.sleep(0.5)  # for the last connection to close
    before, start = held(server.pid)
    cycles = size(30 if server.task["model_type"] == "catboost" else 200, 10_000)  # whose import takes a second
    sizes = []
    for _ in range(cycles):
        server.cycle()
        sizes.append(held(server.pid)[1])
    waiting(lambda: len(held(server.pid)[0]["files"]) <= len(before["files"]))
    after, _ = held(server.pid)
    assert after.pop("threads") <= before.pop("threads") + THREADS
    assert after == before
    half = sizes[cycles // 2 :]
    slope = np.polyfit(range(len(half)), half, 1)[0]
    print(f"grew by {(sizes[-1] - start) / 1024:.0f} KiB in {cycles} cycles, in the last half by {slope:.0f} bytes per cycle")
    assert sizes[-1] - start < 5 << 20
    # A page more or less is all of the slope while cycles are few.
    assert slope < (512 if cycles >= 1000 else 8 << 10)
