"""The short way of predictions: what it answers, that a client that leaves is forgotten, that heads are learnt only when sound."""

import gc
import json
import socket
import time
import types
import weakref

import numpy as np
import pytest

from zeromind.codecs import oip
from zeromind.codecs.oip_answer import Asked
from zeromind.http import front
from zeromind.tensors import InferResponse, Interface, ModelSpec, Run, TensorSpec

SKILL = '''
"""Writes down what it was asked, and answers when the folder holds a file ``go``."""

import time
from pathlib import Path


class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"y": ("float32", [None])}

    def __init__(self, folder):
        self.diary = Path(folder) / "diary.txt"
        self.go = Path(folder) / "go"

    def predict(self, x):
        with self.diary.open("a") as diary:
            diary.write(" ".join(map(str, x.tolist())) + chr(10))
        end = time.monotonic() + 20
        while not self.go.exists() and time.monotonic() < end:
            time.sleep(0.005)
        return x
'''


@pytest.fixture
def pool(spawn, tmp_path):
    (tmp_path / "slow.py").write_text(SKILL)
    task = {"id": "slow", "model_file": str(tmp_path / "slow.py"), "allow_code": True, "writes": [str(tmp_path)], "max_batch_size": 1}
    return spawn(tasks=[task], roots=[str(tmp_path)])


def request(value, route="/model/predict?id=slow", extra=""):
    body = json.dumps({"x": [value]})
    head = f"POST {route} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


def connected(pool):
    host, port = pool.address.split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.settimeout(20)
    return connection


def answer(connection):
    """One answer's status and JSON."""
    head, body = b"", b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)  # no more: the next answer may stand behind it already
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(length - len(body))
    return int(head.split()[1]), json.loads(body)


def test_a_client_that_left_is_not_worked_for(pool, tmp_path, waiting):
    go, diary = tmp_path / "go", tmp_path / "diary.txt"

    def seen():
        """What was sent before has been read when a request that was sent later, and one behind that, are answered."""
        assert pool.get("/info").status == pool.get("/info").status == 200

    for number in range(2):  # the first request with a head is read the long way, the second knows it
        go.unlink(missing_ok=True)
        running, staged, hasty, last = (connected(pool) for _ in range(4))
        running.sendall(request(10 + number))
        waiting(lambda number=number: diary.exists() and f"{10 + number}.0" in diary.read_text())
        for connection, value in ((staged, 20), (hasty, 30)):  # one is staged behind what runs, what comes now waits
            connection.sendall(request(value + number))
            seen()
        hasty.close()
        seen()
        last.sendall(request(40 + number))
        seen()
        go.touch()
        for connection in (running, staged, last):
            assert answer(connection)[0] == 200
            connection.close()
    assert diary.read_text().split() == ["10.0", "20.0", "40.0", "11.0", "21.0", "41.0"]


LONG_WAYS = {
    "/model/predict?id=slow&long=way": {"x": [30]},
    "/v2/models/slow/infer?long=way": {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [30]}]},
    "/v2/models/slow/generate": {"x": [30]},
    "/v1/models/slow:predict": {"instances": [30]},
}


@pytest.mark.parametrize("route", LONG_WAYS)
def test_a_client_that_left_is_not_worked_for_on_a_long_way_either(pool, tmp_path, waiting, route):
    go, diary, body = tmp_path / "go", tmp_path / "diary.txt", json.dumps(LONG_WAYS[route])

    def seen():
        assert pool.get("/info").status == pool.get("/info").status == 200

    running, staged, hasty, last = (connected(pool) for _ in range(4))
    running.sendall(request(10))
    waiting(lambda: diary.exists() and "10.0" in diary.read_text())
    staged.sendall(request(20))
    seen()
    hasty.sendall(
        f"POST {route} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n{body}".encode()
    )
    seen()
    hasty.close()
    seen()
    last.sendall(request(40))
    seen()
    go.touch()
    for connection in (running, staged, last):
        assert answer(connection)[0] == 200
        connection.close()
    assert diary.read_text().split() == ["10.0", "20.0", "40.0"]
    assert pool.complaints() == []


def test_pipelined_and_split_requests_are_answered_in_order(pool, tmp_path):
    (tmp_path / "go").touch()
    with connected(pool) as connection:
        connection.sendall(request(1))
        status, data = answer(connection)
        assert (status, data["result"]) == (200, {"y": [1.0]})
        text = request(2)
        connection.sendall(text[:-3])
        time.sleep(0.05)
        connection.sendall(text[-3:])
        assert answer(connection)[1]["result"] == {"y": [2.0]}
        connection.sendall(request(3) + request(4))
        assert answer(connection)[1]["result"] == {"y": [3.0]}
        assert answer(connection)[1]["result"] == {"y": [4.0]}


def test_a_learnt_head_keeps_every_rule(pool, tmp_path):
    (tmp_path / "go").touch()
    with connected(pool) as connection:
        for body_of in (5, 5, 5):
            connection.sendall(request(body_of, "/model/predict?id=none"))
            status, data = answer(connection)
            assert (status, data["errors"][0]["code"]) == (404, 108)
        for _ in range(3):
            connection.sendall(request(6).replace(b'{"x"', b'["x"'))
            assert answer(connection)[0] == 400
        connection.sendall(request(7))
        assert answer(connection)[0] == 200


@pytest.mark.parametrize("kind", [front.Prediction, front.Inference])
def test_an_answer_that_cannot_be_encoded_is_a_fault_that_is_told(kind, caplog):
    """JSON has no complex numbers; a client must not wait for ever because a model gave some."""
    told = []

    class Exchange:
        request_id = b"r1"

        def respond(self, code, fields, body):
            told.append((code, b"application/json" in fields, json.loads(body)))

    prediction = kind(types.SimpleNamespace(told=False), Exchange(), "m", kind.usual)
    if kind is front.Inference:
        interface = Interface(ModelSpec((), (TensorSpec("y", "FP32", (None,)),), True), "test")
        prediction._codec = oip.Codec(interface, "m", None)
        prediction._asked = Asked("", prediction._codec._everything, interface)
    prediction._reply(InferResponse({"y": np.array([1j], np.complex64)}, Run(1, 0.1)))
    ((code, is_json, data),) = told
    assert (code, is_json) == (500, True)
    assert "cannot be written as JSON; see the server's log under r1" in str(data)
    assert "could not be encoded" in caplog.text


@pytest.mark.parametrize("route", ["/model/predict?id=sum", "/v2/models/sum/infer"])
def test_nothing_of_a_request_waits_for_the_garbage_collector(thread_server, route):
    """Bodies and tensors are large: they go with their answer."""
    kept = []

    def noted(request, *more):
        kept.append(weakref.ref(request.inputs["x"]))
        return submit(request, *more)

    body = {"x": [[1, 2, 3]]} if "predict" in route else {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}
    with thread_server(tasks=[{"id": "sum", "model_type": "python", "model_file": "sum.py"}]) as pool:
        opened = pool.server.engine.registry.get("sum").open
        submit, opened.submit = opened.submit, noted
        gc.disable()
        try:
            for _ in range(3):
                assert pool.post(route, body).status == 200
            assert len(kept) == 3
            end = time.monotonic() + 10
            while any(one() is not None for one in kept) and time.monotonic() < end:  # the server's thread has only just answered
                time.sleep(0.01)
            assert all(one() is None for one in kept)
        finally:
            gc.enable()
