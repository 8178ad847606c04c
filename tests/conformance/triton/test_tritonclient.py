"""Every method of Triton's four clients, and what each says of the server, of models and of what is not there."""

import inspect
import json
import queue

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

CLIENTS = {
    "http": tritonclient.http,
    "http.aio": tritonclient.http.aio,
    "grpc": tritonclient.grpc,
    "grpc.aio": tritonclient.grpc.aio,
}
ROWS = np.array([[1, 2, 3, 4]], np.float32)
DOUBLE = {"x": ROWS}


def methods(name):
    found = inspect.getmembers(CLIENTS[name].InferenceServerClient, callable)
    return [method for method, _ in found if not method.startswith("_")]


def check_doubled(result):
    assert result.as_numpy("y").tolist() == [[2, 4, 6, 8]]


def infer_async(triton):
    given = [triton.tensor("x", ROWS)]
    if triton.name == "http":
        check_doubled(triton.async_infer("double", given).get_result())
        return
    came = queue.Queue()
    triton.async_infer("double", given, lambda result, error: came.put((result, error)))
    result, error = came.get(timeout=30)
    assert error is None
    check_doubled(result)


def stream(triton):
    """What ``start_stream``, ``async_stream_infer`` and ``stop_stream`` do together."""
    came = queue.Queue()
    triton.start_stream(lambda result, error: came.put((result, error)))
    triton.async_stream_infer("double", [triton.tensor("x", ROWS)])
    result, error = came.get(timeout=30)
    triton.stop_stream()
    assert error is None
    check_doubled(result)


def stream_aio(triton):
    async def requests():
        yield {"model_name": "double", "inputs": [triton.tensor("x", ROWS)]}

    async def ask():
        return [answer async for answer in triton.client.stream_infer(requests())]

    ((result, error),) = triton.done(ask())
    assert error is None
    check_doubled(result)


def make_body(triton):
    """Requests and answers may travel by other means."""
    body, size = triton.generate_request_body([triton.tensor("x", ROWS)])
    assert (size is None) == (len(body) < 64)
    check_answer(triton, body, size)


def check_answer(triton, body, size):
    answer = triton.served.post("/v2/models/double/infer", body, headers={"Inference-Header-Content-Length": str(size)})
    check_doubled(triton.parse_response_body(answer.data, header_length=int(answer.headers["Inference-Header-Content-Length"])))


def plug_in(triton):
    class Plugin(triton.module.InferenceServerClientPlugin):
        def __call__(self, request):
            seen.append(request.headers)
            request.headers["x-mine"] = "1"

    seen, plugin = [], Plugin()
    triton.register_plugin(plugin)
    assert triton.client.plugin() is plugin
    try:
        assert triton.is_server_live(headers={})
    finally:
        triton.unregister_plugin()
    assert seen == [{"x-mine": "1"}]
    assert triton.client.plugin() is None


def load_and_unload(triton):
    triton.load_model("spare", config=json.dumps({"model_file": "double.onnx"}))
    check_doubled(triton.ask("spare", DOUBLE))
    triton.unload_model("spare")
    triton.waiting(lambda: not triton.is_model_ready("spare"))


def change_trace(triton):
    before = triton.settings(triton.get_trace_settings("double"))
    changed = triton.settings(triton.update_trace_settings("double", {"trace_rate": "7"}))
    assert changed == triton.settings(triton.get_trace_settings("double")) == {**before, "trace_rate": "7"}
    assert triton.settings(triton.update_trace_settings("double", {"trace_rate": None})) == before


def change_log(triton):
    before = triton.settings(triton.get_log_settings())
    changed = triton.settings(triton.update_log_settings({"log_verbose_level": 1}))
    assert changed == triton.settings(triton.get_log_settings()) == {**before, "log_verbose_level": 1}
    assert triton.settings(triton.update_log_settings({"log_verbose_level": 0})) == before


def keep_memory(triton):
    with triton.memory(64) as handle:
        key = handle._shm_key
        triton.register_system_shared_memory("mine", key, 64)
        assert triton.regions("system", "mine") == [{"name": "mine", "key": key, "offset": 0, "byte_size": 64}]
        triton.unregister_system_shared_memory("mine")
        assert triton.regions() == []


def keep_no_gpu_memory(triton):
    words = triton.refused("INVALID_ARGUMENT", triton.register_cuda_shared_memory, "mine", b"AAAA", 0, 64)
    assert "failed to register CUDA shared memory region 'mine'" in words
    assert triton.regions("cuda") == []
    triton.unregister_cuda_shared_memory("mine")
    triton.unregister_cuda_shared_memory()


def close(triton):
    another = triton.another()
    assert another.is_server_live()
    another.close()


DEEDS = {
    "async_infer": infer_async,
    "async_stream_infer": stream,
    "close": close,
    "generate_request_body": make_body,
    "get_cuda_shared_memory_status": keep_no_gpu_memory,
    "get_inference_statistics": lambda triton: triton.statistics("double")["double"]["version"] == "1",
    "get_log_settings": change_log,
    "get_model_config": lambda triton: triton.config("double")["max_batch_size"] == 32,
    "get_model_metadata": lambda triton: triton.get_model_metadata("double")["versions"] == ["1"],
    "get_model_repository_index": lambda triton: triton.index()["double"]["state"] == "READY",
    "get_server_metadata": lambda triton: triton.get_server_metadata()["name"] == "0Mind",
    "get_system_shared_memory_status": keep_memory,
    "get_trace_settings": change_trace,
    "infer": lambda triton: check_doubled(triton.ask("double", DOUBLE)),
    "is_model_ready": lambda triton: triton.is_model_ready("double"),
    "is_server_live": lambda triton: triton.is_server_live(),
    "is_server_ready": lambda triton: triton.is_server_ready(),
    "load_model": load_and_unload,
    "parse_response_body": make_body,
    "plugin": plug_in,
    "register_cuda_shared_memory": keep_no_gpu_memory,
    "register_plugin": plug_in,
    "register_system_shared_memory": keep_memory,
    "start_stream": stream,
    "stop_stream": stream,
    "stream_infer": stream_aio,
    "unload_model": load_and_unload,
    "unregister_cuda_shared_memory": keep_no_gpu_memory,
    "unregister_plugin": plug_in,
    "unregister_system_shared_memory": keep_memory,
    "update_log_settings": change_log,
    "update_trace_settings": change_trace,
}
"""For each method what uses it: it fails, or gives False, if it does not do what it is for."""


@pytest.mark.parametrize(("triton", "method"), [(name, method) for name in CLIENTS for method in methods(name)], indirect=["triton"])
def test_every_method(triton, method, kept_log):
    assert DEEDS[method](triton) in (None, True)


def test_the_server_says_what_it_can(triton):
    metadata = triton.get_server_metadata()
    assert metadata["version"]
    assert {"statistics", "binary_tensor_data", "model_repository", "trace", "logging", "classification"} <= set(metadata["extensions"])


def test_metadata_and_configuration_agree(triton):
    for model in ("double", "every_type", "echo", "scores", "count"):
        metadata, config = triton.get_model_metadata(model), triton.config(model)
        assert (metadata["name"], config["name"]) == (model, model)
        batches = config["max_batch_size"] > 0
        for side, key in (("inputs", "input"), ("outputs", "output")):
            described = [(tensor["name"], "TYPE_" + tensor["datatype"], tensor["shape"]) for tensor in metadata[side]]
            configured = [(tensor["name"], tensor["data_type"], [-1] * batches + tensor["dims"]) for tensor in config[key]]
            assert [(name, kind.replace("BYTES", "STRING"), shape) for name, kind, shape in described] == configured
        assert ("dynamic_batching" in config) == batches
        assert config.get("model_transaction_policy") == ({"decoupled": True} if model == "count" else None)
        assert "sequence_batching" not in config
        assert "response_cache" not in config


def test_the_only_version_is_1(triton):
    assert triton.is_model_ready("double", "1")
    assert not triton.is_model_ready("double", "2")
    assert not triton.is_model_ready("none")
    assert triton.get_model_metadata("double", "1") == triton.get_model_metadata("double")
    assert triton.config("double", "1") == triton.config("double")
    assert triton.statistics("double", "1").keys() == {"double"}
    assert triton.response(triton.ask("double", DOUBLE, model_version="1"))["model_version"] == "1"
    for call in (triton.get_model_metadata, triton.get_model_config):
        assert "'double'" in triton.refused("NOT_FOUND", call, "double", "2")
    assert "'double'" in triton.refused("NOT_FOUND", triton.ask, "double", DOUBLE, model_version="2")


UNKNOWN = "Request for unknown model: 'none' is not found"


def test_what_is_not_there(triton):
    for call in (triton.get_model_metadata, triton.get_model_config):
        assert triton.refused("NOT_FOUND", call, "none") == UNKNOWN
    assert triton.refused("NOT_FOUND", triton.ask, "none", DOUBLE) == UNKNOWN
    assert "'none'" in triton.refused("NOT_FOUND", triton.load_model, "none")
    assert "'none'" in triton.refused("NOT_FOUND", triton.unload_model, "none")
    assert triton.refused("INVALID_ARGUMENT", triton.get_inference_statistics, "none") == "requested model 'none' is not available"
    assert triton.refused("NOT_FOUND", triton.get_trace_settings, "none") == UNKNOWN
    unknown = "Unable to find system shared memory region: 'none'"
    assert triton.refused("NOT_FOUND", triton.get_system_shared_memory_status, "none") == unknown
    assert "'none'" in triton.refused("NOT_FOUND", triton.get_cuda_shared_memory_status, "none")
    triton.unregister_system_shared_memory("none")


def test_settings_that_cannot_be(triton):
    assert "log file" in triton.refused("UNIMPLEMENTED", triton.update_log_settings, {"log_file": "x"})
    assert "trace file" in triton.refused("UNIMPLEMENTED", triton.update_trace_settings, settings={"trace_file": "x"})
    assert "trace_rate" in triton.refused("INVALID_ARGUMENT", triton.update_trace_settings, settings={"trace_rate": "x"})
    assert "log_format" in triton.refused("INVALID_ARGUMENT", triton.update_log_settings, {"log_format": "x"})


WRONG = (
    ({"x": np.zeros((1, 5), np.float32)}, "shape [1, 5], the model takes [any, 4]"),
    ({"x": np.full((1, 4), "a", np.object_)}, "'x'"),
    ({"y": np.zeros((1, 4), np.float32)}, "no input 'y'"),
    ({}, "'x'"),
)


@pytest.mark.parametrize(("arrays", "words"), WRONG)
def test_tensors_that_the_model_does_not_take(triton, arrays, words):
    assert words in triton.refused("INVALID_ARGUMENT", triton.ask, "double", arrays)


def test_an_output_that_is_not_there(triton):
    assert "no output 'z'" in triton.refused("INVALID_ARGUMENT", triton.ask, "double", DOUBLE, [triton.wanted("z")])


@pytest.mark.parametrize(("order", "code", "words"), [("refuse", "INVALID_ARGUMENT", "not this one"), ("fail", "INTERNAL", "failed")])
def test_a_model_that_fails(triton, order, code, words):
    message = triton.refused(code, triton.ask, "lab", {"order": np.array([order], np.object_)})
    assert words in message
    assert "secret" not in message


def test_a_decoupled_model_wants_a_stream(triton):
    """One answer is all that there can be here; of more the client would miss the others."""
    numbers = {"to": np.array([3], np.int32), "stumble": np.array([-1], np.int32)}
    triton.refused("INVALID_ARGUMENT", triton.ask, "count", numbers)
    one = triton.ask("count", {**numbers, "to": np.array([1], np.int32)})
    assert one.as_numpy("number").tolist() == [0]


SLEEP = {"order": np.array(["sleep:0.3"], np.object_)}


@pytest.mark.parametrize("triton", ["grpc"], indirect=True)
def test_a_client_may_change_its_mind(triton):
    came = queue.Queue()
    call = triton.async_infer("lab", [triton.tensor("order", SLEEP["order"])], lambda result, error: came.put((result, error)))
    call.cancel()
    result, error = came.get(timeout=30)
    assert result is None
    assert error.status() == "StatusCode.CANCELLED"
    triton.ask("lab", {"order": np.array(["echo"], np.object_)})


@pytest.mark.parametrize("triton", ["grpc", "grpc.aio"], indirect=True)
def test_a_client_may_wait_no_longer_than_it_likes(triton):
    triton.refused("DEADLINE_EXCEEDED", triton.ask, "lab", SLEEP, client_timeout=0.05)
    triton.ask("lab", {"order": np.array(["echo"], np.object_)})


@pytest.mark.parametrize("triton", ["http", "grpc"], indirect=True)
def test_many_requests_at_once(triton):
    """Of one client, each with its own answer."""
    another = triton.another(**({} if triton.is_grpc else {"concurrency": 8}))
    came = queue.Queue()
    for value in range(32):
        given = [another.tensor("x", np.full((1, 4), value, np.float32))]
        if triton.is_grpc:
            another.async_infer("double", given, lambda result, error: came.put(error or result), request_id=str(value))
        else:
            came.put(another.async_infer("double", given, request_id=str(value)))
    results = [came.get(timeout=30) for _ in range(32)]
    if not triton.is_grpc:
        results = [waiting.get_result() for waiting in results]
    got = {another.response(result)["id"]: result.as_numpy("y").tolist() for result in results}
    assert got == {str(value): [[2 * value] * 4] for value in range(32)}
    another.close()


def test_the_clients_own_refusals_reach_no_server(triton):
    with pytest.raises(InferenceServerException, match="reserved parameter"):
        triton.ask("double", DOUBLE, parameters={"priority": 1})
