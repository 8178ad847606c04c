"""The Open Inference Protocol's routes that tell of the server and its models."""

import json

import pytest

from zeromind.codecs import oip_model

FILTERED = {"x": [{"filter": "own.Split"}, {"filter": "own.Scale", "by": 3}]}


@pytest.fixture(scope="module")
def pool(thread_server, models):
    tasks = [
        {"id": "double", "model_file": "double.onnx", "max_batch_size": 8},
        {"id": "filtered", "model_file": "sum.py", "input_filters": FILTERED},
        {"id": "broken", "model_file": "broken.onnx", "model_type": "onnx"},
        {"id": "stats", "model_file": "double.onnx"},
    ]
    with thread_server(tasks=tasks, filter_folders=[str(models / "filters")]) as client:
        yield client


def check_fault(answer, status, words):
    assert (answer.status, list(answer.json)) == (status, ["error"])
    assert words in answer.json["error"]


def test_the_server_says_what_it_is_and_has(pool):
    for route in ("/v2", "/v2/", "/v2?a=b"):
        answer = pool.get(route)
        assert answer.status == 200
        assert answer.json == {"name": "0Mind", "version": answer.json["version"], "extensions": list(oip_model.EXTENSIONS)}


@pytest.mark.parametrize("route", ["/v2/health/live", "/v2/health/ready", "/v2/models/double/ready", "/v2/models/double/versions/1/ready"])
def test_health_is_an_empty_200_or_json_for_whoever_asks_for_it(pool, route):
    answer = pool.get(route)
    assert (answer.status, answer.data) == (200, b"")
    told = pool.get(route, headers={"Accept": "application/json"})
    assert told.json.popitem()[1] is True


@pytest.mark.parametrize("model", ["none", "broken", "double/versions/2", "double/versions/01", "%20"])
def test_a_model_that_is_not_ready_is_a_400(pool, model):
    check_fault(pool.get(f"/v2/models/{model}/ready"), 400, "Model version not ready")


@pytest.mark.parametrize("route", ["double", "double/versions/1", "d%6Fuble", "double?verbose=1"])
def test_a_models_tensors(pool, route):
    answer = pool.get(f"/v2/models/{route}")
    assert answer.status == 200
    assert answer.json == {
        "name": "double",
        "versions": ["1"],
        "platform": "onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}],
    }


def test_filters_turn_a_tensor_into_bytes_unless_they_are_off(pool):
    assert pool.get("/v2/models/filtered").json["inputs"] == [{"name": "x", "datatype": "BYTES", "shape": [-1]}]
    assert pool.get("/v2/models/filtered?filters=off").json["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]
    config = pool.get("/v2/models/filtered/config").json
    assert config["input"][0]["data_type"] == "TYPE_STRING"
    assert json.loads(config["parameters"]["input_filters"]["string_value"]) == FILTERED
    assert pool.get("/v2/models/filtered/config?filters=off").json["input"][0]["data_type"] == "TYPE_FP32"


def test_a_models_configuration(pool):
    for route in ("double/config", "double/versions/1/config?x=y"):
        config = pool.get(f"/v2/models/{route}").json
        assert (config["name"], config["max_batch_size"], config["platform"]) == ("double", 8, "onnx")
        assert config["input"][0]["dims"] == config["output"][0]["dims"] == [4]


@pytest.mark.parametrize("route", ["none", "none/config", "none/versions/1", "none/trace/setting", "n%2Fone", "none%20"])
def test_an_unknown_model_is_told_in_tritons_words(pool, route):
    name = route.partition("/")[0].replace("%2F", "/").replace("%20", " ")
    check_fault(pool.get(f"/v2/models/{route}"), 404, f"Request for unknown model: '{name}' is not found")


@pytest.mark.parametrize("route", ["double/versions/2", "double/versions/2/config"])
def test_there_is_one_version(pool, route):
    check_fault(pool.get(f"/v2/models/{route}"), 404, "version 2 is not found")


def test_statistics_of_one_model_or_of_all(pool):
    body = {"inputs": [{"name": "x", "shape": [2, 4], "datatype": "FP32", "data": list(range(8))}]}
    for _ in range(3):
        assert pool.post("/v2/models/double/infer", body).status == 200
    (entry,) = pool.get("/v2/models/double/stats").json["model_stats"]
    assert (entry["name"], entry["version"], entry["inference_count"], entry["execution_count"]) == ("double", "1", 6, 3)
    assert entry["inference_stats"]["success"]["count"] == 3
    assert pool.get("/v2/models/double/versions/1/stats?a=b").json["model_stats"] == [entry]
    assert {one["name"] for one in pool.get("/v2/models/stats").json["model_stats"]} == {"double", "filtered", "stats"}
    assert [one["name"] for one in pool.get("/v2/models/stats/stats").json["model_stats"]] == ["stats"]
    for route in ("none", "double/versions/3"):
        check_fault(pool.get(f"/v2/models/{route}/stats"), 400, "is not available")
    assert "requested model 'none' is not available" in pool.get("/v2/models/none/stats").json["error"]


@pytest.mark.parametrize(
    "route", ["/v2/none", "/v2/models", "/v2/models/double/none", "/v2/models/double/versions/1/trace/setting", "/v2/a/b/c"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_route_that_there_is_not(pool, route, method):
    answer = pool.ask(method, route, b"{}" if method == "POST" else None)
    assert (answer.status, answer.json) == (404, {"error": "Not Found"})


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("POST", "/v2"),
        ("POST", "/v2/health/live"),
        ("POST", "/v2/models/double"),
        ("DELETE", "/v2/models/double/config"),
        ("GET", "/v2/models/double/infer"),
        ("POST", "/v2/models/stats"),
        ("GET", "/v2/repository/index"),
        ("GET", "/v2/repository/models/double/load"),
        ("GET", "/v2/systemsharedmemory/region/a/register"),
        ("POST", "/v2/cudasharedmemory/status"),
        ("PUT", "/v2/logging"),
        ("BREW", "/v2/trace/setting"),
    ],
)
def test_a_method_that_a_route_has_not(pool, method, route):
    answer = pool.ask(method, route, b"{}" if method == "POST" else None)
    assert answer.status == 405
    allowed = answer.headers["Allow"]
    assert allowed
    assert answer.json["error"].startswith(f"Method Not Allowed: {route} answers {allowed}, not {method}")
