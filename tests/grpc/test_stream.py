"""ModelStreamInfer: many requests and many answers on one call."""

import asyncio
import contextlib
import queue
import threading
import time

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

import grpc

PATH = "/inference.GRPCInferenceService/ModelStreamInfer"


def text(*items, name="text", shape=None):
    given = triton_grpc.InferInput(name, shape or [len(items)], "BYTES")
    given.set_data_from_numpy(np.array(items, np.object_).reshape(shape or [len(items)]))
    return given


def message(model, name, datatype, array, request_id="", **parameters):
    request = service_pb2.ModelInferRequest(model_name=model, id=request_id)
    request.inputs.add(name=name, datatype=datatype, shape=array.shape)
    request.raw_input_contents.append(array.tobytes())
    for key, value in parameters.items():
        request.parameters[key].bool_param = value
    return request


def row(number, request_id="", **parameters):
    return message("sum", "x", "FP32", np.array([[number, 0, 0]], np.float32), request_id, **parameters)


def count(most, size=1, request_id=""):
    request = message("count", "most", "INT64", np.array([most]), request_id)
    request.inputs.add(name="bytes", datatype="INT64", shape=[1])
    request.raw_input_contents.append(np.array([size]).tobytes())
    return request


def order(words, request_id=""):
    request = service_pb2.ModelInferRequest(model_name="lab", id=request_id)
    request.inputs.add(name="order", datatype="BYTES", shape=[1])
    request.raw_input_contents.append(len(words).to_bytes(4, "little") + words.encode())
    return request


@pytest.fixture
def channel(pool):
    with grpc.insecure_channel(pool.grpc) as opened:
        yield opened


@pytest.fixture
def talk(channel):
    """A function that sends requests on one stream and gives the answers as they come."""
    method = channel.stream_stream(PATH, service_pb2.ModelInferRequest.SerializeToString, service_pb2.ModelStreamInferResponse.FromString)
    return lambda requests, **more: method(iter(requests), **{"timeout": 20, **more})


def final(answer):
    return answer.infer_response.parameters["triton_final_response"].bool_param


def number(answer):
    return np.frombuffer(answer.infer_response.raw_output_contents[0], np.float32).item()


def test_many_requests_are_answered_in_their_order(talk):
    answers = list(talk([row(value, str(value)) for value in range(500)]))
    assert [number(answer) for answer in answers] == list(range(500))
    assert [answer.infer_response.id for answer in answers] == [str(value) for value in range(500)]
    assert all(final(answer) for answer in answers)
    assert not any(answer.error_message for answer in answers)


def test_without_ids_the_order_is_all_there_is(talk):
    requests = [order("sleep:0.2"), *(row(value) for value in range(5))]
    answers = list(talk(requests))
    assert answers[0].infer_response.model_name == "lab"
    assert [number(answer) for answer in answers[1:]] == list(range(5))


def test_a_failure_leaves_the_stream_open(talk):
    wrong = message("sum", "x", "FP32", np.zeros((1, 4), np.float32), "b")
    absent = message("absent", "x", "FP32", np.zeros((1, 3), np.float32), "c")
    refused = order("refuse", "d")
    version = row(1, "e")
    version.model_version = "7"
    answers = list(talk([row(1, "a"), wrong, absent, refused, version, row(2, "f")]))
    assert [answer.infer_response.id for answer in answers] == list("abcdef")
    assert [bool(answer.error_message) for answer in answers] == [False, True, True, True, True, False]
    assert "shape [1, 4]" in answers[1].error_message
    assert answers[2].error_message == "Request for unknown model: 'absent' is not found"
    assert "not this one" in answers[3].error_message
    assert all(final(answer) for answer in answers)


def test_a_client_may_want_a_status_instead(talk):
    answers = talk([row(1), message("absent", "x", "FP32", np.zeros(3, np.float32)), row(2)], metadata=[("triton_grpc_error", "true")])
    assert number(next(answers)) == 1
    with pytest.raises(grpc.RpcError) as caught:
        list(answers)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_what_is_no_request_ends_the_stream(channel):
    answers = channel.stream_stream(PATH)(iter([b"\xff\xff\xff"]), timeout=10)
    with pytest.raises(grpc.RpcError) as caught:
        list(answers)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_decoupled_models_answer_as_often_as_they_like(talk):
    request = message("speak", "text", "BYTES", np.array([], np.uint8), "1")
    request.inputs[0].shape[:] = [1]
    request.raw_input_contents[0] = b"\x05\0\0\0a b c"
    answers = list(talk([request]))
    assert [bytes(answer.infer_response.raw_output_contents[0][4:]) for answer in answers] == [b"a", b"b", b"c"]
    assert not any(final(answer) for answer in answers)
    request.parameters["triton_enable_empty_final_response"].bool_param = True
    answers = list(talk([request]))
    assert [final(answer) for answer in answers] == [False, False, False, True]
    assert not answers[-1].infer_response.outputs
    assert answers[-1].infer_response.id == "1"
    request.raw_input_contents[0] = b"\x06\0\0\0a boom"
    answers = list(talk([request, row(5)]))
    assert [bool(answer.error_message) for answer in answers if answer.infer_response.id] == [False, True]
    assert number(next(answer for answer in answers if not answer.infer_response.id)) == 5


def test_tritonclients_stream(pool):
    answers = queue.Queue()
    with triton_grpc.InferenceServerClient(pool.grpc) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for index in range(20):
            client.async_stream_infer("lab", [text("echo", name="order")], request_id=str(index))
        client.async_stream_infer("absent", [text("x")], request_id="bad")
        client.async_stream_infer("speak", [text("one two")], request_id="words", enable_empty_final_response=True)
        got = [answers.get(timeout=10) for _ in range(24)]
        client.stop_stream()
    ids = [result.get_response().id for result, error in got if result]
    assert [one for one in ids if one != "words"] == [str(index) for index in range(20)]
    errors = [error for _, error in got if error]
    assert len(errors) == 1
    assert isinstance(errors[0], InferenceServerException)
    words = [result.get_response() for result, error in got if result and result.get_response().id == "words"]
    assert [one.parameters["triton_final_response"].bool_param for one in words] == [False, False, True]


def test_a_grpc_aio_client_talks_back_and_forth(pool):
    async def main():
        async with grpc.aio.insecure_channel(pool.grpc) as channel:
            method = channel.stream_stream(
                PATH, service_pb2.ModelInferRequest.SerializeToString, service_pb2.ModelStreamInferResponse.FromString
            )
            call = method(timeout=20)
            for value in range(50):
                await call.write(row(value))
                assert number(await call.read()) == value
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF
            assert await call.code() is grpc.StatusCode.OK

    asyncio.run(main())


def test_an_empty_stream_ends_well(talk):
    assert list(talk([])) == []


def test_a_client_that_does_not_read_makes_its_model_wait(frames, pool):
    client = frames()
    client.h2.update_settings({4: 1000})
    client.flush()
    stream_id = client.begin("ModelStreamInfer")
    data = count(10_000, 10_000).SerializeToString()
    client.h2.send_data(stream_id, b"\0" + len(data).to_bytes(4, "big") + data)
    client.flush()
    most = pool.server._grpc._site.limits.unsent_bytes

    def waiting():
        calls = [call for connection in pool.server._grpc._site.connections for call in connection._http2.calls.values()]
        return max((call.unsent for call in calls), default=0)

    until(lambda: waiting() > most)
    before = waiting()
    time.sleep(0.3)
    assert waiting() == before < most + 100_000
    client.h2.reset_stream(stream_id)
    client.flush()
    until(lambda: waiting() == 0)


def until(condition, timeout_s=10):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_client_that_is_faster_than_its_model_has_to_wait(frames):
    """Messages that are not worked on stay within the call's window, which is not opened meanwhile."""
    client = frames()
    client.flush()
    client.read(lambda event: type(event).__name__ == "SettingsAcknowledged")
    stream_id = client.begin("ModelStreamInfer")
    data = order("sleep:0.05" + " " * 10_000).SerializeToString()
    wire = b"\0" + len(data).to_bytes(4, "big") + data
    sent = 0
    client.sock.settimeout(1)
    with contextlib.suppress(TimeoutError):
        while sent < 1000:
            while client.h2.local_flow_control_window(stream_id) >= len(wire):
                client.h2.send_data(stream_id, wire)
                sent += 1
            client.flush()
            client.events += client.more()
            client.events.clear()
            if sent > 64 + (2 << 20) // len(wire):
                break
    assert 64 < sent <= 64 + (2 << 20) // len(wire) + 1
    client.h2.reset_stream(stream_id)
    client.flush()


def test_all_of_many_large_answers_come(talk):
    answers = list(talk([count(40, 1 << 20)]))
    assert [np.frombuffer(answer.infer_response.raw_output_contents[0], np.int64).item() for answer in answers] == list(range(40))
    assert {len(answer.infer_response.raw_output_contents[1]) for answer in answers} == {1 << 20}


def test_a_stream_that_is_cancelled_ends_its_model(talk, pool):
    answers = talk([count(1 << 40)])
    assert next(answers)
    answers.cancel()
    until(lambda: pool.server.engine.registry.get("count").pending == 0)
    assert len(list(talk([count(3)]))) == 3


def test_a_deadline_ends_a_stream(talk):
    answers = talk([count(1 << 40)], timeout=0.5)
    with pytest.raises(grpc.RpcError) as caught:
        list(answers)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_an_idle_stream_is_not_ended_for_that(talk):
    waits = threading.Event()

    def requests():
        yield row(1)
        waits.wait(2)
        yield row(2)

    answers = talk(requests())
    assert number(next(answers)) == 1
    waits.set()
    assert number(next(answers)) == 2
    assert list(answers) == []


def test_draining_answers_what_was_asked_on_a_stream_and_ends_it(grpc_server):
    left = threading.Event()
    got = queue.Queue()

    def requests():
        yield order("sleep:0.5")
        left.wait(20)

    def read(answers):
        try:
            for answer in answers:
                got.put(answer)
        except grpc.RpcError as error:
            got.put(error.code())

    with grpc_server(tasks=[{"id": "lab", "model_file": "lab.py", "isolation": "thread"}]) as client:
        channel = grpc.insecure_channel(client.grpc)
        method = channel.stream_stream(
            PATH, service_pb2.ModelInferRequest.SerializeToString, service_pb2.ModelStreamInferResponse.FromString
        )
        reader = threading.Thread(target=read, args=(method(requests(), timeout=20),))
        reader.start()
        until(lambda: client.server.engine.registry.get("lab").pending)
    answer = got.get(timeout=10)
    assert not answer.error_message
    assert got.get(timeout=10) is grpc.StatusCode.UNAVAILABLE
    left.set()
    reader.join()
    channel.close()


FAULTY = '''
"""Fails with words that no wire can carry: they are half a character, and endless."""


def predict(text: str) -> str:
    raise ValueError(text[0].replace("half", chr(0xD800)) * 1000)
'''


def test_a_fault_that_is_no_text_is_told_all_the_same(grpc_server, skills):
    (skills / "faulty.py").write_text(FAULTY)
    with (
        grpc_server(tasks=[{"id": "faulty", "model_file": "faulty.py"}]) as client,
        triton_grpc.InferenceServerClient(client.grpc) as triton,
    ):
        answers = queue.Queue()
        triton.start_stream(lambda result, error: answers.put(error), stream_timeout=20)
        for _ in range(2):
            triton.async_stream_infer("faulty", [text(b"half and more")])
            assert "? and more" in answers.get(timeout=10).message()
        triton.stop_stream()
