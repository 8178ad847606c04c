"""Every adapter has a model to be compared with its framework, the comparison runs, and the page shows what came of it."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zeromind.plugins import ADAPTERS

FOLDER = Path(__file__).parents[2] / "benchmarks"
NEEDS_A_GPU = {"tensorrt"}


@pytest.fixture(scope="module")
def modules():
    """A function that imports a module beside the benchmarks, as they do themselves."""
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module
    sys.path.remove(str(FOLDER))
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(FOLDER):
            del sys.modules[name]


def measured(adapter, served):
    row = {"adapter": "onnx", "model": "a network", "alone_ms": 9.5, "adapter_percent": adapter, "served_percent": served}
    rows = [row, {**row, "adapter": "keras", "adapter_percent": 120}]
    machine = {"processor": "Some processor", "cores": 2, "system": "Linux"}
    results = {"rows": rows, "skipped": {"torch": "RuntimeError: it is not there"}}
    return {"benchmark": "adapters", "machine": machine, "versions": {}, "date": "2026-11-22", "results": results}


def test_every_adapter_has_its_model(modules):
    assert set(ADAPTERS) - NEEDS_A_GPU <= set(modules("adapter_models").MAKERS)


def test_the_least_of_them_is_held_against_the_bar(modules):
    (bar,) = (bar for bar in modules("standing").BARS if bar.what.endswith("every adapter"))
    assert bar.verdict({"adapters": measured(97, 91)}) == "met"
    assert bar.verdict({"adapters": measured(97, 80)}) == "met; 10 points short"
    assert bar.verdict({}) == "not measured"


def test_the_page_has_a_row_for_each(modules):
    shown = list(modules("page").adapters({"adapters": measured(97, 91)}))
    assert "| onnx | a network | 9.5 ms | 97 % | 91 % |" in shown
    assert "Without torch: RuntimeError: it is not there" in shown
    assert list(modules("page").adapters({})) == []


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_an_adapter_and_its_server_are_compared_with_the_framework(tmp_path):
    out = tmp_path / "out.json"
    command = [sys.executable, str(FOLDER / "adapters.py"), "--quick", "--only", "onnx,nothing", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text(encoding="utf-8"))["results"]
    assert results["skipped"] == {"nothing": "there is no such adapter"}
    (row,) = results["rows"]
    assert row["adapter"] == "onnx"
    assert all(row[key] > 0 for key in ("alone_ms", "adapter_percent", "served_percent", "served_rows_per_second"))
