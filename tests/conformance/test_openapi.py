"""The OpenAPI document and the pool agree: schemathesis asks a live one whatever the document allows, and what it forbids."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
TASKS = [
    {"id": "double", "model_file": "double.onnx"},
    {"id": "sum", "model_file": "sum.py", "allow_code": True},
    {"id": "kinds", "model_file": "kinds.py", "allow_code": True},
    {
        "id": "scaled", "model_file": "sum.py", "allow_code": True,
        "input_filters": {"x": ["own.Split"]}, "output_filters": {"sum": [{"filter": "own.Scale", "by": 3.0}]},
    },
]  # fmt: skip
# What ends the pool, or takes from it the models that the other requests ask for, is told ids that nobody has.
CONFIGURATION = """
workers = 1
continue-on-failure = true
request-timeout = 20

[generation]
deterministic = true
max-examples = 10
database = "none"

[dictionaries]
models = { values = ["double", "sum", "kinds", "scaled"] }
strangers = { values = ["nobody", "none"] }

[parameters]
"query.id" = { dictionary = "models", probability = 0.7 }
"path.id" = { dictionary = "models", probability = 0.7 }

[[operations]]
include-path = "/model/drop"
parameters = { "query.id" = { dictionary = "strangers", probability = 1.0 } }

# Whether data fit a model is for the model to say: the document cannot.
[[operations]]
include-path-regex = "/(load|predict|infer)$"
checks = { positive_data_acceptance = { enabled = false } }
"""


@pytest.fixture(scope="module")
def pool(thread_server):
    with thread_server(tasks=[{**task, "isolation": "thread"} for task in TASKS], filter_folders=["filters"]) as client:
        yield client


def test_schemathesis_finds_nothing(pool, tmp_path):
    """Examples, edge cases, random data and chains of requests, each checked in every way that it knows; only /command/stop is spared."""
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    command = [
        SCHEMATHESIS,
        "--config-file=schemathesis.toml",
        "run",
        f"{pool.url}/openapi.json",
        "--exclude-path",
        "/command/stop",
        "--no-color",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 500, done.stdout
    assert sorted(pool.ids()) == sorted(task["id"] for task in TASKS)
