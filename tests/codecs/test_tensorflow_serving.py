"""TensorFlow Serving's JSON: bodies to requests, answers to bodies."""

import base64
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.codecs import tensorflow_examples, tensorflow_model
from zeromind.codecs import tensorflow_serving as codec
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Encoded, InferResponse, Interface, ModelSpec, TensorSpec

X = TensorSpec("x", "FP32", (None, 2), (r"x:\d",))
K = TensorSpec("k", "INT64", (None,))
TEXT = TensorSpec("text", "BYTES", (None,))
IMAGE = TensorSpec("image", "FP32", (None, 4, 4))
PNG = b"\x89PNG\r\n\x1a\n and more"
PACKED = base64.b64encode(PNG).decode()


def interface(*inputs, outputs=(X,), filtered=(), filtered_outputs=(), media=(), labels=()):
    spec = ModelSpec(inputs, outputs, True)
    return Interface(spec, "test", frozenset(filtered), frozenset(filtered_outputs), dict(media), dict(labels))


ONE, TWO, TEXTS = interface(X), interface(X, K), interface(TEXT)
PICTURE = interface(IMAGE, filtered=["image"], media={"image": ("image/png",)})


def text(body):
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def asked(body, model=ONE, verb=codec.predict):
    return verb(text(body), model)[0].inputs


def refused(body, model=ONE, verb=codec.predict):
    with pytest.raises(ZeroMindError) as caught:
        verb(text(body), model)
    assert caught.value.message
    return caught.value


def answered(outputs, model, body=None, verb=codec.predict):
    """What is answered to a request in rows, and to one in columns."""
    rows = {"instances": [[1, 2]]} if body is None else body
    return verb(text(rows), model)[1](InferResponse(outputs, 0.0))


def written(outputs, model, key):
    return json.loads(answered(outputs, model, {key: [[1, 2]]}))


# --- what is asked


@pytest.mark.parametrize(
    ("item", "count", "words"),
    [("{},", 1 << 20, "items, more than 1048576: send whole tensors"), ('{"x":1,"k":1},', 1 << 20 >> 1, "values with names: send")],
)
def test_values_that_are_looked_at_one_by_one_are_bounded(item, count, words):
    body = '{"instances": [' + item * count + '{"x": 1}]}'
    assert words in refused(body.encode(), TWO).message


def test_values_that_nobody_looks_at_one_by_one_need_no_objects():
    model = interface(IMAGE, filtered=["image"])
    many = b"[" + b"1," * (1 << 22) + b"1]"
    tracemalloc.start()
    assert asked(b'{"instances": %b}' % many, model)["image"].data == many
    assert tracemalloc.get_traced_memory()[1] < 8 * len(many)
    tracemalloc.stop()
    for empty in ("[]", "[ \n ]"):
        assert "no rows" in refused(f'{{"instances": {empty}}}'.encode(), model).message


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [[1, 2], [3, 4]]},
        b'{"instances":[[1,2],[3,4]]}',
        b' {\n "signature_name" : "serving_default" ,\n "instances" : [ [1, 2.0], [3e0, 4] ] } \n',
        b'{"instances": [[1, 2], [3, 4]], "signature_name": ""}',
        {"instances": [{"x": [1, 2]}, {"x": [3, 4]}]},
        {"instances": [{"x:0": [1, 2]}, {"x:0": [3, 4]}]},
        {"inputs": [[1, 2], [3, 4]]},
        {"inputs": {"x": [[1, 2], [3, 4]]}},
        {"inputs": {"x:0": [[1, 2], [3, 4]]}, "signature_name": "serving_default"},
    ],
)
def test_one_input_row_by_row_or_whole(body):
    (array,) = asked(body).values()
    assert array.dtype == np.float32
    assert array.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"k": 5, "x": [1, 2]}, {"x": [3, 4], "k": 6}]},
        {"inputs": {"k": [5, 6], "x": [[1, 2], [3, 4]]}},
    ],
)
def test_several_inputs(body):
    inputs = asked(body, TWO)
    assert list(inputs) == ["x", "k"]
    assert inputs["k"].tolist() == [5, 6]
    assert inputs["x"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("form", ['{"instances": [[%s, 1], [2, 3]]}', '{"instances": [{"x": [%s, 1]}, {"x": [2, 3]}]}',
                                  '{"inputs": {"x": [[%s, 1], [2, 3]]}}', '{"inputs": [[%s, 1], [2, 3]]}'])  # fmt: skip
@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_finite(form, token):
    array = asked((form % token).encode())["x"]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, np.array([[float(token), 1], [2, 3]], np.float32))


def test_a_token_in_one_input_leaves_the_other_alone():
    inputs = asked(b'{"instances": [{"x": [NaN, 1], "k": 9007199254740993}]}', TWO)
    assert inputs["k"].tolist() == [9007199254740993]


def test_bfloat16_is_rounded_and_has_its_bounds():
    model = interface(TensorSpec("x", "BF16", (None, 2)))
    for body in (b'{"instances": [[0.1, 1]]}', b'{"instances": [[0.1, NaN]]}'):
        assert asked(body, model)["x"][0, 0] == np.float32(0.10009765625)
    for body in (b'{"instances": [[3.4e38, 1]]}', b'{"instances": [[3.4e38, NaN]]}'):
        assert "'x'" in refused(body, model).message


def test_a_token_within_text_is_text():
    assert asked(b'{"instances": ["NaN", "Infinity \\" NaN"]}', TEXTS)["text"].tolist() == [b"NaN", b'Infinity " NaN']


@pytest.mark.parametrize("key", ["instances", "inputs"])
@pytest.mark.parametrize("packed", ["/wA=", "/wA"])
def test_binary_text(key, packed):
    assert asked({key: [{"b64": packed}, "é"]}, TEXTS)["text"].tolist() == [b"\xff\0", "é".encode()]
    assert asked({key: {"text": ["a", {"b64": packed}]} if key == "inputs" else [{"text": "a"}, {"text": {"b64": packed}}]}, TEXTS)[
        "text"
    ].tolist() == [b"a", b"\xff\0"]


@pytest.mark.parametrize(
    ("body", "data"),
    [
        ({"instances": [{"image_file": "a"}, {"image_file": "b"}]}, [{"image_file": "a"}, {"image_file": "b"}]),
        ({"instances": [{"image": {"image_file": "a"}}]}, [{"image_file": "a"}]),
        ({"inputs": [{"image_file": "a"}]}, [{"image_file": "a"}]),
        ({"inputs": {"image": [{"image_file": "a"}]}}, [{"image_file": "a"}]),
        ({"instances": [{"b64": PACKED}, {"b64": PACKED}]}, [{"image": PACKED}, {"image": PACKED}]),
        ({"instances": [{"image": {"b64": PACKED}}, {"image": {"image": PACKED}}]}, [{"image": PACKED}, {"image": PACKED}]),
        ({"instances": [{"b64": base64.b64encode(b"GIF8").decode()}]}, [{"image": base64.b64encode(b"GIF8").decode()}]),
    ],
)
def test_a_filtered_input_is_left_for_its_filters(body, data):
    value = asked(body, PICTURE)["image"]
    assert value.media == "application/json"
    assert json.loads(value.data) == data


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"b64": PACKED}]},
        {"instances": [{"image": {"b64": PACKED}}]},
        {"inputs": {"b64": PACKED}},
        {"inputs": {"image": {"b64": PACKED}}},
    ],
)
def test_a_picture_alone_reaches_the_filters_as_a_file(body):
    assert asked(body, PICTURE)["image"] == Encoded("image/png", PNG)


def test_filters_that_take_no_files_get_what_came():
    plain = interface(X, filtered=["x"])
    assert asked({"instances": [{"b64": "YQ=="}]}, plain)["x"].data == b'[{"b64": "YQ=="}]'


@pytest.mark.parametrize(
    ("body", "model", "kind", "words"),
    [
        (b"", ONE, ErrorKind.PREDICT_DATA, "empty"),
        (b"{", ONE, ErrorKind.PREDICT_DATA, "JSON object"),
        (b"[1]", ONE, ErrorKind.PREDICT_DATA, "JSON object"),
        (b"[NaN]", ONE, ErrorKind.PREDICT_DATA, "JSON object"),
        (b'{"instances": [NaN', ONE, ErrorKind.PREDICT_DATA, "JSON object"),
        (b'{"instances": [[1,2]], "instances": [[3,4]]}', ONE, ErrorKind.PREDICT_DATA, "twice"),
        (b'{"instances": [[NaN,2]], "instances": [[3,4]]}', ONE, ErrorKind.PREDICT_DATA, "twice"),
        ({"rows": []}, ONE, ErrorKind.PREDICT_DATA, "'instances'"),
        ({"instances": [[1, 2]], "inputs": [[1, 2]]}, ONE, ErrorKind.PREDICT_DATA, "one of"),
        ({"instances": [[1, 2]], "signature_name": "other"}, ONE, ErrorKind.INVALID_INPUT, "signature 'other'"),
        ({"instances": [[1, 2]], "signature_name": 1}, ONE, ErrorKind.INVALID_INPUT, "signature 1"),
        ({"instances": []}, ONE, ErrorKind.INVALID_INPUT, "no rows"),
        ({"instances": 5}, ONE, ErrorKind.INVALID_INPUT, "'instances' must be a list"),
        ({"instances": [[1]]}, ONE, ErrorKind.INVALID_INPUT, "shape [1, 1]"),
        ({"instances": [[1, 2], [1]]}, ONE, ErrorKind.INVALID_INPUT, "different lengths"),
        ({"instances": [[1, "a"]]}, ONE, ErrorKind.INVALID_INPUT, "'x'"),
        (b'{"instances": [[NaN, "a"]]}', ONE, ErrorKind.INVALID_INPUT, "'x'"),
        (b'{"instances": [[NaN, 1e39]]}', ONE, ErrorKind.INVALID_INPUT, "'x'"),
        (b'{"instances": [[NaN, 1], [2]]}', ONE, ErrorKind.INVALID_INPUT, "different lengths"),
        ({"instances": [[1, {"b64": "YQ=="}]]}, ONE, ErrorKind.INVALID_INPUT, "'x'"),
        ({"instances": [{"y": [1, 2]}]}, ONE, ErrorKind.INVALID_INPUT, "no input 'y'"),
        ({"inputs": {"y": [[1, 2]]}}, ONE, ErrorKind.INVALID_INPUT, "no input 'y'"),
        ({"inputs": 3}, ONE, ErrorKind.INVALID_INPUT, "'x'"),
        ({"inputs": {}}, ONE, ErrorKind.INPUT_MISSING, "'x'"),
        ({"instances": [[1, 2]]}, TWO, ErrorKind.INVALID_INPUT, "2 inputs"),
        ({"inputs": [[1, 2]]}, TWO, ErrorKind.INVALID_INPUT, "2 inputs"),
        ({"instances": [{"x": [1, 2]}]}, TWO, ErrorKind.INPUT_MISSING, "'k'"),
        ({"instances": [{"x": [1, 2], "k": 1}, {"x": [1, 2]}]}, TWO, ErrorKind.INVALID_INPUT, "instance 1 has no 'k'"),
        ({"instances": [{"x": [1, 2], "k": 1}, {"x": [1, 2], "k": 1, "z": 1}]}, TWO, ErrorKind.INVALID_INPUT, "instance 1 has a 'z'"),
        ({"instances": [{"x": [1, 2], "k": 1}, 5]}, TWO, ErrorKind.INVALID_INPUT, "list of objects"),
        (b'{"instances": [{"x": [NaN, 2], "k": 1}, 5]}', TWO, ErrorKind.INVALID_INPUT, "list of objects"),
        ({"inputs": {"x": [[1, 2]], "x:0": [[1, 2]], "k": [1]}}, TWO, ErrorKind.INVALID_INPUT, "twice"),
        (b'{"instances": [{"x": [1, 2], "k": 1, "k": 2}]}', TWO, ErrorKind.INVALID_INPUT, "twice"),
        (b'{"inputs": {"x": [[1, 2]], "k": [1], "k": [2]}}', TWO, ErrorKind.INVALID_INPUT, "twice"),
        (b'{"instances": [{"x": [1, 2], "k": NaN}]}', TWO, ErrorKind.INVALID_INPUT, "'k'"),
        (b'{"instances": [{"x": [1, 2], "k": 1.5}]}', TWO, ErrorKind.INVALID_INPUT, "'k'"),
        ({"instances": ["a", 1]}, TEXTS, ErrorKind.INVALID_INPUT, "'text'"),
        (b'{"instances": ["a", NaN]}', TEXTS, ErrorKind.INVALID_INPUT, "'text'"),
        ({"instances": [{"b64": "?"}]}, TEXTS, ErrorKind.INVALID_INPUT, "base64"),
        ({"instances": [{"b64": "é"}]}, TEXTS, ErrorKind.INVALID_INPUT, "base64"),
        ({"instances": ["a", {"b64": "YQ==", "c": 1}]}, TEXTS, ErrorKind.INVALID_INPUT, "'text'"),
        ({"instances": ["a", ["b"]]}, TEXTS, ErrorKind.INVALID_INPUT, "'text'"),
        ({"instances": [{"b64": "?"}]}, PICTURE, ErrorKind.INVALID_INPUT, "'image'"),
        (b'{"instances": [NaN]}', PICTURE, ErrorKind.INVALID_INPUT, "'image'"),
        (b"%b1%b" % (b'{"instances":' + b"[" * 3000, b"]" * 3000 + b"}"), ONE, ErrorKind.PREDICT_DATA, "JSON object"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(body, model, kind, words):
    error = refused(body, model)
    assert error.kind is kind, error
    assert words in error.message


@given(st.lists(st.lists(st.floats(width=32), min_size=2, max_size=2), min_size=1, max_size=4), st.sampled_from(["instances", "inputs"]))
def test_every_float_goes_in_and_out_unchanged(rows, key):
    array = np.array(rows, np.float32)
    body = json.dumps({key: array.tolist()})
    np.testing.assert_array_equal(asked(body.encode())["x"], array)
    answer = written({"x": array}, ONE, key)
    np.testing.assert_array_equal(np.array(answer["predictions" if key == "instances" else "outputs"], np.float32), array)


# --- what is answered

FLAT, WIDE = TensorSpec("flat", "FP32", (None,)), TensorSpec("wide", "INT32", (None, 2))
RAW, WORDS = TensorSpec("raw_bytes", "BYTES", (None,)), TensorSpec("words", "BYTES", (None, 1))
ARRAYS = {
    "flat": np.array([0.1, np.nan], np.float32),
    "wide": np.array([[1, 2], [3, 4]], np.int32),
    "raw_bytes": np.array([b"a", b"\xff"], object),
    "words": np.array([["é".encode()], [b"\xff"]], object),
    "made": Encoded("application/json", b'[{"best": 1}, [1, 2]]'),
}


def test_one_output_is_bare():
    assert answered(ARRAYS, interface(X, outputs=(FLAT,))) == b'{"predictions":[0.1,NaN]}'
    assert written(ARRAYS, interface(X, outputs=(WIDE,)), "inputs") == {"outputs": [[1, 2], [3, 4]]}


def test_several_outputs_are_named():
    made = TensorSpec("made", "FP32", (None, 3))
    model = interface(X, outputs=(FLAT, WIDE, RAW, WORDS, made), filtered_outputs=["made"])
    whole = written(ARRAYS, model, "inputs")["outputs"]
    np.testing.assert_array_equal(np.array(whole.pop("flat"), np.float32), ARRAYS["flat"])
    assert whole == {
        "wide": [[1, 2], [3, 4]],
        "raw_bytes": [{"b64": "YQ=="}, {"b64": "/w=="}],
        "words": [["é"], [{"b64": "/w=="}]],
        "made": [{"best": 1}, [1, 2]],
    }
    rows = written(ARRAYS, model, "instances")["predictions"]
    first, second = (row.pop("flat") for row in rows)
    assert first == 0.1
    assert np.isnan(second)
    assert rows == [{name: whole[name][at] for name in whole} for at in range(2)]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint64", "int64", "float16", "float32", "float64"])
def test_numbers_of_every_kind(dtype):
    spec = TensorSpec("y", "FP64", (None, 2))
    array = np.array([[0, 1], [1, 0]], dtype)
    for outputs, values in (((spec,), {"y": array}), ((spec, FLAT), {"y": array, "flat": ARRAYS["flat"]})):
        rows = written(values, interface(X, outputs=outputs), "instances")["predictions"]
        assert [row["y"] if isinstance(row, dict) else row for row in rows] == array.tolist()


def test_infinite_numbers_stand_where_they_belong():
    array = np.array([[1, -np.inf], [np.nan, np.inf]], np.float64)
    assert answered({"x": array}, ONE) == b'{"predictions":[[1.0,-Infinity],[NaN,Infinity]]}'


def test_outputs_that_are_no_rows_are_refused_row_by_row():
    model = interface(X, outputs=(FLAT, WIDE))
    with pytest.raises(ZeroMindError, match="1 of 'flat', 2 of 'wide'"):
        answered({"flat": np.zeros(1, np.float32), "wide": ARRAYS["wide"]}, model)
    with pytest.raises(ZeroMindError, match="'flat' is one number"):
        answered({"flat": np.float32(1).reshape(()), "wide": ARRAYS["wide"]}, model)
    assert written({"flat": np.zeros(1, np.float32), "wide": ARRAYS["wide"]}, model, "inputs")["outputs"]["flat"] == [0]


# --- classify and regress

SCORES = TensorSpec("scores", "FP32", (None, 2))
CLASSES = TensorSpec("classes", "BYTES", (None, 2))
EXAMPLES = {"examples": [{"x": [1, 2]}, {"x": [3, 4]}]}
VALUES = np.array([[0.25, 0.75], [1, np.nan]], np.float32)


def classified(outputs, model):
    return answered(outputs, model, EXAMPLES, tensorflow_examples.classify)


def test_a_class_is_its_label_or_its_place():
    assert classified({"scores": VALUES}, interface(X, outputs=(SCORES,))) == b'{"results":[[["0",0.25],["1",0.75]],[["0",1.0],["1",NaN]]]}'
    model = interface(X, outputs=(SCORES,), labels={"scores": ("cat",)})
    assert json.loads(classified({"scores": VALUES}, model))["results"][0] == [["cat", 0.25], ["1", 0.75]]


@pytest.mark.parametrize(
    ("datatype", "classes"), [("BYTES", np.array([[b"a", b"b"], [b"c", b"d"]], object)), ("INT64", np.array([[7, 8], [9, 6]]))]
)
def test_classes_may_be_an_output(datatype, classes):
    other = TensorSpec("other", "FP32", (None, 7))
    model = interface(X, outputs=(TensorSpec("classes", datatype, (None, 2)), SCORES, other))
    results = json.loads(classified({"scores": VALUES, "classes": classes, "other": VALUES}, model))["results"]
    names = [[item.decode() if datatype == "BYTES" else str(item) for item in row] for row in classes.tolist()]
    assert [[name for name, _ in row] for row in results] == names
    with pytest.raises(ZeroMindError, match=r"shapes \[2, 1\] and \[2, 2\]"):
        classified({"scores": VALUES, "classes": classes[:, :1], "other": VALUES}, model)


@pytest.mark.parametrize(
    ("outputs", "filtered"),
    [
        ((FLAT,), ()),
        ((TensorSpec("a", "FP32", (None, 2)), TensorSpec("b", "FP32", (None, 2))), ()),
        ((SCORES,), ("scores",)),
        ((WIDE,), ()),
    ],
)
def test_models_that_do_not_classify(outputs, filtered):
    error = refused(EXAMPLES, interface(X, outputs=outputs, filtered_outputs=filtered), tensorflow_examples.classify)
    assert ":predict" in error.message


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_regress_gives_a_number_for_each_example(shape):
    model = interface(X, outputs=(TensorSpec("y", "FP64", (None, *shape[1:])), WIDE))
    answer = answered({"y": np.array([0.1, np.inf]).reshape(shape)}, model, EXAMPLES, tensorflow_examples.regress)
    assert answer == b'{"results":[0.1,Infinity]}'


@pytest.mark.parametrize("outputs", [(WIDE,), (SCORES,), (FLAT, TensorSpec("z", "FP32", (None, 1)))])
def test_models_that_do_not_regress(outputs):
    assert ":predict" in refused(EXAMPLES, interface(X, outputs=outputs), tensorflow_examples.regress).message


def features(examples, *inputs, context=None, **more):
    body = {"examples": examples, **({} if context is None else {"context": context})}
    return asked(body, interface(*inputs, outputs=(FLAT,), **more), tensorflow_examples.regress)


def test_features_are_inputs():
    assert features([{"x": [1, 2], "k": 3}, {"k": [4], "x": [5, 6]}], X, K)["k"].tolist() == [3, 4]
    assert features([{"k": 3}, {"k": 4, "x": [5, 6]}], X, K, context={"x": [1, 2]})["x"].tolist() == [[1, 2], [5, 6]]
    assert features([{"anything": [1, 2]}], X)["x"].tolist() == [[1, 2]]
    assert features([{"one": 1}, {"one": [2]}], TensorSpec("x", "FP32", (None, 1)))["x"].tolist() == [[1], [2]]
    assert features([{"text": "a"}, {"text": {"b64": "/w=="}}, {"text": ["c"]}], TEXT)["text"].tolist() == [b"a", b"\xff", b"c"]
    numbers = list(range(16))
    for row in (numbers, np.reshape(numbers, (4, 4)).tolist()):
        np.testing.assert_array_equal(features([{"image": row}] * 2, IMAGE)["image"], np.reshape(numbers * 2, (2, 4, 4)))
    assert features([{"image": {"image_file": "a"}}], IMAGE, filtered=["image"])["image"].data == b'[{"image_file": "a"}]'


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"instances": [[1, 2]]}, ErrorKind.PREDICT_DATA, "'examples'"),
        ({"examples": []}, ErrorKind.INVALID_INPUT, "no example"),
        ({"examples": [1]}, ErrorKind.INVALID_INPUT, "'examples' must be a list of objects"),
        ({"examples": [{"x": [1, 2], "k": 1}], "context": 5}, ErrorKind.INVALID_INPUT, "'context'"),
        ({"examples": [{"x": [1, 2], "k": [1, 2]}]}, ErrorKind.INVALID_INPUT, "'k' takes one value"),
        ({"examples": [{"x": [1, 2], "z": 1}]}, ErrorKind.INVALID_INPUT, "no input 'z'"),
        ({"examples": [{"x": [1, 2]}]}, ErrorKind.INPUT_MISSING, "'k'"),
        ({"examples": [{"x": [1, 2], "x:0": [1, 2]}]}, ErrorKind.INVALID_INPUT, "twice"),
        ({"examples": [{"x": [1, 2], "k": 1}], "signature_name": "no"}, ErrorKind.INVALID_INPUT, "signature 'no'"),
        (b'{"examples": [{"x": [1, NaN], "k": NaN}]}', ErrorKind.INVALID_INPUT, "'k'"),
    ],
)  # fmt: skip
def test_examples_that_do_not_fit_are_named(body, kind, words):
    error = refused(body, interface(X, K, outputs=(FLAT,)), tensorflow_examples.regress)
    assert error.kind is kind, error
    assert words in error.message


# --- what a model is


def test_metadata_is_a_signature():
    model = interface(X, IMAGE, outputs=(K, WIDE), filtered=["image"], filtered_outputs=["wide"])
    described = tensorflow_model.metadata("m", model)
    assert described["model_spec"] == {"name": "m", "signature_name": "", "version": "1"}
    signature = described["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    sizes = {
        name: [dim["size"] for dim in info["tensor_shape"]["dim"]]
        for side in ("inputs", "outputs")
        for name, info in signature[side].items()
    }
    assert sizes == {"x": ["-1", "2"], "image": ["-1"], "k": ["-1"], "wide": ["-1"]}
    dtypes = [info["dtype"] for side in ("inputs", "outputs") for info in signature[side].values()]
    assert dtypes == ["DT_FLOAT", "DT_STRING", "DT_INT64", "DT_STRING"]
    assert signature["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}], "unknown_rank": False},
        "name": "x",
    }


def test_every_datatype_has_a_name_in_tensorflow():
    from zeromind.datatypes import NUMPY_OF

    outputs = tuple(TensorSpec(name, name, (None,)) for name in NUMPY_OF)
    infos = tensorflow_model.metadata("m", interface(X, outputs=outputs))["metadata"]["signature_def"]["signature_def"]["serving_default"][
        "outputs"
    ]
    assert len({info["dtype"] for info in infos.values()}) == len(NUMPY_OF)
