"""What servers tell of their models."""

import json

import pytest

from zeromind.bench.served import Served, look
from zeromind.client.address import Address
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

SPLIT = {"id": "split", "model_file": "sum.py", "allow_code": True, "input_filters": {"x": ["own.Split"]}}
KINDS = {"id": "kinds", "model_file": "kinds.py", "allow_code": True, "input_filters": {"int": ["own.Scale"], "half": []}}


@pytest.fixture(scope="module")
def pool(thread_server, models):
    with thread_server(tasks=[{**SPLIT, "model_file": "sum.py"}, KINDS], filter_folders=[str(models / "filters")]) as client:
        yield Address.parse(client.url)


def test_inputs_and_which_have_filters(pool):
    assert look(pool, "split", {}, 30) == Served("split", (TensorSpec("x", "FP32", (None, 3)),), frozenset({"x"}))
    kinds = look(pool, "kinds", {}, 30)
    assert [spec.datatype for spec in kinds.inputs] == ["FP32", "FP16", "INT64", "UINT8", "BOOL", "BYTES"]
    assert kinds.filtered == {"int"}


def test_a_model_that_is_not_there(pool):
    with pytest.raises(ZeroMindError, match=r"'none' is not loaded.*it serves kinds, split") as caught:
        look(pool, "none", {}, 30)
    assert caught.value.kind is ErrorKind.MODEL_NOT_FOUND


def test_a_path_behind_the_address(pool):
    with pytest.raises(ZeroMindError, match="without a path") as caught:
        look(Address(pool.host, pool.port, prefix="/console"), "kinds", {}, 30)
    assert caught.value.kind is ErrorKind.ROUTE_NOT_FOUND


def found(body):
    text = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)


MISSING = b"HTTP/1.1 404 No\r\nContent-Length: %d\r\n\r\n%b"


def test_a_server_of_the_open_inference_protocol_alone(scripted):
    inputs = [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}, {"name": "t", "datatype": "BYTES", "shape": [1]}]

    def answer(number):
        return MISSING % (0, b"") if number == 0 else found({"name": "m", "inputs": inputs})

    with scripted(answer) as server:
        served = look(server.address, "a/b", {"X-Key": "k"}, 10)
    assert served == Served("a/b", (TensorSpec("x", "FP32", (None, 4)), TensorSpec("t", "BYTES", (1,))))
    assert (served.infer, served.predict) == ("/v2/models/a%2Fb/infer", "/model/predict?id=a%2Fb")
    assert [request.split(b" ")[1] for request in server.requests] == [b"/model/info?id=a%2Fb", b"/v2/models/a%2Fb"]
    assert all(b"X-Key: k\r\n" in request for request in server.requests)


def test_its_refusal_is_told(scripted):
    text = b'{"error": "unknown model m"}'
    with scripted(lambda _: MISSING % (len(text), text)) as server, pytest.raises(ZeroMindError, match="unknown model m"):
        look(server.address, "m", {}, 10)


def test_a_server_of_something_else(scripted):
    with scripted() as server, pytest.raises(ZeroMindError, match="knows neither") as caught:
        look(server.address, "m", {}, 10)
    assert caught.value.kind is ErrorKind.ROUTE_NOT_FOUND


@pytest.mark.parametrize(
    "inputs",
    [
        [{"name": "x", "datatype": "FP8", "shape": [1]}],
        [{"name": "x", "datatype": "FP32"}],
        ["x"],
        [{"name": "x", "datatype": 1, "shape": []}],
    ],
)
def test_inputs_that_cannot_be_made_up(scripted, inputs):
    replies = [MISSING % (0, b""), found({"inputs": inputs})]
    with scripted(replies.__getitem__) as server, pytest.raises(ZeroMindError, match="'m' cannot be read") as caught:
        look(server.address, "m", {}, 10)
    assert caught.value.kind is ErrorKind.INPUT_SPEC
