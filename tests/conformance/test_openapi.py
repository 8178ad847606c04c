"""The OpenAPI document and the pool agree: schemathesis asks a live one whatever the document allows, and what it forbids."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import schemathesis

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
THREADED = [{**task, "isolation": "thread"} for task in TASKS]
# What takes from the pool the models that the other requests ask for is told ids that nobody has.
CONFIGURATION = """
workers = 1
continue-on-failure = true
request-timeout = 20

[generation]
deterministic = true
max-examples = 4
database = "none"

# 501 is what the Open Inference Protocol's clients are to be told of what this pool has not been allowed.
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "501"]

[dictionaries]
models = { values = ["double", "sum", "kinds", "scaled"] }
strangers = { values = ["nobody", "none"] }

[parameters]
"query.id" = { dictionary = "models", probability = 0.7 }
"path.id" = { dictionary = "models", probability = 0.7 }
"path.model" = { dictionary = "models", probability = 0.7 }

[[operations]]
include-path = "/model/drop"
parameters = { "query.id" = { dictionary = "strangers", probability = 1.0 } }

[[operations]]
include-path-regex = "^/v2/repository/models/.*/(load|unload)$"
parameters = { "path.id" = { dictionary = "strangers", probability = 1.0 } }

# Whether data fit a model is for the model to say, the document cannot; of models that are not there the protocol has 400 for two
# questions; and 5.0, a whole number to JSON Schema, is none to the log's verbosity.
[[operations]]
include-path-regex = "[/:](load|predict|classify|regress|infer|generate|generate_stream|register|setting|ready|stats|logging)$"
checks = { positive_data_acceptance = { enabled = false } }
"""


@pytest.fixture(scope="module")
def pool(thread_server):
    with thread_server(tasks=THREADED, filter_folders=["filters"]) as client:
        yield client


def test_schemathesis_finds_nothing(spawn, tmp_path):
    """Examples, edge cases, random data and chains of requests, each checked in every way that it knows; only /command/stop is spared."""
    pool = spawn(tasks=THREADED, filter_folders=["filters"])
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    command = [SCHEMATHESIS, "run", f"{pool.url}/openapi.json", "--exclude-path", "/command/stop", "--no-color"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "schemathesis.toml" in done.stdout
    assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 400, done.stdout
    assert pool.complaints() == []
    assert pool.get("/v2/health/ready").status == 200


GOOD = [
    ("/model/predict", {"query": {"id": "double"}}, {"x": [[1, 2, 3, 4]]}),
    ("/model/predict", {"query": {"id": "scaled"}}, {"x": ["1 2 3"]}),
    ("/model/info", {"query": {"id": "kinds"}}, None),
    ("/model/list", {}, {"check_sum": None}),
    ("/model/load", {}, {"id": "more", "model_file": "double.onnx", "max_batch_size": 4}),
    ("/model/drop", {"query": {"id": "more"}}, None),
    (
        "/v2/models/{id}/infer",
        {"path_parameters": {"id": "double"}},
        {"id": "7", "inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]},
    ),
    (
        "/v2/models/{id}/infer",
        {"path_parameters": {"id": "scaled"}},
        {"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ['"1 2 3"']}]},
    ),
    ("/v2/repository/index", {}, {"ready": True}),
    ("/v2/logging", {}, {}),
    ("/v1/models/{model}:predict", {"path_parameters": {"model": "double"}}, {"instances": [[1, 2, 3, 4]]}),
    ("/v1/models/{model}:predict", {"path_parameters": {"model": "double"}}, {"inputs": [[1, 2, 3, 4]]}),
]
"""Of what a random body cannot hit."""


@pytest.fixture(scope="module")
def document(pool):
    return schemathesis.openapi.from_url(f"{pool.url}/openapi.json")


SHOWN = ["/v2", "/v2/models/{id}", "/v2/models/{id}/config", "/v2/models/{id}/ready", "/v2/models/{id}/stats", "/v2/models/stats"]
SHOWN += ["/v2/trace/setting", "/v2/systemsharedmemory/status", "/v1/models/{model}", "/v1/models/{model}/metadata"]


@pytest.mark.parametrize("path", SHOWN)
def test_what_a_model_is_is_told_as_the_document_says(pool, document, path):
    pool.predict("double", {"x": [[1, 2, 3, 4]]})
    where = {"path_parameters": {"id": "double", "model": "double"}} if "{" in path else {}
    assert document[path]["GET"].Case(**where).call_and_validate(base_url=pool.url).status_code == 200


@pytest.mark.parametrize(("path", "where", "body"), GOOD, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_good_is_answered_as_the_document_says(pool, document, path, where, body):
    more = {} if body is None else {"body": body, "media_type": "application/json"}
    answer = document[path]["POST"].Case(**where, **more).call_and_validate(base_url=pool.url)
    assert answer.status_code == 200
