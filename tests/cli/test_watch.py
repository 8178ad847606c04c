"""serve --watch: what is saved is served, what does not load leaves the one before, and no request under way notices."""

import os
import shutil
import threading
import time

import pytest

SKILL = """
import {module}
import numpy as np


class Skill:
    inputs = {{"x": ("float32", [None])}}
    outputs = {{"y": ("float32", [None])}}

    def predict(self, x):
        return x + {module}.offset + {number}
"""
FILTER = """
import numpy as np


class Times:
    side = "input"

    def __init__(self, files, more):
        self.more = float(files.read(more))

    def apply(self, value, spec):
        return np.array(value, np.float32) * {number} + self.more
"""
ADAPTER = """
from zeromind.adapters.base import Adapter
from zeromind.tensors import ModelSpec, TensorSpec


class Numbered(Adapter):
    name, formats = "numbered", "text files with a number"

    @classmethod
    def recognises(cls, file):
        return file.suffix == ".number"

    def __init__(self, source):
        self.number = float(source.file.path.read_text())
        self.spec = ModelSpec((TensorSpec("x", "FP32", (None,)),), (TensorSpec("y", "FP32", (None,)),), True)

    def predict(self, inputs):
        return {{"y": inputs["x"] + self.number + {number}}}
"""
POOL = """
filter_folders = ["filters"]
adapter_folders = ["adapters"]
handler_folders = ["handlers"]

[[tasks]]
id = "skill"
model_file = "skill.py"
allow_code = true
input_filters.x = [{ filter = "own.Times", more = "more.txt" }]

[[tasks]]
id = "number"
model_file = "model.number"
"""
TEXTS = {
    "skill.py": SKILL.format(module="beside", number=0),
    "beside.py": "offset = 0\n",
    "filters/own.py": FILTER.format(number=1),
    "adapters/numbered.py": ADAPTER.format(number=0),
    "handlers/none.py": "",
    "model.number": "0",
    "more.txt": "0",
    "pool.toml": POOL,
}


class Project:
    """A folder, and the server that watches it."""

    def __init__(self, folder, waiting):
        self.folder = folder
        self._waiting = waiting
        for name, text in TEXTS.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)

    def serve(self, spawn):
        self.pool = spawn(["-c", "pool.toml", "--watch"])
        self.sees("watching")
        return self

    def save(self, name, text):
        (self.folder / name).write_text(text)

    def answer(self, model="skill"):
        reply = self.pool.predict(model, {"x": [1]})
        assert reply.status == 200, reply
        return reply.json["result"]["y"][0]

    def gives(self, number, model="skill"):
        self._waiting(lambda: self.answer(model) == number)

    def sees(self, *words):
        self._waiting(lambda: all(word in self.pool.log.read_text() for word in words))

    def error(self, model="skill"):
        entries = {entry["id"]: entry for entry in self.pool.get("/info/models").json["models"]}
        return entries[model]["error"]


@pytest.fixture
def project(tmp_path, waiting):
    return Project(tmp_path, waiting)


def test_whatever_a_model_is_made_of_is_loaded_anew_when_it_is_saved(project, spawn):
    project.serve(spawn)
    assert project.answer() == 1
    project.save("skill.py", SKILL.format(module="beside", number=5))
    project.gives(6)
    project.save("beside.py", "offset = 2\n")
    project.gives(8)
    project.save("filters/own.py", FILTER.format(number=3))
    project.gives(10)
    project.save("more.txt", "0.5")
    project.gives(10.5)
    assert project.answer("number") == 1
    project.save("model.number", "7")
    project.gives(8, "number")
    project.save("adapters/numbered.py", ADAPTER.format(number=20))
    project.gives(28, "number")
    project.sees("skill: loaded anew", "as filters/own.py has changed", "as model.number has changed")
    assert project.pool.complaints() == []


def test_requests_under_way_never_fail_and_ten_quick_saves_end_with_the_last(project, spawn):
    project.serve(spawn)
    statuses, done = [], threading.Event()

    def ask():
        while not done.is_set():
            statuses.append(project.pool.predict("skill", {"x": [1]}).status)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        for round_ in range(3):
            for number in range(1, 11):
                project.save("skill.py", SKILL.format(module="beside", number=round_ * 10 + number))
            project.gives(round_ * 10 + 11)
    finally:
        done.set()
        for client in clients:
            client.join()
    assert set(statuses) == {200}
    assert len(statuses) > 50
    assert project.pool.log.read_text().count("loaded anew") < 15, "saves that follow each other at once are one"


def test_what_does_not_load_leaves_the_one_before(project, spawn):
    project.serve(spawn)
    project.save("skill.py", "def broken(:\n")
    project.sees("skill: skill.py has changed and does not load, the one before goes on serving", "SyntaxError", "def broken(:")
    assert project.answer() == 1
    assert "SyntaxError" in project.error()["message"]
    project.save("skill.py", SKILL.format(module="none_such", number=1))
    project.sees("needs the package 'none_such'", "Traceback", 'skill.py", line 2')
    assert project.answer() == 1
    assert "none_such" not in str(project.pool.predict("skill", {"x": [1]}).json), "clients are told nothing of it"
    project.save("skill.py", SKILL.format(module="beside", number=1))
    project.gives(2)
    assert project.error() is None


def test_a_model_that_could_not_be_loaded_is_when_its_file_is_mended(project, spawn):
    project.save("skill.py", "raise RuntimeError('not yet')\n")
    project.serve(spawn)
    project.sees("RuntimeError: not yet")
    assert project.pool.ids() == ["number"]
    project.save("skill.py", TEXTS["skill.py"])
    project.sees("skill: loaded anew")
    assert project.answer() == 1


def test_a_file_that_is_gone_leaves_the_model_until_it_is_back(project, spawn):
    project.serve(spawn)
    (project.folder / "skill.py").rename(project.folder / "kept")
    project.sees("skill: skill.py has changed and does not load", "is not readable")
    assert project.answer() == 1
    (project.folder / "kept").write_text(SKILL.format(module="beside", number=9))
    (project.folder / "kept").rename(project.folder / "skill.py")
    project.gives(10)


def test_a_folder_that_is_gone_and_comes_back_is_followed_again(project, spawn):
    project.save("pool.toml", POOL.replace('"filters"', '"./filters"'))
    project.serve(spawn)
    (project.folder / "filters").rename(project.folder / "kept")
    project.sees("skill: filters has changed and does not load", "filter 'own.Times' is not found")
    assert project.answer() == 1
    (project.folder / "kept" / "own.py").write_text(FILTER.format(number=2))
    (project.folder / "kept").rename(project.folder / "filters")
    project.gives(2)
    for number in (3, 4):
        (project.folder / "filters").rename(project.folder / f"kept{number}")
        shutil.copytree(project.folder / f"kept{number}", project.folder / "filters")
        time.sleep(2)  # the watch looks once a second what there is
        project.save("filters/own.py", FILTER.format(number=number))
        project.gives(number)


def test_an_editor_that_writes_another_file_and_renames_it_saves_too(project, spawn):
    project.serve(spawn)
    for number in (1, 2):
        (project.folder / "skill.py").rename(project.folder / "skill.py~")
        (project.folder / ".skill.py.swp").write_text(SKILL.format(module="beside", number=number))
        (project.folder / ".skill.py.swp").rename(project.folder / "skill.py")
        project.gives(1 + number)
    assert "does not load" not in project.pool.log.read_text()


def test_versions_of_the_same_second_and_length_are_told_apart(project, spawn):
    project.serve(spawn)
    project.save("beside.py", "offset = 1\n")
    project.gives(2)
    for number in range(2, 6):
        project.save("beside.py", f"offset = {number}\n")
        state = (project.folder / "beside.py").stat()
        os.utime(project.folder / "beside.py", ns=(state.st_atime_ns, 1_700_000_000_000_000_000 + number))
        project.gives(1 + number)


def test_what_only_a_restart_applies_is_told(project, spawn):
    project.serve(spawn)
    project.save("pool.toml", POOL.replace('"skill"', '"other"'))
    project.sees("pool.toml has changed: restart the server to apply it")
    project.save("pool.toml", "prot = 5\n" + POOL)
    project.sees("pool.toml has changed, and could not be served")
    project.save("handlers/none.py", "# another\n")
    project.sees("handlers/none.py has changed: restart the server")
    assert project.answer() == 1


def test_a_model_that_is_dropped_is_not_loaded_by_a_save(project, spawn):
    project.serve(spawn)
    assert project.pool.drop("skill").status == 200
    project.save("skill.py", SKILL.format(module="beside", number=1))
    project.save("model.number", "1")
    project.gives(2, "number")
    assert project.pool.ids() == ["number"]


def test_models_that_come_later_are_watched_too(project, spawn, tmp_path):
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "late.number").write_text("1")
    project.serve(spawn)
    assert project.pool.load({"id": "late", "model_file": "later/late.number"}).status == 200
    project.sees(", later")
    (tmp_path / "later" / "late.number").write_text("2")
    project.gives(3, "late")


def test_without_the_package_it_is_said_what_to_install(project, spawn, tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "watchfiles.py").write_text("raise ModuleNotFoundError('none', name='watchfiles')\n")
    places = [str(tmp_path / "hidden"), *filter(None, [os.environ.get("PYTHONPATH")])]
    pool = spawn(["-c", "pool.toml", "--watch"], wait=False, environment={"PYTHONPATH": os.pathsep.join(places)})
    assert pool.wait(20) == 1
    assert "pip install 'zeromind[watch]'" in pool.log.read_text()
    assert pool.complaints() == []
