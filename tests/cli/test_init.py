"""zeromind init: what it writes is a configuration that is served as it is, and says all that there is to say."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from zeromind.cli import starter, template
from zeromind.cli.survey import models_in
from zeromind.config import pool
from zeromind.config.file import File
from zeromind.config.options import POOL, TASK
from zeromind.config.task import Task
from zeromind.tensors import TensorSpec


@pytest.fixture
def init(tmp_path):
    """Run the command in an empty folder; gives its exit code and what it printed."""

    def run(*arguments):
        command = [sys.executable, "-m", "zeromind", "init", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def picture_model(models, tmp_path):
    """A function that puts a model of pictures into a folder."""
    import onnx
    from onnx import TensorProto, helper

    def make(path):
        inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 32, 32])]
        outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])]
        graph = helper.make_graph([helper.make_node("ReduceMean", ["image"], ["scores"], axes=[2, 3], keepdims=0)], "g", inputs, outputs)
        path.parent.mkdir(exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)

    return make


def test_an_example_is_served_as_it_is_written(init, tmp_path, spawn):
    code, text = init("--example")
    assert code == 0
    assert "zeromind serve -c pool.toml --watch" in text
    assert "http://127.0.0.1:5885/console" in text
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"pool.toml", "mood.py", "counts.py"}
    server = spawn(["serve", "-c", "pool.toml"])
    answer = server.predict("mood", {"words": ["what a lovely day", "rain again", "so"]})
    assert answer.json["result"] == {"mood": ["cheerful", "gloomy", "neutral"]}
    assert """-d '{"words": ["what a lovely day"]}'""" in server.log.read_text()
    refused = server.predict("mood", {"words": 5})
    assert "expected a list of texts, such as" in refused.json["errors"][0]["message"]


def test_serve_and_check_find_what_was_written(init, tmp_path, spawn):
    init("--example")
    assert spawn(["serve"]).ids() == ["mood"]
    command = [sys.executable, "-m", "zeromind", "check"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "pool.toml is fine: 1 tasks loaded" in done.stdout


def test_models_are_found_by_their_content_with_their_interface(init, tmp_path, models, picture_model, spawn):
    picture_model(tmp_path / "models" / "seen.onnx")
    shutil.copy(models / "double.onnx", tmp_path / "double.bin")
    (tmp_path / "notes.txt").write_text("no model")
    (tmp_path / "train.py").write_text("raise SystemExit('this ran')\n")
    code, text = init()
    assert code == 0
    assert "2 models (double, seen)" in text
    written = (tmp_path / "pool.toml").read_text()
    assert "# inputs:  image  float32 [any, 3, 32, 32]" in written
    assert '# input_filters.image = ["image.ImageFilter"]' in written
    assert '# output_filters.scores = ["argmax.ArgMaxFilter"]' in written
    assert "# inputs:  x  float32 [any, 4]" in written
    assert '# model_type = "onnx"  # recognised by content' in written
    (tmp_path / "pool.toml").write_text(re.sub(r"^# (?=(?:input|output)_filters\.\w+ = )", "", written, flags=re.MULTILINE))
    server = spawn(["serve"])
    assert server.ids() == ["double", "seen"]
    red = b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, *zip(*RED, strict=True)))
    answer = server.post("/model/predict?id=seen", red, headers={"Content-Type": "image/png"})
    assert answer.json["result"] == {"scores": [0]}


RED = [
    (b"IHDR", b"\0\0\0\1\0\0\0\1\x08\x02\0\0\0"),
    (b"IDAT", bytes.fromhex("789c63f8cfc000000301010018dd8db0")),
    (b"IEND", b""),
]


def chunk(kind, data):
    import struct
    import zlib

    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_no_code_of_a_model_runs_and_it_is_told_how_to_allow_it(init, tmp_path):
    (tmp_path / "skill.py").write_text("from pathlib import Path\nPath('ran').touch()\ndef predict(x: float) -> float:\n    return x\n")
    code, text = init()
    assert code == 0
    assert "1 model (skill)" in text
    assert not (tmp_path / "ran").exists()
    written = (tmp_path / "pool.toml").read_text()
    assert "# allow_code = true  # it can run code (Python source)" in written
    assert "zeromind inspect skill.py" in written
    assert pool.read(tmp_path / "pool.toml", {}, {}).tasks == ({"id": "skill", "model_file": "skill.py"},)


def test_two_files_of_one_name_get_two_ids(tmp_path, models):
    for name in ("a.onnx", "a.bin"):
        shutil.copy(models / "double.onnx", tmp_path / name)
    assert [found.id for found in models_in(tmp_path)] == ["a", "a-2"]


def test_a_folder_without_models_gets_a_task_to_copy(init, tmp_path, spawn):
    code, text = init("shop")
    assert code == 0
    assert "no model was found" in text
    assert "cd shop && zeromind serve -c pool.toml" in text
    assert "# [[tasks]]" in (tmp_path / "shop" / "pool.toml").read_text()
    assert pool.read(tmp_path / "shop" / "pool.toml", {}, {}).tasks == ()


@pytest.mark.parametrize("taken", ["pool.toml", "mood.py", "filters/counts.py"])
def test_nothing_is_overwritten_unless_it_is_wished(init, tmp_path, taken):
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("mine")
    code, text = init("--example")
    assert code == 1
    assert taken in text
    assert "--force" in text
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]
    code, _ = init("--example", "--force")
    assert code == 0
    assert (tmp_path / taken).read_text() != "mine"


def test_a_folder_that_cannot_be_written_is_named(init, tmp_path):
    (tmp_path / "file").write_text("")
    code, text = init("file/inside")
    assert code != 0
    assert "file" in text


def test_every_setting_stands_there_with_its_default(tmp_path):
    """With each comment of the form ``key = value`` taken for what it stands for, the file gives every default."""
    text = template.pool_text([], [starter.TASK])
    (tmp_path / "pool.toml").write_text(re.sub(r"^# ?(?=[a-z_]+ = )", "", text.partition("# The models")[0], flags=re.MULTILINE))
    values = File.read(tmp_path / "pool.toml").values
    assert values == {option.key: option.default for option in POOL if option.key != "tasks"}
    further = text.partition("What else may stand in a task")[2]
    given = dict(re.findall(r"^#   (\w+) = (.*)$", further, re.MULTILINE))
    assert {key: json.loads(value) for key, value in given.items()} == {
        option.key: option.default for option in TASK if option.key not in ("id", "model_file")
    }
    shown = " ".join(line.removeprefix("#").strip() for line in text.splitlines())
    assert [option.key for option in (*POOL, *TASK) if option.help not in shown and option.key not in ("tasks", "id", "model_file")] == []


def test_the_task_to_copy_is_one(tmp_path):
    text = template.pool_text([])
    begin = text.index("# [[tasks]]")
    block = text[begin : text.index("\n\n", begin)]
    (tmp_path / "pool.toml").write_text("\n".join(line.removeprefix("# ").removeprefix("#") for line in block.splitlines()))
    (source,) = pool.read(tmp_path / "pool.toml", {}, {}).tasks
    assert Task.parse(source).input_filters["picture"][0].id == "image.ImageFilter"


@pytest.mark.parametrize(
    ("shape", "datatype", "looks"),
    [
        ((None, 28, 28, 1), "FP32", True),
        ((None, 3, 224, 224), "FP32", True),
        ((None, None, None, 3), "UINT8", True),
        ((None, 4), "FP32", False),
        ((None, 10, 10), "FP32", False),
        ((None, 3, 4, 5), "FP32", False),
        ((None, 28, 28, 2), "FP32", False),
        ((None, 28, 28, 1), "BYTES", False),
    ],
)
def test_what_looks_like_a_picture(shape, datatype, looks):
    assert template.looks_like_picture(TensorSpec("x", datatype, shape)) is looks
