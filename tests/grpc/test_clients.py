"""Real clients, used as people use them: large messages, compression, keep-alive, shared memory, many channels."""

import asyncio
import time
from multiprocessing import shared_memory

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from h2 import events
from tritonclient.grpc import service_pb2

import grpc

INFER = "/inference.GRPCInferenceService/ModelInfer"
UNBOUNDED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


@pytest.fixture(scope="module")
def big(grpc_server):
    """A pool that takes messages of 64 MiB and shared memory."""
    tasks = [{"id": "sum", "model_file": "sum.py"}, {"id": "every", "model_file": "every.py", "isolation": "thread"}]
    tasks.append({"id": "double", "model_file": "double.onnx", "isolation": "thread", "labels": {"y": ["a", "b", "c", "d"]}})
    with grpc_server(tasks=tasks, allow_shared_memory=True, max_body_bytes=64 << 20) as client:
        yield client


def row(model, name, array):
    request = service_pb2.ModelInferRequest(model_name=model)
    request.inputs.add(name=name, datatype="FP32", shape=array.shape)
    request.raw_input_contents.append(array.tobytes())
    return request.SerializeToString()


def raw(answer):
    return service_pb2.ModelInferResponse.FromString(answer).raw_output_contents[0]


@pytest.mark.parametrize("port", ["grpc", "address"])
def test_messages_of_40_mib_both_ways(big, port):
    array = np.arange(10 << 20, dtype=np.float32).reshape(-1, 4)
    with grpc.insecure_channel(getattr(big, port), options=UNBOUNDED) as channel:
        answer = channel.unary_unary(INFER)(row("double", "x", array), timeout=60)
    assert raw(answer) == (2 * array).tobytes()


def test_large_messages_by_aio_clients_at_once(big):
    array = np.ones((1 << 20, 3), np.float32)

    async def main():
        async with grpc.aio.insecure_channel(big.grpc, options=UNBOUNDED) as channel:
            call = channel.unary_unary(INFER)
            return await asyncio.gather(*(call(row("sum", "x", array * index), timeout=60) for index in range(6)))

    for index, answer in enumerate(asyncio.run(main())):
        assert np.frombuffer(raw(answer), np.float32).tolist()[:2] == [3 * index] * 2


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_calls_that_come_compressed_are_answered_so(big, frames, compression):
    array = np.zeros((1000, 4), np.float32)
    with grpc.insecure_channel(big.grpc, compression=compression) as channel:
        assert raw(channel.unary_unary(INFER)(row("double", "x", array), timeout=10)) == array.tobytes()
    name = "gzip" if compression is grpc.Compression.Gzip else "deflate"
    client = frames(big.grpc_port)
    stream_id = client.ask("ModelInfer", row("double", "x", array), grpc_encoding=name, grpc_accept_encoding=f"identity, {name}")
    head = client.read(lambda event: isinstance(event, events.ResponseReceived))
    assert dict(head.headers)["grpc-encoding"] == name
    data = client.read(lambda event: isinstance(event, events.DataReceived)).data
    assert data[0] == 1
    assert len(data) < 1000
    assert client.trailers(stream_id)["grpc-status"] == "0"


def test_a_client_that_keeps_its_connection_alive(big):
    options = [("grpc.keepalive_time_ms", 100), ("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0)]
    with grpc.insecure_channel(big.grpc, options=options) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        states = []
        channel.subscribe(states.append)
        call(b"", timeout=5)
        time.sleep(0.5)
        assert call(b"", timeout=5) == b"\x08\x01"
        assert grpc.ChannelConnectivity.TRANSIENT_FAILURE not in states


def test_many_channels_and_calls_at_once(big):
    async def one(index):
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(big.grpc, options=options) as channel:
            call = channel.unary_unary(INFER)
            answers = [await call(row("sum", "x", np.full((1, 3), index, np.float32)), timeout=30) for _ in range(10)]
        return [np.frombuffer(raw(answer), np.float32).item() for answer in answers]

    async def main():
        return await asyncio.gather(*(one(index) for index in range(20)))

    assert asyncio.run(main()) == [[3 * index] * 10 for index in range(20)]


def test_metadata_of_any_kind_pass(big):
    metadata = [("x-trace", "1"), ("x-binary-bin", b"\0\xff"), ("authorization", "Bearer x")]
    with grpc.insecure_channel(big.grpc) as channel:
        answer, call = channel.unary_unary(INFER).with_call(row("sum", "x", np.ones((1, 3), np.float32)), timeout=10, metadata=metadata)
    assert np.frombuffer(raw(answer), np.float32).tolist() == [3]
    assert call.code() is grpc.StatusCode.OK


def test_tensors_in_shared_memory(big):
    region = shared_memory.SharedMemory(create=True, size=64)
    try:
        region.buf[:16] = np.array([1, 2, 3, 4], np.float32).tobytes()
        with triton_grpc.InferenceServerClient(big.grpc) as client:
            client.register_system_shared_memory("r", region.name, 64)
            given = triton_grpc.InferInput("x", [1, 4], "FP32")
            given.set_shared_memory("r", 16)
            wanted = triton_grpc.InferRequestedOutput("y")
            wanted.set_shared_memory("r", 16, offset=32)
            result = client.infer("double", [given], outputs=[wanted])
            assert result.get_response().raw_output_contents[0] == b""
            assert np.frombuffer(region.buf, np.float32, 4, 32).tolist() == [2, 4, 6, 8]
            client.unregister_system_shared_memory()
    finally:
        region.close()
        region.unlink()


def test_the_highest_classes(big):
    given = triton_grpc.InferInput("x", [1, 4], "FP32")
    given.set_data_from_numpy(np.array([[1, 4, 3, 2]], np.float32))
    with triton_grpc.InferenceServerClient(big.grpc) as client:
        result = client.infer("double", [given], outputs=[triton_grpc.InferRequestedOutput("y", class_count=2)])
    assert result.as_numpy("y").tolist() == [[b"8.000000:1:b", b"6.000000:2:c"]]


def test_a_request_that_comes_again_after_the_model_has_changed(big):
    """What is remembered of a request goes with the model that it was for."""
    given = triton_grpc.InferInput("x", [1, 4], "FP32")
    given.set_data_from_numpy(np.ones((1, 4), np.float32))
    with triton_grpc.InferenceServerClient(big.grpc) as client:
        for _ in range(3):
            assert client.infer("double", [given]).as_numpy("y").tolist() == [[2, 2, 2, 2]]
        client.load_model("double", config='{"max_batch_size": 3}')
        for _ in range(3):
            assert client.infer("double", [given]).as_numpy("y").tolist() == [[2, 2, 2, 2]]


def test_priority_and_time_out_of_a_request(big):
    given = triton_grpc.InferInput("x", [1, 3], "FP32")
    given.set_data_from_numpy(np.ones((1, 3), np.float32))
    with triton_grpc.InferenceServerClient(big.grpc) as client:
        result = client.infer("sum", [given], priority=1, timeout=5_000_000, request_id="7", parameters={"mine": 1})
    assert result.get_response().id == "7"
