"""The three doors, as examples/ and examples/pool.json show them: an adapter, a filter, a handler and a skill of the operator's own."""

import json
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
WEIGHTS = np.array([[1, 0], [0, 1], [1, 1]], np.float32)


@pytest.fixture
def pool(spawn, tmp_path):
    """A server of examples/pool.json with one more task: a linear model asked in words."""
    np.savez(tmp_path / "linear", weights=WEIGHTS, bias=np.array([0.5, 0], np.float32))
    (tmp_path / "vocabulary.txt").write_text("red\ngreen\nblue\n")
    config = json.loads((ROOT / "examples/pool.json").read_text())
    words = {"filter": "words.WordsFilter", "vocabulary": str(tmp_path / "vocabulary.txt")}
    config["tasks"].append({"id": "linear", "model_file": str(tmp_path / "linear.npz"), "input_filters": {"x": [words]}, "scale": 2})
    for key in ("adapter_folders", "filter_folders", "handler_folders"):
        config[key] = [str(ROOT / place) for place in config[key]]
    config["tasks"][0]["model_file"] = str(ROOT / config["tasks"][0]["model_file"])
    return spawn(**config)


def test_each_door_opens(pool):
    answer = pool.post("/model/predict?id=linear", {"x": ["red red blue", "green"]})
    assert answer.json["result"] == {"y": [[7.0, 2.0], [1.0, 2.0]]}
    assert pool.get("/model/info?id=linear").json["tool"] == "linear"

    answer = pool.post("/model/predict?id=skill", {"text": ["what a lovely day", "this is awful"]})
    assert answer.json["result"]["mood"] == ["cheerful", "gloomy"]

    assert pool.get("/load").json == {"skill": {"pending": 0, "restarts": 0}, "linear": {"pending": 0, "restarts": 0}}
