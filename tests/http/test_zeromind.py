"""The ten requests, as the contract of the original tells them."""

import hashlib
import json
import sys

import pytest

TASK = {"id": "1", "model_type": "onnx", "model_file": "double.onnx"}
CHECK_SUM = "4d8a15e3cc35750f016ce15a43937620"
BOTH = ["/info", "/info/system", "/info/task?id=1", "/info/tasks", "/model/list", "/model/info?id=1"]
POST_ONLY = ["/model/load", "/model/predict?id=1", "/command/stop"]


@pytest.fixture(scope="module")
def pool(thread_server):
    with thread_server(id=7, tasks=[TASK]) as client:
        yield client


@pytest.fixture
def spare(pool):
    """Whatever a test loads is dropped after it."""
    before = set(pool.ids())
    yield pool
    for model in set(pool.ids()) - before:
        pool.drop(model)


@pytest.mark.parametrize("route", ["/info", "/"])
def test_info_tells_service_id_options_and_version(pool, route):
    answer = pool.get(route)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == {"service": "ModelPool", "id": 7, "options": {"debug": False}, "version": [2, 0, 0]}


def test_info_lists_the_options_that_were_given(thread_server):
    with thread_server(model_types=["onnx", "python"], debug=True) as pool:
        assert pool.get("/info").json["options"] == {"debug": True, "model_types": ["onnx", "python"]}


def test_info_system_tells_of_the_host(pool):
    data = pool.get("/info/system").json
    assert {"id", "cpu_usage", "memory", "python"} <= set(data)
    assert data["id"] == 7
    assert 0 <= data["cpu_usage"] <= 100
    assert {"total", "available", "percent", "used", "free"} <= set(data["memory"])
    assert 0 < data["memory"]["available"] <= data["memory"]["total"]
    assert data["python"] == list(sys.version_info)


def test_info_task_gives_the_task_with_the_attributes_of_the_original(pool):
    assert pool.get("/info/task?id=1").json == {**TASK, "input_filters": {}, "output_filters": {}}


def test_info_task_tells_the_recognised_type(spare):
    spare.load({"id": "free", "model_file": "double.onnx"})
    assert spare.get("/info/task?id=free").json["model_type"] == "onnx"


def test_info_tasks_lists_every_task(pool):
    assert pool.get("/info/tasks").json == {"id": 7, "tasks": [pool.get("/info/task?id=1").json]}


def test_the_list_has_the_check_sum_of_the_original(pool):
    assert pool.get("/model/list").json == {"id": 7, "check_sum": CHECK_SUM, "models": ["1"]}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_that_knows_the_check_sum_gets_no_ids(pool, method):
    assert pool.ask(method, "/model/list", {"check_sum": CHECK_SUM}).json == {"id": 7, "check_sum": CHECK_SUM, "models": []}
    assert pool.ask(method, "/model/list", {"check_sum": "0" * 32}).json["models"] == ["1"]
    assert pool.ask(method, "/model/list", {}).json["models"] == ["1"]


def test_the_check_sum_is_of_the_sorted_ids(spare):
    for name in ("b", "B", "a"):
        spare.load({**TASK, "id": name})
    answer = spare.get("/model/list").json
    assert answer["models"] == ["1", "B", "a", "b"]
    assert answer["check_sum"] == hashlib.md5(json.dumps(answer["models"]).encode(), usedforsecurity=False).hexdigest()


def test_model_info_describes_inputs_and_outputs(pool):
    assert pool.get("/model/info?id=1").json == {
        "inputs": {"0": {"name": "x", "type": "float32", "shape": [None, 4]}},
        "outputs": {"0": {"name": "y", "type": "float32", "shape": [None, 4]}},
        "tool": "onnx",
    }


def test_predict_gives_the_result_and_the_model_time(pool):
    answer = pool.predict("1", {"x": [[1, 2, 3, 4], [0.5, 0, -1, 1e3]]})
    assert answer.status == 200
    data = answer.json
    assert list(data) == ["result", "model_time"]
    assert data["result"] == {"y": [[2, 4, 6, 8], [1, 0, -2, 2000]]}
    assert 0 < data["model_time"] < 10


def test_numbers_that_are_not_finite_come_back_as_null(pool):
    assert pool.predict("1", {"x": [[3e38, 0, 0, -3e38]]}).json["result"]["y"] == [[None, 0, 0, None]]


def test_load_and_drop_measure_the_worker_whose_process_ends(pool, is_gone):
    loaded = pool.load({"id": "lab", "model_type": "python", "model_file": "lab.py"})
    assert loaded.status == 200
    data = loaded.json
    assert (data.pop("result"), data.pop("model_id")) == (True, "lab")
    assert 0 < data.pop("load_time") < 30
    assert 5e6 < data.pop("memory_consumed") < 1e9
    assert data == {}
    pid = pool.pid()
    assert not is_gone(pid)
    dropped = pool.drop("lab").json
    assert (dropped.pop("result"), dropped.pop("model_id")) == (True, "lab")
    assert 0 < dropped.pop("unload_time") < 30
    assert 5e6 < dropped.pop("memory_released") < 1e9
    assert dropped == {}
    assert is_gone(pid)
    assert pool.ids() == ["1"]


def test_drop_answers_post_as_well(pool):
    pool.load({**TASK, "id": "short"})
    assert pool.post("/model/drop?id=short").json["result"] is True
    assert pool.post("/model/drop?id=short").status == 404


def test_a_model_can_be_loaded_again_after_its_drop(spare):
    for _ in range(2):
        assert spare.load({**TASK, "id": "again"}).status == 200
        assert spare.drop("again").status == 200


@pytest.mark.parametrize("route", BOTH)
def test_get_and_post_answer_alike(pool, route):
    got, posted = pool.get(route), pool.post(route)
    assert got.status == posted.status == 200
    if route != "/info/system":
        assert got.json == posted.json


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
@pytest.mark.parametrize("route", [*BOTH, *POST_ONLY, "/model/drop?id=1"])
def test_any_other_method_is_refused_naming_those_that_are_allowed(pool, route, method):
    answer = pool.ask(method, route)
    assert answer.status == 405
    assert answer.headers["Allow"] == ("POST" if route in POST_ONLY else "GET, POST")
    assert answer.error["code"] == 0
    assert method in answer.error["message"]
    assert pool.ids() == ["1"]


@pytest.mark.parametrize("route", POST_ONLY)
def test_what_changes_or_asks_with_a_body_is_posted(pool, route):
    answer = pool.get(route)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


def test_head_has_no_body(pool):
    answer = pool.ask("HEAD", "/model/list")
    assert (answer.status, answer.data) == (405, b"")


@pytest.mark.parametrize("route", ["/nothing", "/model", "/model/", "/info/", "/model/list/1", "/%00", "/%ff", "/../etc/passwd"])
def test_an_unknown_route_gets_404_with_the_envelope(pool, route):
    answer = pool.get(route)
    assert answer.status == 404
    assert answer.error["code"] == 0
    assert route in answer.error["message"]


@pytest.mark.parametrize(
    ("method", "route", "status"),
    [("GET", "/info", 200), ("GET", "/nothing", 404), ("PUT", "/info", 405), ("BREW", "/nothing", 404), ("POST", "/model/load", 415),
     ("GET", "/model/info?id=none", 404), ("POST", "/model/predict", 400), ("GET", "/v2/health/live", 200)],
)  # fmt: skip
def test_the_server_names_itself_on_every_answer(pool, method, route, status):
    answer = pool.ask(method, route)
    assert (answer.status, answer.headers["Server"]) == (status, "0Mind")


def test_health(pool):
    assert (pool.get("/v2/health/live").status, pool.get("/v2/health/ready").status) == (200, 200)


def test_model_types_restrict_what_may_load(thread_server):
    with thread_server(model_types=["onnx"], tasks=[TASK, {"id": "sum", "model_file": "sum.py"}]) as pool:
        assert pool.ids() == ["1"]
        for task in ({"id": "2", "model_type": "python", "model_file": "sum.py"}, {"id": "2", "model_file": "sum.py"}):
            answer = pool.load(task)
            assert (answer.status, answer.error["code"], answer.error["params"]) == (403, 2, ["python"])
            assert "onnx" in answer.error["message"]


def test_one_failing_task_does_not_stop_the_others(thread_server):
    bad = [
        {"id": "lost", "model_file": "lost.onnx"},
        {"id": ["no", "string"], "model_file": "double.onnx"},
        {"model_file": "double.onnx"},
        {"id": "1", "model_type": "onnx", "model_file": "double.onnx"},
        {"id": "broken", "model_type": "onnx", "model_file": "broken.onnx"},
        {"id": {}, "input_filters": 5},
    ]
    with thread_server(tasks=[TASK, *bad]) as pool:
        assert pool.ids() == ["1"]
        assert pool.predict("1", {"x": [[1, 1, 1, 1]]}).status == 200


def test_the_envelope_tells_no_secret_of_an_unknown_fault_unless_debug_is_on(thread_server, models, tmp_path):
    (tmp_path / "own.py").write_text(
        "from zeromind.http.handler import Handler\n"
        "class Bad(Handler):\n"
        "    route = '/bad'\n"
        "    def get(self):\n"
        "        raise RuntimeError('a secret')\n"
        "    def post(self):\n"
        "        self.send({'models': self.engine.registry.ids()})\n"
    )
    for debug in (False, True):
        with thread_server(debug=debug, handler_folders=[str(tmp_path)]) as pool:
            answer = pool.get("/bad")
            assert (answer.status, answer.error["code"], answer.headers["Server"]) == (500, 0, "0Mind")
            assert (b"a secret" in answer.data) is debug
            assert (b"Traceback" in answer.data) is debug
            assert pool.post("/bad").json == {"models": []}


def test_stop_ends_the_process(spawn, is_gone):
    pool = spawn(id=3, tasks=[{"id": "lab", "model_type": "python", "model_file": "lab.py"}])
    worker = pool.pid()
    wrong = pool.post("/command/stop", {"pool_id": 4})
    assert (wrong.status, wrong.error["code"], wrong.error["params"]) == (400, 109, [4])
    answer = pool.post("/command/stop", {"pool_id": 3})
    assert (answer.status, answer.json) == (200, {"result": "accepted", "id": 3})
    assert pool.wait(10) == 0
    assert is_gone(worker)
    assert pool.complaints() == []
