"""The Open Inference Protocol's settings of traces and of the log, and Triton's own client on all routes beside inference."""

import json
import logging

import pytest
import tritonclient.http
from tritonclient.utils import InferenceServerException
from tritonclient.utils import shared_memory as client_memory


@pytest.fixture(scope="module")
def pool(thread_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("traces")
    tasks = [{"id": "double", "model_file": "double.onnx", "isolation": "thread"}]
    with thread_server(tasks=tasks, trace_file=str(folder / "trace.json"), allow_shared_memory=True) as client:
        yield client


@pytest.fixture
def triton(pool):
    with tritonclient.http.InferenceServerClient(pool.address) as client:
        yield client


@pytest.fixture
def log():
    root, logger = logging.getLogger(), logging.getLogger("zeromind")
    level, filters = logger.level, {handler: list(handler.filters) for handler in root.handlers}
    yield
    logger.setLevel(level)
    for handler, before in filters.items():
        handler.filters[:] = before


TRACE = {"trace_level": ["OFF"], "trace_rate": "1000", "trace_count": "-1", "log_frequency": "0", "trace_mode": "triton"}


def told(answer):
    return {key: value for key, value in answer.json.items() if key != "trace_file"}


def test_trace_settings_of_the_pool_and_of_a_model(pool):
    assert told(pool.get("/v2/trace/setting")) == told(pool.get("/v2/models/double/trace/setting")) == TRACE
    changed = pool.post("/v2/models/double/trace/setting", {"trace_rate": "5", "trace_level": ["TIMESTAMPS"]}, headers={})
    assert told(changed) == told(pool.get("/v2/models/double/trace/setting")) == {**TRACE, "trace_rate": "5", "trace_level": ["TIMESTAMPS"]}
    assert told(pool.get("/v2/trace/setting")) == TRACE
    assert told(pool.post("/v2/models/double/trace/setting", {"trace_rate": None, "trace_level": None})) == TRACE
    assert told(pool.post("/v2/trace/setting", b"")) == TRACE


@pytest.mark.parametrize(("body", "status"), [({"trace_file": "x"}, 501), ({"trace_rate": "x"}, 400), ({"other": 1}, 400)])
@pytest.mark.parametrize("route", ["/v2/trace/setting", "/v2/models/double/trace/setting"])
def test_trace_settings_that_cannot_be(pool, route, body, status):
    answer = pool.post(route, body)
    assert (answer.status, list(answer.json)) == (status, ["error"])
    assert told(pool.get(route)) == TRACE


def test_a_model_that_is_not_there_has_no_settings(pool):
    for answer in (pool.get("/v2/models/none/trace/setting"), pool.post("/v2/models/none/trace/setting", {"trace_rate": "5"})):
        assert (answer.status, answer.json["error"]) == (404, "Request for unknown model: 'none' is not found")


def test_log_settings(pool, log, caplog):
    before = pool.get("/v2/logging").json
    assert list(before) == ["log_file", "log_info", "log_warning", "log_error", "log_verbose_level", "log_format"]
    answer = pool.post("/v2/logging", {"log_verbose_level": 1, "log_warning": False}, headers={})
    assert answer.status == 200
    assert answer.json == pool.get("/v2/logging").json == {**before, "log_verbose_level": 1, "log_warning": False}
    logging.getLogger("zeromind.x").warning("this is not wanted")
    logging.getLogger("zeromind.x").debug("this is")
    assert "this is not wanted" not in caplog.text
    assert "this is" in caplog.text
    for body, status in (({"log_file": "x"}, 501), ({"log_info": 1}, 400), ({"other": 1}, 400)):
        refused = pool.post("/v2/logging", body)
        assert (refused.status, list(refused.json)) == (status, ["error"])


# --- Triton's own client


def test_tritons_client_finds_what_it_asks_for(triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("double", "1")
    assert not triton.is_model_ready("none")
    assert triton.get_server_metadata()["name"] == "0Mind"
    assert triton.get_model_metadata("double")["inputs"][0]["shape"] == [-1, 4]
    assert triton.get_model_config("double", "1")["max_batch_size"] == 32
    assert triton.get_inference_statistics()["model_stats"][0]["name"] == "double"
    assert triton.get_inference_statistics("double")["model_stats"][0]["version"] == "1"


def test_tritons_client_loads_and_unloads(triton, waiting):
    config = json.dumps({"model_file": "double.onnx", "max_batch_size": 3})
    triton.load_model("mine", config=config)
    assert triton.get_model_config("mine")["max_batch_size"] == 3
    assert [entry["state"] for entry in triton.get_model_repository_index() if entry["name"] == "mine"] == ["READY"]
    triton.unload_model("mine", unload_dependents=True)
    waiting(lambda: not triton.is_model_ready("mine"))
    triton.load_model("mine")
    assert triton.is_model_ready("mine")
    triton.unload_model("mine")


def test_tritons_client_gets_errors_in_the_words_that_it_knows(triton):
    for call, status, words in (
        (lambda: triton.get_model_metadata("none"), "404", "Request for unknown model: 'none' is not found"),
        (lambda: triton.get_inference_statistics("none"), "400", "requested model 'none' is not available"),
        (lambda: triton.load_model("none"), "404", "unknown model: 'none'"),
        (lambda: triton.load_model("double", config="{}", files={"file:1/model.onnx": b"x"}), "501", "allow_file_override"),
        (lambda: triton.get_system_shared_memory_status("none"), "404", "Unable to find system shared memory region: 'none'"),
        (lambda: triton.register_cuda_shared_memory("r", b"AAAA", 0, 8), "400", "CUDA"),
        (lambda: triton.update_log_settings({"log_file": "x"}), "501", "log file"),
        (lambda: triton.update_trace_settings(settings={"trace_file": "x"}), "501", "trace file"),
    ):
        with pytest.raises(InferenceServerException) as caught:
            call()
        assert caught.value.status() == status
        assert words in caught.value.message()


def test_tritons_client_registers_its_memory(triton):
    handle = client_memory.create_shared_memory_region("mine", "/zeromind-triton-test", 64)
    try:
        triton.unregister_system_shared_memory()
        triton.unregister_cuda_shared_memory()
        triton.register_system_shared_memory("mine", "/zeromind-triton-test", 64)
        assert triton.get_system_shared_memory_status() == [{"name": "mine", "key": "/zeromind-triton-test", "offset": 0, "byte_size": 64}]
        assert triton.get_cuda_shared_memory_status() == []
        triton.unregister_system_shared_memory("mine")
        assert triton.get_system_shared_memory_status() == []
    finally:
        client_memory.destroy_shared_memory_region(handle)


def test_tritons_client_changes_settings(triton, log):
    assert triton.update_trace_settings("double", {"trace_rate": "7"})["trace_rate"] == "7"
    assert triton.get_trace_settings("double")["trace_rate"] == "7"
    assert triton.update_trace_settings("double", {"trace_rate": None})["trace_rate"] == "1000"
    assert triton.update_log_settings({"log_verbose_level": 2})["log_verbose_level"] == 2
    assert triton.get_log_settings()["log_verbose_level"] == 2


@pytest.mark.parametrize("route", ["/v2/logging", "/v2/trace/setting", "/v2/repository/index", "/model/load"])
def test_bodies_of_very_many_values_are_not_read(pool, route):
    answer = pool.post(route, b'{"a": [' + b"1," * (1 << 20) + b"1, 1]}")
    assert answer.status == 400
    assert "more than 65536 values" in str(answer.json)
