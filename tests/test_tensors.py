import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zeromind.datatypes import NUMPY_OF
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Encoded, InferRequest, Interface, ModelSpec, TensorSpec, find

SIZES = st.none() | st.integers(0, 1 << 40)
SPECS = st.builds(
    TensorSpec,
    name=st.text(min_size=1),
    datatype=st.sampled_from(sorted(NUMPY_OF)),
    shape=st.lists(SIZES, max_size=4).map(tuple),
    aliases=st.lists(st.text(), max_size=2).map(tuple),
)
MODELS = st.builds(ModelSpec, st.lists(SPECS, max_size=3).map(tuple), st.lists(SPECS, max_size=3).map(tuple), st.booleans())
NAMES = st.frozensets(st.text(), max_size=3)
INTERFACES = st.builds(
    Interface, MODELS, st.text(), NAMES, NAMES, st.dictionaries(st.text(), st.lists(st.text(), max_size=2).map(tuple), max_size=2)
)
INTEGERS = sorted(name for name, dtype in NUMPY_OF.items() if dtype.kind in "iu")


def spec(datatype: str, *shape: int | None) -> TensorSpec:
    return TensorSpec("x", datatype, shape)


def refused(array: np.ndarray, by: TensorSpec) -> str:
    with pytest.raises(ZeroMindError) as caught:
        by.check(array)
    assert caught.value.kind is ErrorKind.INVALID_INPUT
    assert caught.value.params[0] == "x"
    return caught.value.message


@given(INTERFACES)
def test_an_interface_crosses_a_frame_unchanged(interface):
    assert Interface.from_json(json.loads(json.dumps(interface.to_json()))) == interface


@pytest.mark.parametrize(
    "lie",
    [{"adapter": ["x"]}, {"labels": {"y": [3]}}, {"media": {"x": [None]}}, {"filtered_inputs": [{}]}, {"spec": []}]
    + [
        {"spec": {"inputs": [{"name": "x", "datatype": "FP32", "shape": [None], "aliases": [], **tensor}], "outputs": [], "batches": True}}
        for tensor in ({"name": 7}, {"datatype": "FP7"}, {"shape": ["1"]}, {"shape": [-1]}, {"shape": [True]}, {"aliases": [1]})
    ],
)
def test_an_interface_of_other_things_is_none(lie):
    true = Interface(ModelSpec((TensorSpec("x", "FP32", (None,)),), (), True), "onnx").to_json()
    with pytest.raises((TypeError, KeyError, AttributeError)):
        Interface.from_json({**true, **lie})


@pytest.mark.parametrize(
    ("mine", "shape", "fits"),
    [
        ((None, 28, 28, 1), (3, 28, 28, 1), True),
        ((None, 28, 28, 1), (0, 28, 28, 1), True),
        ((None, 28, 28, 1), (3, 28, 28), False),
        ((None, 28, 28, 1), (3, 28, 1, 28), False),
        ((), (), True),
        ((), (1,), False),
        ((0,), (0,), True),
        ((0,), (1,), False),
    ],
)
def test_which_shapes_fit(mine, shape, fits):
    assert spec("FP32", *mine).fits(shape) is fits


def test_an_array_that_fits_is_not_copied():
    array = np.zeros((2, 3), np.float32)
    assert spec("FP32", None, 3).check(array) is array


def test_a_wrong_shape_is_told_with_the_right_one():
    message = refused(np.zeros((2, 4), np.float32), spec("FP32", None, 3))
    assert message == "input 'x' has shape [2, 4], the model takes [any, 3]"


@given(arrays.arrays(st.sampled_from([NUMPY_OF[name] for name in INTEGERS]), st.integers(1, 5)), st.sampled_from(INTEGERS))
def test_integers_become_other_integers_only_with_their_value(array, datatype):
    bounds = np.iinfo(NUMPY_OF[datatype])
    if all(bounds.min <= value <= bounds.max for value in array.tolist()):
        checked = spec(datatype, None).check(array)
        assert checked.dtype == NUMPY_OF[datatype]
        assert checked.tolist() == array.tolist()
    else:
        assert f"the model takes {NUMPY_OF[datatype].name}" in refused(array, spec(datatype, None))


@pytest.mark.parametrize("source", [">f4", "float16", "float64", "int64", "uint8", "bool"])
def test_numbers_become_floats(source):
    checked = spec("FP32", None).check(np.array([0, 1], source))
    assert checked.dtype == np.dtype("float32")
    assert checked.tolist() == [0, 1]


def test_an_empty_batch_has_no_value_that_could_not_fit():
    assert spec("INT8", None).check(np.zeros(0, np.int64)).dtype == np.int8


@pytest.mark.parametrize(
    ("array", "datatype"),
    [
        (np.array([1.5]), "INT64"),
        (np.array([1.0]), "BOOL"),
        (np.array([1]), "BOOL"),
        (np.array([1j]), "FP32"),
        (np.array(["1"]), "FP32"),
        (np.array([None]), "FP32"),
        (np.array([1.0]), "BYTES"),
        (np.array([0], "M8[s]"), "INT64"),
        (np.array([1e300]), "FP32"),
        (np.array([100_000]), "FP16"),
        (np.array(["\ud800"]), "BYTES"),
    ],
)
def test_what_would_lose_its_meaning_is_refused(array, datatype):
    assert refused(array, spec(datatype, None)).startswith("input 'x' ")


def test_what_is_not_finite_stays_so():
    checked = spec("FP16", None).check(np.array([np.inf, -np.inf, np.nan]))
    assert [str(value) for value in checked] == ["inf", "-inf", "nan"]


def test_text_becomes_bytes():
    checked = spec("BYTES", None).check(np.array(["ä", "b"]))
    assert checked.dtype == object
    assert checked.tolist() == [b"\xc3\xa4", b"b"]


def test_a_tensor_is_found_by_its_name_before_an_alias():
    first = TensorSpec("a", "FP32", (None,), (r"b", r"c_\d+"))
    second = TensorSpec("b", "FP32", (None,), (r"c_1",))
    assert find([first, second], "a") is first
    assert find([first, second], "b") is second
    assert find([first, second], "c_2") is first
    assert find([first, second], "c_1") is None, "two of them know that alias"
    assert find([first, second], "c_22_") is None, "an alias is the whole name"
    assert find([], "a") is None


def test_a_request_counts_the_bytes_that_it_holds():
    text = np.array([b"12345", b""], object)
    inputs = {"numbers": np.zeros((2, 3), np.float32), "json": Encoded("application/json", b"[1]"), "text": text}
    assert InferRequest(inputs).size()[1] == 24 + 3 + text.nbytes + 5
    assert InferRequest({}).size() == (1, 0)


def test_text_among_the_parameters_counts_as_bytes():
    request = InferRequest({"x": np.zeros((2, 3), np.float32)}, parameters={"prompt": "abcd", "n": 5, "flag": True})
    assert request.size() == (2, 24 + 4)
