"""A corpus of model files that mean harm: none leaves a mark, calls anybody or reads a secret, and the server goes on."""

import json
import random
import re
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from faults.corpus import CORPUS, Trap, made
from zeromind import importing
from zeromind.executor import confinement

SECRET = b"the operator's own secret, which no model may see"
LOAD_S = 60


class Canary:
    """A folder for marks, a secret, and a port that nobody has a reason to call."""

    def __init__(self, folder):
        self.marks = folder / "marks"
        self.marks.mkdir()
        self.secret = folder / "secret" / "file"
        self.secret.parent.mkdir()
        self.secret.write_bytes(SECRET)
        self.calls = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                self._listener.accept()[0].close()
            except OSError:
                return
            self.calls += 1

    def close(self):
        self._listener.close()

    @property
    def touched(self):
        """What came of any harm."""
        return (
            sorted(mark.name for mark in self.marks.iterdir())
            + ["a call"] * self.calls
            + ["the secret"] * (self.secret.read_bytes() != SECRET)
        )


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    canary = Canary(tmp_path_factory.mktemp("canary"))
    yield canary
    canary.close()


@pytest.fixture(scope="module")
def corpus(canary, models, tmp_path_factory):
    """Path and further task keys by name; making them harms nobody."""
    folder = tmp_path_factory.mktemp("corpus")
    with importing.silence():
        files = {name: made(Trap(name, folder / name, canary.marks, canary.secret, canary.port, models / "double.onnx")) for name in CORPUS}
    assert len(files) >= 40
    assert canary.touched == []
    return folder, files


def tasks(files, **more):
    return [{"id": name, "model_file": str(path), "max_batch_size": 4, **keys, **more} for name, (path, keys) in files.items()]


def zeros(info):
    """A request that fits a model's interface."""
    return {name: np.zeros([size or 1 for size in entry["shape"]]).tolist() for name, entry in info["inputs"].items()}


@pytest.mark.proves("G18", "T4", "T5", "T7", "T10", "T27")
@pytest.mark.timeout(900)
def test_g18_loaded_by_a_client_nothing_comes_of_it(corpus, canary, spawn, models):
    folder, files = corpus
    server = spawn(roots=[str(models), str(folder)], code_roots=[], tasks=[{"id": "double", "model_file": "double.onnx"}])
    loaded = []
    for task in tasks(files):
        answer = server.load(task, timeout=LOAD_S)
        assert answer.status in (200, 400, 403, 422), (task, answer)
        assert SECRET not in answer.data
        if answer.status == 200:
            loaded.append(task["id"])
            info = server.get(f"/model/info?id={task['id']}").json
            assert SECRET not in server.predict(task["id"], zeros(info)).data
            assert server.drop(task["id"]).status == 200
        assert canary.touched == [], task
    assert server.predict("double", {"x": [[1, 2, 3, 4]]}).json["result"]["y"] == [[2, 4, 6, 8]]
    assert server.get("/v2/health/ready").status == 200
    assert "transformers_with_a_template" in loaded
    assert set(loaded) <= HARMLESS


HARMLESS = {
    "transformers_with_a_template",
    "transformers_with_code_of_another_host",
    "keras_zip_with_a_way_out",
    "keras_weights_of_objects",
}
"""Those that are served, without what they want: templates are not rendered, the place a model came from is not asked, strangers in an
archive stay there."""


DIFFERENT = [name for name in CORPUS if not name.startswith(("pickle_named", "pickle_protocol", "joblib_", "keras_lookup_", "tar_of"))]
"""What is left of the corpus when few files stand for many of their kind."""
assert len(DIFFERENT) >= 40


def check(folder, config):
    """What ``zeromind check`` says of a pool."""
    file = folder / "pool.json"
    file.write_text(json.dumps(config))
    command = [sys.executable, "-m", "zeromind", "check", "-c", str(file)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=800, check=False)


@pytest.mark.proves("G18", "T4", "T5", "T7", "T10")
@pytest.mark.timeout(900)
def test_g18_configured_without_a_word_on_code_nothing_comes_of_it(corpus, canary, tmp_path, size):
    files = {name: corpus[1][name] for name in size(DIFFERENT, list(CORPUS))}
    done = check(tmp_path, {"tasks": tasks(files)})
    refused = done.stdout.count("✗")
    assert refused >= len(files) - len(HARMLESS), done.stdout + done.stderr
    assert done.stdout.count("✓ tasks[") == len(files) - refused, "the others are served"
    assert SECRET.decode() not in done.stdout + done.stderr
    assert canary.touched == []


CODE = [name for name in CORPUS if name.startswith(("pickle", "joblib", "torch", "python", "mlflow", "tar_with"))]


@pytest.mark.proves("G18", "T5")
@pytest.mark.timeout(900)
@pytest.mark.skipif(not all(confinement.offered().values()), reason="this system cannot confine workers")
def test_g18_where_code_is_allowed_what_confines_it_holds(corpus, canary, tmp_path, size):
    files = {name: corpus[1][name] for name in CODE if name in size(DIFFERENT, CODE)}
    done = check(tmp_path, {"tasks": tasks(files, allow_code=True, network="closed"), "confine": "require"})
    assert done.returncode in (0, 1)
    assert re.search(r"✓ tasks\[\d+\] 'python_skill'.*its own files, no network", done.stdout), "it ran, and could not"
    assert canary.touched == []
    freed = check(tmp_path, {"tasks": tasks({"python_skill": corpus[1]["python_skill"]}, allow_code=True), "confine": "off"})
    assert freed.returncode == 0, freed.stdout
    assert canary.touched == ["python_skill", "a call"], "the traps are real"
    (canary.marks / "python_skill").unlink()
    canary.calls = 0


CRASHES = {
    "segfault": "import ctypes\nctypes.string_at(0)",
    "abort": "import os\nos.abort()",
    "exit": "import os\nos._exit(0)",
    "leave": "raise SystemExit(0)",
    "memory": "bytearray(1 << 45)",
    "deep": "import sys\nsys.setrecursionlimit(1 << 30)\ndef f(): return f()\nf()",
}


@pytest.mark.proves("T6", "T5")
@pytest.mark.timeout(300)
def test_t6_whatever_ends_a_loader_ends_its_own_load_only(spawn, models, tmp_path, size):
    """Code that does what broken parsers do; and files in which bytes have changed, which may be served or not."""
    server = spawn(roots=[str(models), str(tmp_path)], code_roots=[str(tmp_path)], tasks=[{"id": "double", "model_file": "double.onnx"}])
    for name, code in CRASHES.items():
        (tmp_path / f"{name}.py").write_text(code + "\n\n\ndef predict(x: float) -> float:\n    return x\n")
        answer = server.load({"id": name, "model_file": f"{name}.py"}, timeout=LOAD_S)
        assert answer.status in (400, 422), (name, answer)
        assert answer.error["message"]
    whole = (models / "double.onnx").read_bytes()
    chance = random.Random(6)  # noqa: S311 - the same each time
    for number in range(size(8, 500)):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / "changed.onnx").write_bytes(data[: chance.choice([len(data), len(data), chance.randrange(len(data))])])
        answer = server.load({"id": f"m{number}", "model_file": "changed.onnx"}, timeout=LOAD_S)
        assert answer.status in (200, 400, 422), answer
        if answer.status == 200:
            server.drop(f"m{number}")
    assert server.predict("double", {"x": [[1, 2, 3, 4]]}).json["result"]["y"] == [[2, 4, 6, 8]]
    assert server.ids() == ["double"]
