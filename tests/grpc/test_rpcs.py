"""Every RPC besides inference, as tritonclient's methods call them."""

import asyncio
import json
from multiprocessing import shared_memory

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

import grpc
from zeromind.codecs import oip_model


def tensor(name, array, datatype="FP32"):
    given = triton_grpc.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array)
    return given


def refused(call, *arguments, **more):
    with pytest.raises(InferenceServerException) as caught:
        call(*arguments, **more)
    return caught.value.status().removeprefix("StatusCode."), caught.value.message()


@pytest.fixture(scope="module")
def own(grpc_server):
    """A pool that allows what the shared one does not."""
    task = {"id": "double", "model_file": "double.onnx", "isolation": "thread", "max_batch_size": 8, "labels": {"y": ["a", "b", "c", "d"]}}
    with grpc_server(tasks=[task], allow_shared_memory=True, allow_file_override=True, trace_file="trace.json") as client:
        yield client


@pytest.fixture(scope="module")
def client(own):
    with triton_grpc.InferenceServerClient(own.grpc) as made:
        yield made


def test_extensions(client):
    assert client.get_server_metadata(as_json=True)["extensions"] == list(oip_model.EXTENSIONS)


def test_a_models_configuration_is_the_real_message(client):
    config = client.get_model_config("double").config
    assert (config.name, config.backend, config.max_batch_size) == ("double", "onnx", 8)
    assert [(one.name, one.data_type, list(one.dims)) for one in config.input] == [("x", 11, [4])]
    assert config.output[0].label_filename
    assert config.HasField("dynamic_batching")
    assert not config.HasField("model_transaction_policy")
    assert not config.HasField("sequence_batching")
    assert refused(client.get_model_config, "absent")[0] == "NOT_FOUND"
    assert refused(client.get_model_config, "double", "2")[0] == "NOT_FOUND"


def test_statistics_count_what_was_sent(client):
    def counts():
        (stats,) = client.get_inference_statistics("double").model_stats
        return stats.inference_count, stats.execution_count, stats.inference_stats.success.count

    before = counts()
    for _ in range(3):
        client.infer("double", [tensor("x", np.ones((2, 4), np.float32))])
    after = counts()
    assert [now - then for now, then in zip(after, before, strict=True)] == [6, 3, 3]
    assert {stats.name for stats in client.get_inference_statistics().model_stats} >= {"double"}
    code, message = refused(client.get_inference_statistics, "absent")
    assert (code, message) == ("INVALID_ARGUMENT", "requested model 'absent' is not available")
    (stats,) = client.get_inference_statistics("double", as_json=True)["model_stats"]
    assert {entry["batch_size"] for entry in stats["batch_stats"]} >= {"2"}


def test_load_with_a_configuration_unload_and_the_index(client):
    client.load_model("double", config=json.dumps({"max_batch_size": 4}))
    assert client.get_model_config("double").config.max_batch_size == 4
    client.unload_model("double")
    client.load_model("double")
    assert client.is_model_ready("double")
    index = {model.name: model.state for model in client.get_model_repository_index().models}
    assert index["double"] == "READY"
    assert refused(client.load_model, "absent")[0] == "NOT_FOUND"
    assert refused(client.load_model, "double", config="{")[0] == "INVALID_ARGUMENT"


def test_load_with_a_models_file(client, models):
    data = (models / "double.onnx").read_bytes()
    client.load_model("sent", config='{"backend": "onnxruntime"}', files={"file:1/model.onnx": data})
    assert client.infer("sent", [tensor("x", np.ones((1, 4), np.float32))]).as_numpy("y").tolist() == [[2, 2, 2, 2]]
    client.unload_model("sent")


@pytest.mark.parametrize(
    ("name", "parameter", "words"),
    [
        ("config", {"int64_param": 1}, "must be string_param"),
        ("file:1/model.onnx", {"string_param": "x"}, "must be bytes_param"),
        ("other", {"string_param": "x"}, "unrecognized load parameter"),
    ],
)
def test_load_parameters_that_are_none(own, raw, name, parameter, words):
    request = service_pb2.RepositoryModelLoadRequest(model_name="double")
    request.parameters[name].MergeFrom(service_pb2.ModelRepositoryParameter(**parameter))
    code, message = raw.fails("RepositoryModelLoad", request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert words in message


def test_repositories_have_no_names(raw):
    for method, request in (
        ("RepositoryIndex", service_pb2.RepositoryIndexRequest(repository_name="r")),
        ("RepositoryModelLoad", service_pb2.RepositoryModelLoadRequest(repository_name="r", model_name="sum")),
        ("RepositoryModelUnload", service_pb2.RepositoryModelUnloadRequest(repository_name="r", model_name="sum")),
    ):
        assert raw.fails(method, request)[0] is grpc.StatusCode.UNIMPLEMENTED


def test_regions_of_shared_memory(client):
    region = shared_memory.SharedMemory(create=True, size=64)
    try:
        client.register_system_shared_memory("r", region.name, 64)
        status = client.get_system_shared_memory_status("r").regions["r"]
        assert (status.key, status.offset, status.byte_size) == (region.name, 0, 64)
        assert refused(client.register_system_shared_memory, "r", region.name, 64)[0] == "ALREADY_EXISTS"
        client.unregister_system_shared_memory("r")
        client.unregister_system_shared_memory()
        assert not client.get_system_shared_memory_status().regions
        assert refused(client.get_system_shared_memory_status, "r")[0] == "NOT_FOUND"
    finally:
        region.close()
        region.unlink()


def test_shared_memory_is_off_unless_allowed(triton):
    code, message = refused(triton.register_system_shared_memory, "r", "/none", 64)
    assert code == "UNIMPLEMENTED"
    assert "disabled" in message


def test_a_gpus_memory_is_not_shared(client):
    assert not client.get_cuda_shared_memory_status().regions
    client.unregister_cuda_shared_memory()
    assert refused(client.register_cuda_shared_memory, "r", b"eA==", 0, 64)[0] == "INVALID_ARGUMENT"
    assert refused(client.get_cuda_shared_memory_status, "r")[0] == "NOT_FOUND"


def test_trace_settings(client):
    held = client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"], "trace_rate": "7"})
    assert list(held.settings["trace_level"].value) == ["TIMESTAMPS"]
    assert list(client.get_trace_settings().settings["trace_rate"].value) == ["7"]
    assert list(client.update_trace_settings("double", {"trace_rate": "9"}).settings["trace_rate"].value) == ["9"]
    assert list(client.update_trace_settings("double", {"trace_rate": None}).settings["trace_rate"].value) == ["7"]
    held = client.update_trace_settings(settings={"trace_level": None, "trace_rate": None})
    assert list(held.settings["trace_level"].value) == ["OFF"]
    assert refused(client.update_trace_settings, None, {"trace_file": "x"})[0] == "UNIMPLEMENTED"
    assert refused(client.get_trace_settings, "absent")[0] == "NOT_FOUND"


def test_log_settings(client):
    before = client.get_log_settings(as_json=True)["settings"]
    held = client.update_log_settings({"log_verbose_level": 1, "log_info": True, "log_format": "ISO8601"})
    assert held.settings["log_verbose_level"].uint32_param == 1
    assert held.settings["log_info"].bool_param
    assert held.settings["log_format"].string_param == "ISO8601"
    client.update_log_settings({"log_verbose_level": 0, "log_format": "default"})
    assert refused(client.update_log_settings, {"log_file": "x"})[0] == "UNIMPLEMENTED"
    assert refused(client.update_log_settings, {"none": True})[0] == "INVALID_ARGUMENT"
    assert set(before) == set(held.settings)


def test_the_aio_client(own):
    async def main():
        async with triton_aio.InferenceServerClient(own.grpc) as client:
            assert await client.is_server_live()
            assert (await client.get_model_config("double")).config.name == "double"
            given = [tensor("x", np.ones((1, 4), np.float32))]
            results = await asyncio.gather(*(client.infer("double", given, request_id=str(index)) for index in range(20)))
            assert [result.get_response().id for result in results] == [str(index) for index in range(20)]

            async def requests():
                for index in range(5):
                    yield {"model_name": "double", "inputs": given, "request_id": str(index)}

            answers = [result async for result, error in client.stream_infer(requests()) if not error]
            assert [answer.get_response().id for answer in answers] == [str(index) for index in range(5)]

    asyncio.run(main())


def test_metadata_may_ask_for_the_bare_model(triton):
    bare = triton.get_model_metadata("words", headers={"filters": "off"})
    assert bare.inputs[0].datatype == "FP32"
    result = triton.infer("words", [tensor("x", np.ones((1, 3), np.float32))], headers={"filters": "off"})
    assert result.as_numpy("sum").tolist() == [3]


@pytest.mark.parametrize(
    ("method", "code", "words"),
    [
        ("TraceSetting", grpc.StatusCode.RESOURCE_EXHAUSTED, "TraceSetting takes up to 1048576"),
        ("RepositoryModelLoad", grpc.StatusCode.INVALID_ARGUMENT, "too many fields"),
        ("RepositoryModelUnload", grpc.StatusCode.INVALID_ARGUMENT, "too many fields"),
    ],
)
def test_messages_that_would_need_many_times_their_bytes_are_not_read(raw, method, code, words):
    entry = b"\x1a\x05\x0a\x03" + b"%03d"
    told, why = raw.fails(method, b"".join(entry % (at % 1000) for at in range(200_000)))
    assert told is code
    assert words in why
