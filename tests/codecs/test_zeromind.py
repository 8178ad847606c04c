"""0Mind's JSON: bodies to requests, answers to bodies."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.codecs import zeromind as codec
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Encoded, InferResponse, Interface, ModelSpec, Run, TensorSpec

A = TensorSpec("a", "FP32", (None, 2), (r"a_\d+",))
B = TensorSpec("b", "INT64", (None,))
IMAGE = TensorSpec("image", "FP32", (None, 8))
PLAIN = Interface(ModelSpec((A, B), (A,), True), "test")
FILTERED = Interface(ModelSpec((A, IMAGE), (A,), True), "test", frozenset({"image"}), media={"image": ("image/png", "image/jpeg")})
ONLY = Interface(ModelSpec((IMAGE,), (A,), True), "test", frozenset({"image"}), media={"image": ("image/png",)})


def refused(body, interface=PLAIN, decode=codec.decode_predict):
    with pytest.raises(ZeroMindError) as caught:
        decode(body, interface)
    return caught.value


def test_inputs_are_read_in_the_models_order():
    request = codec.decode_predict(b'{"b": [1], "a": [[1, 2]]}', PLAIN)
    assert list(request.inputs) == ["a", "b"]
    assert (request.inputs["a"].dtype, request.inputs["b"].dtype) == (np.float32, np.int64)


def test_an_alias_means_its_input():
    assert list(codec.decode_predict(b'{"b": [1], "a_7": [[1, 2]]}', PLAIN).inputs) == ["a", "b"]


def test_a_filtered_input_is_left_as_it_came():
    request = codec.decode_predict(b'{"a": [[1, 2]], "image": [ {"path" : 1.50}, null ]}', FILTERED)
    assert request.inputs["image"] == Encoded("application/json", b'[ {"path" : 1.50}, null ]')


@pytest.mark.parametrize(
    ("body", "kind", "params"),
    [
        (b"", ErrorKind.PREDICT_DATA, ()),
        (b" \n", ErrorKind.PREDICT_DATA, ()),
        (b"[]", ErrorKind.PREDICT_DATA, ()),
        (b"{", ErrorKind.PREDICT_DATA, ()),
        (b'{"\xff": 1}', ErrorKind.PREDICT_DATA, ()),
        (b'{"a": [[1,2]]}', ErrorKind.INPUT_MISSING, ("b",)),
        (b"{}", ErrorKind.INPUT_MISSING, ("a", "b")),
        (b'{"c": 1}', ErrorKind.INVALID_INPUT, ("c",)),
        (b'{"a": [[1,2]], "a_1": [[1,2]], "b": [1]}', ErrorKind.INVALID_INPUT, ("a",)),
        (b'{"a": [[1]], "b": [1]}', ErrorKind.INVALID_INPUT, ("a", [1, 1])),
    ],
)
def test_a_body_that_does_not_fit(body, kind, params):
    error = refused(body)
    assert (error.kind, error.params) == (kind, params)


@pytest.mark.parametrize(
    "body",
    [b'{"b": [1], "a": [[1,2]], "a": [[3,4]]}', b'{"a":[[1,2]],"b":[1],"b":[1]}', b'{"b":0,"b":[1],"a":[[1,2]]}',
     b'{\n  "b": [1],\n  "a": [[1, 2]],\n  "\\u0061": [[1, 2]]\n}'],
)  # fmt: skip
def test_a_name_that_stands_twice_is_refused(body):
    error = refused(body)
    assert error.kind is ErrorKind.PREDICT_DATA
    assert "stands twice" in error.message


SPACE = st.text(" \n\t\r", max_size=4)


@given(st.permutations(["a", "b"]), st.lists(SPACE, min_size=8, max_size=8), st.sampled_from([None, "a", "b"]), st.integers(0, 2))
def test_white_space_hides_no_double_name_and_makes_none(names, spaces, double, at):
    values = {"a": "[[1, 2]]", "b": "[7]"}
    members = [f'{spaces[0]}"{name}"{spaces[1]}:{spaces[2]}{values[name]}{spaces[3]}' for name in names]
    if double:
        members.insert(at, f'"{double}":{spaces[4]}{values[double]}')
    body = f"{spaces[5]}{{{','.join(members)}}}{spaces[6]}".encode()
    if double:
        assert refused(body).kind is ErrorKind.PREDICT_DATA
    else:
        assert codec.decode_predict(body, PLAIN).inputs["b"] == [7]


def test_a_file_is_the_only_inputs_that_takes_it():
    assert codec.decode_file(b"\x89PNG", "image/png", ONLY).inputs == {"image": Encoded("image/png", b"\x89PNG")}


@pytest.mark.parametrize(
    ("body", "media", "interface", "kind"),
    [
        (b"", "image/png", ONLY, ErrorKind.PREDICT_DATA),
        (b"x", "image/gif", ONLY, ErrorKind.CONTENT_TYPE),
        (b"x", "image/png", PLAIN, ErrorKind.CONTENT_TYPE),
        (b"x", "image/png", FILTERED, ErrorKind.INPUT_MISSING),
    ],
)
def test_a_file_that_no_input_takes(body, media, interface, kind):
    assert refused(body, interface, lambda data, model: codec.decode_file(data, media, model)).kind is kind


def test_an_answer_has_the_result_and_the_time():
    outputs = {"y": np.array([[1.5, np.nan]], np.float32), "t": np.array([b"a"], object), "f": Encoded("application/json", b"[5,1]")}
    data = json.loads(codec.encode_response(InferResponse(outputs, Run(1, 0.25))))
    assert data == {"result": {"y": [[1.5, None]], "t": ["a"], "f": [5, 1]}, "model_time": 0.25}


def test_an_interface_is_described_by_number():
    assert codec.describe(PLAIN) == {
        "inputs": {"0": {"name": "a", "type": "float32", "shape": [None, 2]}, "1": {"name": "b", "type": "int64", "shape": [None]}},
        "outputs": {"0": {"name": "a", "type": "float32", "shape": [None, 2]}},
        "tool": "test",
    }
