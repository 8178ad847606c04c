"""The Open Inference Protocol's JSON: what decodes, what is refused, what an answer looks like."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.codecs import oip, oip_request
from zeromind.codecs.oip_answer import Asked
from zeromind.codecs.oip_parameters import selection
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Encoded, InferResponse, Interface, ModelSpec, Run, TensorSpec

X = TensorSpec("x", "FP32", (None, 2))
TEXT = TensorSpec("text", "BYTES", (None,))
Y = TensorSpec("y", "INT64", (None,))
INTERFACE = Interface(ModelSpec((X,), (Y,), True), "test")


def decoded(body, interface=INTERFACE, json_bytes=None):
    return oip_request.decode(body, json_bytes, interface, None)[0]


def encoded(response, interface, model="m", request_id=""):
    return Asked(request_id, selection((), interface, False), interface).encode(response, model, None)[0]


def request(**changes):
    return json.dumps(
        {"id": "7", "inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3.5, 4], **changes}]}
    ).encode()


@pytest.mark.parametrize("data", [[1, 2, 3.5, 4], [[1, 2], [3.5, 4]]])
def test_flat_and_nested_data_are_the_same_tensor(data):
    made = decoded(request(data=data), INTERFACE)
    assert made.id == "7"
    np.testing.assert_array_equal(made.inputs["x"], np.array([[1, 2], [3.5, 4]], np.float32))


def test_text_is_bytes():
    interface = Interface(ModelSpec((TEXT,), (Y,), True), "test")
    body = request(name="text", datatype="BYTES", shape=[2], data=["a", "é"])
    assert decoded(body, interface).inputs["text"].tolist() == [b"a", "é".encode()]


def test_a_filtered_input_takes_the_json_of_its_samples():
    interface = Interface(ModelSpec((X,), (Y,), True), "test", filtered_inputs=frozenset({"x"}))
    body = request(datatype="BYTES", shape=[2], data=['{"image_file": "a"}', "[1]"])
    assert decoded(body, interface).inputs["x"] == Encoded("application/json", b'[{"image_file": "a"},[1]]')


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"name": "z"}, ErrorKind.INVALID_INPUT),
        ({"datatype": "FP64"}, ErrorKind.INVALID_INPUT),
        ({"shape": [4]}, ErrorKind.INVALID_INPUT),
        ({"shape": [-2, 2]}, ErrorKind.INVALID_INPUT),
        ({"shape": [2, 3]}, ErrorKind.INVALID_INPUT),
        ({"shape": [1, 2]}, ErrorKind.INVALID_INPUT),
        ({"data": [1, 2, 3]}, ErrorKind.INVALID_INPUT),
        ({"data": [1, 2, 3, None]}, ErrorKind.INVALID_INPUT),
        ({"data": [1, 2, 3, "4"]}, ErrorKind.INVALID_INPUT),
        ({"data": [1, 2, 3, 1e39]}, ErrorKind.INVALID_INPUT),
        ({"data": [[1, 2], [3]]}, ErrorKind.INVALID_INPUT),
        ({"data": {}}, ErrorKind.INVALID_INPUT),
        ({"shape": "2"}, ErrorKind.PREDICT_DATA),
        ({"shape": None}, ErrorKind.PREDICT_DATA),
    ],
)
def test_what_does_not_fit_is_refused(changes, kind):
    with pytest.raises(ZeroMindError) as caught:
        decoded(request(**changes), INTERFACE)
    assert caught.value.kind is kind


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"inputs": 5}', b'{"inputs": [', b"\xff", b"[" * 5000])
def test_what_is_no_request_is_refused(body):
    with pytest.raises(ZeroMindError) as caught:
        decoded(body, INTERFACE)
    assert caught.value.kind is ErrorKind.PREDICT_DATA


def test_a_missing_input_is_named():
    with pytest.raises(ZeroMindError) as caught:
        decoded(b'{"inputs": []}', INTERFACE)
    assert (caught.value.kind, caught.value.params) == (ErrorKind.INPUT_MISSING, ("x",))


def test_an_answer_is_flat_and_echoes_the_id():
    interface = Interface(ModelSpec((X,), (Y, X), True), "test", filtered_outputs=frozenset({"y"}))
    response = InferResponse({"y": Encoded("application/json", b'[5,{"a":1}]'), "x": np.array([[1.5, 2]], np.float32)}, Run(1, 0.1))
    assert json.loads(encoded(response, interface, "m", "7")) == {
        "model_name": "m",
        "model_version": "1",
        "id": "7",
        "outputs": [
            {"name": "y", "datatype": "BYTES", "shape": [2], "data": ["5", '{"a":1}']},
            {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1.5, 2.0]},
        ],
    }


# --- a model's codec: the same words, read again


def outcome(read):
    """What reading comes to: the tensor and the id, or the fault's kind and sentence."""
    try:
        made = read()
    except ZeroMindError as error:
        return error.kind, error.message.partition("; such as ")[0]  # which whoever sends bytes needs not
    return {name: (value.dtype, value.shape, value.tolist()) for name, value in made.inputs.items()}, made.id


NUMBERS = [
    "[1, 2, 3.5, 4]",
    "[0,-1,2e1,1e39]",
    "[[1,2],[3,4]]",
    "[1, 2, 3]",
    "[]",
    "[1, 2, 3, true]",
    "[1,2,3,4",
    "[1] [2]",
    "[1,2],3,[4]",
    '"[1,2,3,4]"',
]
FRAMES = [
    ('{"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": ', "}]}"),
    ('{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":', "}]}"),
    ('{"inputs": [{"data" : ', ', "name": "x", "shape": [2, 2], "datatype": "FP32"}]}'),
    ('{"inputs": [{"data": ', ', "name": "x", "datatype": "FP32", "shape": [2, 2]}], "id": "7"}'),
    ('{"id": "7", "inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": ', "}]}"),
    ('{"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": ', '}], "outputs": [{"name": "y"}]}'),
    ('{"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": ', "}]} "),
    ('{"inputs": [{"name": "x", "shape": [2, 2], "datatype": "INT8", "data": ', "}]}"),
    ('{"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "parameters": {"data": ', '}, "data": [1, 2, 3, 4]}]}'),
    ('{"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4], "parameters": {"data": ', "}}]}"),
    ('{"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4], "parameters": [', ']}, {"a": []}]}'),
]


@given(st.lists(st.tuples(st.sampled_from(FRAMES), st.sampled_from(NUMBERS)), min_size=1, max_size=12))
def test_what_was_read_before_changes_nothing(bodies):
    codec = oip.Codec(INTERFACE, "m", None)
    for (head, tail), data in bodies:
        body = (head + data + tail).encode()
        assert outcome(lambda body=body: codec.decode(body)[0]) == outcome(lambda body=body: decoded(body, INTERFACE))


@pytest.mark.parametrize("key", ["data", r"d\u0061ta"])
def test_a_list_among_the_parameters_never_passes_for_the_data(key):
    codec = oip.Codec(INTERFACE, "m", None)
    head = f'{{"inputs": [{{"name": "x", "shape": [2, 2], "datatype": "FP32", "{key}": [1, 2, 3, 4], "parameters": {{"data": '
    for other in ("[5, 6, 7, 8]", "[9, 9, 9, 9]", "[5, 6, 7, 8]"):
        assert codec.decode((head + other + "}}]}").encode())[0].inputs["x"].tolist() == [[1, 2], [3, 4]]


class Sevens:
    """Shared memory that is full of the same number."""

    def read(self, name, offset, byte_size):
        return np.full(byte_size // 4, 7, np.float32).tobytes()


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ((), '"shape": [], "datatype": "FP32", "parameters": {"data": [5]}, "data": 7}]}'),
        ((), '"shape": [], "datatype": "FP32", "parameters": {"data": [5]}, "d\\u0061ta": 7}]}'),
        (
            (1,),
            '"shape": [1], "datatype": "FP32", "parameters": {"data": [5], "shared_memory_region": "r", "shared_memory_byte_size": 4}}]}',
        ),
    ],
    ids=["a number", "a number under an escaped name", "shared memory"],
)
def test_a_list_among_the_parameters_never_passes_for_data_that_are_no_list(shape, body):
    codec = oip.Codec(Interface(ModelSpec((TensorSpec("x", "FP32", shape),), (Y,), False), "test"), "m", Sevens())
    for _ in range(2):
        assert codec.decode(f'{{"inputs": [{{"name": "x", {body}'.encode())[0].inputs["x"].tolist() == np.full(shape, 7).tolist()


def test_what_is_remembered_is_bounded():
    codec = oip.Codec(INTERFACE, "m", None)
    for rows in range(1, 1000):
        codec.decode(request(id="", shape=[rows, 2], data=[0] * 2 * rows).replace(b'"id": "7", ', b""))
        codec.encode(InferResponse({"y": np.zeros(rows, np.int64)}, Run(1, 0.1)), Asked("", codec._everything, INTERFACE))
    assert 0 < len(codec._frames) <= 256
    assert 0 < len(codec._heads) <= 256


@pytest.mark.parametrize("request_id", ["", "7", 'a "b"'])
@pytest.mark.parametrize("kinds", [("FP32",), ("INT64", "BOOL"), ("BYTES", "FP64"), ("FP16", "UINT8", "FP32")])
def test_a_codec_answers_as_the_protocol_has_it(kinds, request_id):
    outputs = tuple(TensorSpec(f"y{at}", kind, (None, 2)) for at, kind in enumerate(kinds))
    interface = Interface(ModelSpec((X,), outputs, True), "test")
    codec = oip.Codec(interface, 'm "1"', None)
    for rows in (1, 3, 1):
        arrays = {
            spec.name: np.arange(2 * rows).reshape(rows, 2).astype("S" if spec.datatype == "BYTES" else spec.dtype) for spec in outputs
        }
        response = InferResponse(arrays, Run(1, 0.1))
        assert json.loads(codec.encode(response, Asked(request_id, codec._everything, interface))[0]) == json.loads(
            encoded(response, interface, 'm "1"', request_id)
        )


# --- bytes behind the JSON

SIZED = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
HEADS = [
    {"inputs": [SIZED]},
    {"inputs": [SIZED], "id": "7"},
    {"inputs": [SIZED], "parameters": {"binary_data_output": True, "priority": 3, "mine": 1}},
    {"inputs": [SIZED], "outputs": [{"name": "y", "parameters": {"classification": 2}}]},
    {"inputs": [{**SIZED, "shape": [2, 2], "parameters": {"binary_data_size": 16}}]},
    {"inputs": [{**SIZED, "parameters": {"binary_data_size": 4}}]},
    {"inputs": [{**SIZED, "parameters": {}, "data": [1, 2]}]},
    {"inputs": [{**SIZED, "name": "n", "datatype": "INT8", "shape": [1], "parameters": {"binary_data_size": 1}}, SIZED]},
    {"inputs": [SIZED, {**SIZED, "name": "n", "datatype": "INT8", "shape": [1], "parameters": {"binary_data_size": 1}}]},
]
TWO = Interface(ModelSpec((X, TensorSpec("n", "INT8", (None,))), (Y,), True), "test")


def whole(read):
    """What reading comes to, the answer that is wanted included."""
    try:
        made, asked = read()
    except ZeroMindError as error:
        return error.kind, error.message
    inputs = [(name, value.dtype, value.shape, value.tobytes()) for name, value in made.inputs.items()]
    return inputs, made.id, made.parameters, made.priority, made.timeout_s, made.filters, asked.id, asked.wanted


@pytest.mark.parametrize("interface", [INTERFACE, TWO], ids=["one input", "two inputs"])
@given(st.lists(st.tuples(st.sampled_from(HEADS), st.binary(max_size=17), st.booleans()), min_size=1, max_size=12))
def test_bytes_that_were_read_before_change_nothing(interface, bodies):
    codec = oip.Codec(interface, "m", None)
    for head, rest, mutable in bodies:
        text = json.dumps(head).encode()
        body = (bytearray if mutable else bytes)(text + rest)
        told = whole(lambda body=body, text=text: oip_request.decode(bytes(body), len(text), interface, None))
        assert whole(lambda body=body, text=text: codec.decode(body, len(text))) == told


def test_known_bytes_are_looked_at_where_they_lie():
    codec = oip.Codec(INTERFACE, "m", None)
    text = json.dumps(HEADS[0]).encode()
    text += b" " * (-len(text) % 4)
    for _ in range(3):
        body = text + np.array([1, 2], np.float32).tobytes()
        value = codec.decode(body, len(text))[0].inputs["x"]
        assert value.tolist() == [[1, 2]]
        assert (value.flags.owndata, value.flags.aligned) == (False, True)
    assert len(codec._plans) == 1


@pytest.mark.parametrize("request_id", ["", "7"])
def test_answers_as_bytes_are_the_same_by_either_way(request_id):
    outputs = (TensorSpec("a", "FP32", (None, 2)), TensorSpec("b", "BOOL", (None,)), TensorSpec("c", "BYTES", (None,)))
    for specs in (outputs[:2], outputs):
        interface = Interface(ModelSpec((X,), specs, True), "test")
        asked = Asked(request_id, selection((), interface, True), interface)
        for rows in (1, 2, 0, 1):
            arrays = {"a": np.ones((rows, 2), np.float32), "b": np.ones(rows, bool), "c": np.array([b"\xff"] * rows, object)}
            body, length = asked.encode(InferResponse(arrays, Run(1, 0.1)), "m", None)
            document = json.loads(body[:length] if length else body)
            assert (length == 0) == (rows == 0)
            assert document.get("id", "") == request_id
            sizes = [output["parameters"]["binary_data_size"] for output in document["outputs"]]
            assert sizes == [8 * rows, rows, 5 * rows][: len(specs)]
            assert len(body) == (length or len(body)) + sum(sizes)


@pytest.mark.proves("F22", "T20")
@pytest.mark.parametrize(
    "text",
    [
        b'{"inputs": [%b], "inputs": [%b]}',
        b'{"inputs": [%b], "id": "a", "id": "b"}',
        b'{"id": "a:b", "inputs": [%b], "\\u0069d": "b"}',
        b'{"inputs": [%b], "parameters": {"a": 1, "a": 2}}',
        b'{"inputs": [%b], "outputs": [{"name": "y", "name": "y"}]}',
        b'{"inputs": [{"name": "x", "shape": [1, 2], "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}',
        b'{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2], "parameters": {"a": 1, "a": 1}}]}',
    ],
)
def test_f22_a_key_that_stands_twice_anywhere(text):
    entry = b'{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}'
    with pytest.raises(ZeroMindError, match="stands twice") as caught:
        decoded(text.replace(b"%b", entry))
    assert caught.value.kind is ErrorKind.PREDICT_DATA
