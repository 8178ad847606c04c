"""A configuration in TOML: the same settings with the same checks as in JSON, and errors that name the key and its line."""

import json
import logging

import pytest

from zeromind.config import pool
from zeromind.config.file import File
from zeromind.config.task import Task
from zeromind.errors import ConfigError

POOL = """
# what this pool is
id = 5
port = 0  # any
model_types = [
    "python",
]
drain_s = 1.5

[[tasks]]
id = "sum"
model_file = "sum.py"
input_filters.x = [{ filter = "image.ImageFilter", mean = [1, 2.5] }]
inputs = [{ name = "x", type = "float32", shape = [-1, 3] }]

[[tasks]]
id = "other"
model_file = "other.onnx"
"""


@pytest.fixture
def file(tmp_path):
    """A function that writes a configuration."""

    def write(text, name="pool.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refused(path, environ=None):
    with pytest.raises(ConfigError) as caught:
        pool.read(path, environ or {}, {})
    return caught.value


def test_it_says_what_the_same_in_json_says(file):
    tasks = [
        {
            "id": "sum",
            "model_file": "sum.py",
            "input_filters": {"x": [{"filter": "image.ImageFilter", "mean": [1, 2.5]}]},
            "inputs": [{"name": "x", "type": "float32", "shape": [-1, 3]}],
        },
        {"id": "other", "model_file": "other.onnx"},
    ]
    keys = {"id": 5, "port": 0, "model_types": ["python"], "drain_s": 1.5, "tasks": tasks}
    assert pool.read(file(POOL), {}, {}) == pool.read(file(json.dumps(keys), "pool.json"), {}, {})
    assert Task.parse(tasks[0]).inputs[0].shape == (None, 3)


@pytest.mark.parametrize("name", ["pool.toml", "POOL.TOML"])
def test_the_suffix_decides(file, name):
    assert pool.read(file("id = 7", name), {}, {}).id == 7
    assert "is not JSON" in str(refused(file("id = 7", "pool.conf")))


def test_flags_and_variables_come_before_it(file):
    config = pool.read(file(POOL), {"ZEROMIND_PORT": "2", "ZEROMIND_ID": "2"}, {"port": 3})
    assert (config.id, config.port, config.drain_s) == (2, 3, 1.5)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("id = 1\nprot = 5\n", "prot", "did you mean 'port'? (line 2)"),
        ("id = 1\n\n  port = '5885'\n", "port", "must be a whole number, not '5885' (line 3)"),
        ("[tasks]\nid = 1\n", "tasks", "must be a list of tasks (objects; in TOML each begins with [[tasks]]), not {'id': 1} (line 1)"),
        ("id = 1\nport.a = 2\n", "port", "(line 2)"),
        ("id = 1\n\n[[rots]]\n", "rots", "did you mean 'roots'? (line 3)"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(file, text, key, words):
    error = refused(file(text))
    assert error.key == key
    assert words in str(error)


def test_of_json_too(file):
    assert "(line 3)" in str(refused(file('{\n"id": 1,\n"prot": 2}', "pool.json")))


def test_the_line_is_not_told_where_the_value_came_from_elsewhere(file):
    error = refused(file("port = 5\n"), {"ZEROMIND_PORT": '"x"'})
    assert "line" not in str(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id = 1\nport = \n", "is not TOML: Invalid value (at line 2, column 8)"),
        ("id = 1\nid = 2\n", "is not TOML"),
        ("x = 2026-01-01\n", "'x' holds the date or time 2026-01-01: write it as text, in quotes"),
        ("[[tasks]]\nwhen = [{ at = 07:32:00 }]\n", "'tasks' holds the date or time"),
        ("drain_s = inf\n", "inf is no number"),
        ("drain_s = nan\n", "nan is no number"),
        ("drain_s = 1e400\n", "1e400 is no number"),
        (b"id = 1\nhost = '\xff'\n", "is not TOML"),
        ("x = " + "[" * 100_000, "is not TOML"),
    ],
)
def test_a_file_that_is_no_toml_says_why(file, text, words):
    path = file(text)
    assert words in str(refused(path))
    assert str(path) in str(refused(path))


def test_a_byte_order_mark_is_no_obstacle(file):
    assert pool.read(file(b"\xef\xbb\xbfport = 1"), {}, {}).port == 1


def test_a_missing_file_is_told_with_the_next_step(tmp_path):
    assert "zeromind init" in str(refused(tmp_path / "none.toml"))


def test_the_line_of_a_key_is_that_of_the_first_place(file):
    read = File.read(file(POOL))
    assert [read.line(key) for key in ("id", "port", "tasks", "none")] == [3, 4, 10, 0]


def test_it_is_served_and_the_log_is_set_up_from_beside_it(spawn, models, tmp_path, waiting):
    path = tmp_path / "mine.toml"
    task = f'id = "sum"\nmodel_file = {json.dumps(str(models / "sum.py"))}\nallow_code = true\n'
    path.write_text(f"id = 6\n\n[[tasks]]\n{task}")
    handler = {"class": "logging.FileHandler", "filename": "logs/{name}.log"}
    logged = {"handlers": {"file": handler}, "root": {"level": logging.getLevelName(logging.INFO), "handlers": ["file"]}}
    (tmp_path / "logger.json").write_text(json.dumps({"name": "mine", "logger_config": logged}))
    pool = spawn(["-c", str(path)])
    assert pool.get("/info").json["id"] == 6
    assert pool.predict("sum", {"x": [[1, 2, 3]]}).json["result"] == {"sum": [6]}
    waiting(lambda: "model 'sum' is ready" in (tmp_path / "logs" / "mine.log").read_text(), 5)
