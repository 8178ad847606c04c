"""The generate extension over real sockets: one answer, streams of events, what is refused, clients that leave."""

import json
import socket

import pytest

STREAMS = '''
"""Says each word of its text that many times; what it is asked for may go wrong."""

import time
from pathlib import Path


class Skill:
    inputs = {"text": ("string", [None]), "times": ("int32", [None])}
    outputs = {"word": ("string", [None]), "number": ("float32", [None, 2])}

    def __init__(self, folder):
        self.diary = Path(folder) / "diary.txt"

    def predict(self, text, times, parameters):
        try:
            for number in range(int(times[0])):
                if number == parameters.get("fail_at"):
                    raise ValueError("enough")
                time.sleep(parameters.get("pause", 0.0))
                yield {"word": text, "number": [[number, float("nan")]]}
        finally:
            with self.diary.open("a") as diary:
                diary.write(f"{text[0]} ended" + chr(10))
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(scope="module")
def pool(thread_server, models, folder):
    (folder / "streams.py").write_text(STREAMS)
    tasks = [
        {"id": "streams", "model_file": str(folder / "streams.py"), "allow_code": True, "writes": [str(folder)]},
        {"id": "double", "model_file": "double.onnx"},
        {"id": "kinds", "model_type": "python", "model_file": "kinds.py"},
    ]
    with thread_server(tasks=tasks, roots=[str(models), str(folder)]) as client:
        yield client


def events(answer):
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    blocks = answer.data.decode().split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") for block in blocks)
    return [json.loads(block[6:]) for block in blocks]


@pytest.mark.parametrize("version", ["", "/versions/1"])
def test_one_answer(pool, version):
    answer = pool.post(
        f"/v2/models/double{version}/generate", {"x": [1, 2, 3, 4], "id": "7", "parameters": {"mine": 1}, "temperature": 0.5}
    )
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json == {"id": "7", "model_name": "double", "model_version": "1", "y": [2.0, 4.0, 6.0, 8.0]}
    nested = pool.post(f"/v2/models/double{version}/generate", {"x": [[1, 2, 3, 4], [5, 6, 7, 8]]})
    assert nested.json["y"] == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0]


def test_scalars_of_every_kind(pool):
    asked = {"float": [1.5, 2], "half": 0.5, "int": -3, "byte": 255, "flag": True, "text": "é"}
    answer = pool.post("/v2/models/kinds/generate", asked)
    assert answer.json == {"model_name": "kinds", "model_version": "1", **{f"{name}_out": value for name, value in asked.items()}}


def test_each_response_is_an_event(pool):
    found = events(pool.post("/v2/models/streams/generate_stream", {"text": "hi", "times": 3, "id": "a"}))
    assert found == [
        {"id": "a", "model_name": "streams", "model_version": "1", "word": "hi", "number": [float(at), None]} for at in range(3)
    ]
    assert events(pool.post("/v2/models/streams/generate_stream", {"text": "hi", "times": 0})) == []
    (only,) = events(pool.post("/v2/models/double/generate_stream", {"x": [1, 2, 3, 4]}))
    assert only["y"] == [2.0, 4.0, 6.0, 8.0]


def test_a_stream_for_whoever_takes_only_one(pool):
    assert pool.post("/v2/models/streams/generate", {"text": "hi", "times": 1}).json["word"] == "hi"
    for times, words in ((0, "gave no response"), (2, "gives several responses")):
        answer = pool.post("/v2/models/streams/generate", {"text": "hi", "times": times})
        assert answer.status == 400
        assert words in answer.json["error"]


def test_a_fault_before_the_first_response_is_plain_and_a_later_one_an_event(pool):
    answer = pool.post("/v2/models/streams/generate_stream", {"text": "hi", "times": 3, "fail_at": 0})
    assert (answer.status, answer.headers["Content-Type"], list(answer.json)) == (400, "application/json", ["error"])
    *responses, fault = events(pool.post("/v2/models/streams/generate_stream", {"text": "hi", "times": 3, "fail_at": 2}))
    assert len(responses) == 2
    assert (list(fault), fault["kind"]) == (["error", "kind"], "INVALID_INPUT")
    assert "enough" in fault["error"]


@pytest.mark.parametrize("route", ["generate", "generate_stream"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[", "the body must be a JSON object"),
        (b"[1]", "the body must be a JSON object"),
        ({}, "lacks the input 'x'"),
        ({"x": [1, 2, 3]}, "3 elements, which do not fit into [any, 4]"),
        ({"x": "abc"}, "input 'x'"),
        ({"x": [1, 2, 3, 4], "other": [1]}, "parameter 'other'"),
        ({"x": [1, 2, 3, 4], "triton_x": 1}, "reserved"),
        ({"x": [1, 2, 3, 4], "id": 5}, "'id' must be text"),
        ({"x": [1, 2, 3, 4], "other": "x" * (1 << 20)}, "more than 1048576 characters"),
        (dict.fromkeys(map(str, range(20_000)), 1), "more than 16384 members"),
    ],
)
def test_what_is_refused(pool, route, body, words):
    answer = pool.post(f"/v2/models/double/{route}", body)
    assert answer.status == 400
    assert words in answer.json["error"]


@pytest.mark.parametrize("route", ["generate", "generate_stream"])
def test_other_refusals(pool, route):
    assert pool.post(f"/v2/models/none/{route}", {}).status == 404
    assert pool.post(f"/v2/models/double/versions/2/{route}", {}).status == 404
    packed = pool.post(f"/v2/models/double/{route}", b"x", headers={"Content-Encoding": "gzip"})
    assert (packed.status, "must not be compressed" in packed.json["error"]) == (501, True)


def test_a_client_that_leaves_ends_its_stream(pool, folder, waiting):
    host, port = pool.address.split(":")
    body = json.dumps({"text": "lonely", "times": 1_000_000, "pause": 0.01}).encode()
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            b"POST /v2/models/streams/generate_stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        data = b""
        while data.count(b"data: ") < 2:  # they come one by one
            data += connection.recv(65536)
    waiting(lambda: "lonely ended" in (folder / "diary.txt").read_text())
    assert len(events(pool.post("/v2/models/streams/generate_stream", {"text": "hi", "times": 2}))) == 2


def test_a_slow_client_does_not_make_the_server_gather_its_events(pool, folder, waiting):
    host, port = pool.address.split(":")
    body = json.dumps({"text": "x" * 100_000, "times": 2000}).encode()
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            b"POST /v2/models/streams/generate_stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        connection.recv(1)
        assert len(events(pool.post("/v2/models/double/generate_stream", {"x": [1, 2, 3, 4]}))) == 1
    waiting(lambda: "xxx ended" in (folder / "diary.txt").read_text())
