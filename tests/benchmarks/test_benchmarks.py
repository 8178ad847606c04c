"""Each benchmark runs, writes one document of one form, and its figures are numbers; how large they are is not tested."""

import datetime as dt
import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
ALONE = ("bare", "client", "codec", "cold_start", "memory", "neighbour", "shared_memory")
WITH_WRK = ("adapters", "batching", "transport")
MOST_S = 60


def run(name, *arguments, **more):
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--quick", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=MOST_S, check=False, **more)


def leaves(value):
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    else:
        yield value


@pytest.mark.parametrize("name", ALONE)
def test_a_benchmark_writes_one_document(name, tmp_path):
    out = tmp_path / "results" / f"{name}.json"
    done = run(name, "--out", str(out))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert json.loads(out.read_text()) == document
    assert list(document) == ["benchmark", "machine", "versions", "date", "results"]
    assert document["benchmark"] == name
    assert list(document["machine"]) == ["processor", "cores", "system"]
    assert document["machine"]["cores"] >= 1
    assert {"python", "zeromind", "numpy"} <= document["versions"].keys()
    dt.date.fromisoformat(document["date"])
    figures = [value for value in leaves(document["results"]) if value is not None]
    assert figures
    assert all(isinstance(value, (int, float)) and math.isfinite(value) for value in figures)


@pytest.mark.parametrize("name", WITH_WRK)
def test_what_needs_wrk_says_so_where_it_is_missing(name, tmp_path):
    done = run(name, env={**os.environ, "PATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("wrk is not installed: ")


def test_the_models_are_the_same_each_time(tmp_path):
    spec = importlib.util.spec_from_file_location("benchmark_models", FOLDER / "models.py")
    models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(models)
    for name, shape in models.SHAPES.items():
        file = models.write(name, tmp_path)
        first = file.read_bytes()
        assert models.write(name, tmp_path).read_bytes() == first
        (entry,) = json.loads(models.body(name))["inputs"]
        assert entry["shape"] == [1, *shape]
        assert len(entry["data"]) == math.prod(shape)
