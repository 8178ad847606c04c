"""The Open Inference Protocol's repository: loads and unloads beside 0Mind's own routes."""

import base64
import json
import tempfile

import pytest

SUM = {"id": "sum", "model_file": "sum.py"}
DOUBLE = {"id": "double", "model_file": "double.onnx"}
INDEX, MODELS = "/v2/repository/index", "/v2/repository/models"
TENSOR = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}


@pytest.fixture(scope="module")
def pool(thread_server):
    with thread_server(tasks=[SUM, DOUBLE]) as client:
        yield client


@pytest.fixture(autouse=True)
def anew(pool, waiting):
    yield
    for name in set(pool.ids()) - {"sum", "double"}:
        pool.drop(name)
    for name in ("sum", "double"):
        assert pool.post(f"{MODELS}/{name}/load").status == 200


def states(pool, body=None):
    return {entry["name"]: entry["state"] for entry in pool.post(INDEX, body).json}


def check_fault(answer, status, words):
    assert (answer.status, list(answer.json)) == (status, ["error"]), answer
    assert words in answer.json["error"]


def load(pool, name, parameters):
    return pool.post(f"{MODELS}/{name}/load", {"parameters": parameters}, headers={})


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready": false}', b'{"ready": true}'])
def test_the_index_lists_what_there_is(pool, body):
    answer = pool.post(INDEX, body, headers={"Content-Type": "text/plain"})
    entries = [{"name": name, "version": "1", "state": "READY", "reason": ""} for name in ("double", "sum")]
    assert [entry for entry in answer.json if entry["state"] == "READY"] == entries


def test_what_one_dialect_loads_or_drops_the_other_sees(pool, waiting):
    assert pool.load({**SUM, "id": "mine"}).status == 200
    assert states(pool)["mine"] == "READY"
    answer = pool.post(f"{MODELS}/mine/unload")
    assert (answer.status, answer.data) == (200, b"")
    waiting(lambda: states(pool)["mine"] == "UNAVAILABLE")
    assert "mine" not in pool.ids()
    assert "mine" not in states(pool, {"ready": True})
    assert pool.drop("double").status == 200
    assert [entry["reason"] for entry in pool.post(INDEX).json if entry["name"] == "double"] == ["unloaded"]
    answer = pool.post(f"{MODELS}/mine/load")
    assert (answer.status, answer.data) == (200, b"")
    assert pool.predict("mine", {"x": [[1, 2, 3]]}).json["result"] == {"sum": [6]}


def test_a_configuration_changes_a_model(pool):
    config = pool.get("/v2/models/double/config").json
    config["max_batch_size"] = 5
    assert load(pool, "double", {"config": json.dumps(config)}).status == 200
    assert pool.get("/v2/models/double/config").json["max_batch_size"] == 5
    assert pool.post(f"{MODELS}/double/load", b"").status == 200
    assert pool.get("/v2/models/double/config").json["max_batch_size"] == 32


def test_a_configuration_may_be_a_task(pool):
    assert load(pool, "new", {"config": '{"model_file": "double.onnx", "instances": 2}'}).status == 200
    assert pool.post("/v2/models/new/infer", {"inputs": [TENSOR]}).json["outputs"][0]["data"] == [2, 4, 6, 8]


@pytest.mark.parametrize(
    ("name", "body", "status", "words"),
    [
        ("none", {}, 404, "Request for unknown model: 'none' is not found"),
        ("none", {"parameters": {"config": "{}"}}, 404, "unknown model"),
        ("no ne", {"parameters": {"config": '{"model_file": "double.onnx"}'}}, 400, "task id 'no ne'"),
        ("sum", {"parameters": {"config": {}}}, 400, "must be a string"),
        ("sum", {"parameters": {"config": "{"}}, 400, "not JSON"),
        ("sum", {"parameters": {"other": "x"}}, 400, "unrecognized load parameter 'other'"),
        ("sum", {"parameters": [1]}, 400, "'parameters' must be an object"),
        ("sum", {"parameters": {"config": '{"sequence_batching": {"direct": {}}}'}}, 400, "'sequence_batching'"),
        ("sum", {"parameters": {"config": '{"max_bach_size": 5}'}}, 400, "'max_bach_size'"),
        ("sum", {"parameters": {"config": '{"allow_code": true}'}}, 400, "operator"),
        ("sum", {"parameters": {"config": '{"model_file": "/etc/passwd"}'}}, 400, "roots"),
        ("sum", {"parameters": {"config": '{"model_file": "broken.onnx", "model_type": "onnx"}'}}, 400, "onnx"),
        ("sum", {"parameters": {"config": "{}", "file:1/model.onnx": "!"}}, 400, "base64"),
        ("sum", {"parameters": {"config": "{}", "file:1/model.onnx": "AAAA"}}, 501, "allow_file_override"),
    ],
)
def test_a_load_that_cannot_be_leaves_all_as_it_was(pool, name, body, status, words):
    check_fault(pool.post(f"{MODELS}/{name.replace(' ', '%20')}/load", body), status, words)
    assert states(pool) == {**states(pool), "sum": "READY", "double": "READY"}
    assert pool.predict("sum", {"x": [[1, 2, 3]]}).json["result"] == {"sum": [6]}


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff", b'{"ready": 1, "ready": 2}', b"[" * 100_000])
@pytest.mark.parametrize("route", [INDEX, f"{MODELS}/sum/load", f"{MODELS}/sum/unload", "/v2/logging", "/v2/trace/setting"])
def test_a_body_that_is_no_object_is_a_400(pool, route, body):
    check_fault(pool.post(route, body), 400, "JSON object")


def test_unloads(pool, waiting):
    check_fault(pool.post(f"{MODELS}/none/unload"), 404, "Request for unknown model: 'none' is not found")
    check_fault(pool.post(f"{MODELS}/sum/unload", {"parameters": {"unload_dependents": "yes"}}), 400, "unload_dependents")
    check_fault(pool.post(f"{MODELS}/sum/unload", {"parameters": {"other": True}}), 400, "'other'")
    check_fault(pool.post(INDEX, {"ready": "yes"}), 400, "'ready'")
    for _ in range(2):
        assert pool.post(f"{MODELS}/sum/unload", {"parameters": {"unload_dependents": True}}).status == 200
    waiting(lambda: pool.get("/v2/models/sum/ready").status == 400 and states(pool)["sum"] == "UNAVAILABLE")


@pytest.mark.parametrize(
    "route", ["/v2/repository/mine/index", "/v2/repository/mine/models/sum/load", "/v2/repository/a%2Fb/models/sum/unload"]
)
def test_there_is_one_repository(pool, route):
    check_fault(pool.post(route), 501, "'repository_name' specification is not supported")


def test_files_may_come_with_a_load_where_the_operator_lets_them(thread_server, models):
    data = base64.b64encode((models / "double.onnx").read_bytes()).decode()
    with thread_server(allow_file_override=True, code_roots=[tempfile.gettempdir()]) as pool:
        check_fault(load(pool, "sent", {"file:1/model.onnx": data}), 400, "configuration")
        check_fault(load(pool, "sent", {"config": "{}", "file:../model.onnx": data}), 400, "no path")
        assert load(pool, "sent", {"config": '{"backend": "onnxruntime"}', "file:1/model.onnx": data}).status == 200
        assert pool.post("/v2/models/sent/infer", {"inputs": [TENSOR]}).json["outputs"][0]["data"] == [2, 4, 6, 8]
        code = base64.b64encode((models / "sum.py").read_bytes()).decode()
        check_fault(load(pool, "code", {"config": '{"backend": "python"}', "file:1/model.py": code}), 403, "code")
