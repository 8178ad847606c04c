"""JSON lists and tensors: what fits goes in whole and comes out whole, anything else is refused in words."""

import base64
import json

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeromind import datatypes
from zeromind.codecs import numbers
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

NUMERIC = [name for name in datatypes.NUMPY_OF if name != "BYTES"]
WHOLE = [name for name in NUMERIC if "INT" in name]
FLOATS = [name for name in NUMERIC if name.startswith("FP")]


def spec(datatype, *shape):
    return TensorSpec("x", datatype, shape)


def shown(array):
    return orjson.dumps(numbers.to_json(array), option=orjson.OPT_SERIALIZE_NUMPY)


def refused(text, *of):
    with pytest.raises(ZeroMindError) as caught:
        numbers.to_tensor(text, spec(*of))
    error = caught.value
    assert (error.kind, error.params[0]) == (ErrorKind.INVALID_INPUT, "x")
    assert "'x'" in error.message
    return error.message


def arrays(datatype):
    dtype = datatypes.NUMPY_OF[datatype]
    elements = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    if datatype == "BF16":
        least, most = datatypes.bounds(datatype)
        elements |= {"min_value": least, "max_value": most}
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, max_side=3)
    made = hnp.arrays(dtype, shapes, elements=hnp.from_dtype(dtype, **elements))
    return made.map(lambda array: (datatype, datatypes.rounded(array, datatype)))


@example(("FP32", np.array([np.finfo(np.float32).max])))
@example(("FP16", np.array([np.finfo(np.float16).min])))
@given(st.sampled_from(NUMERIC).flatmap(arrays))
def test_numbers_go_out_and_come_in_unchanged(made):
    datatype, array = made
    back = numbers.to_tensor(shown(array), spec(datatype, *(None,) * array.ndim))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)


@given(hnp.array_shapes(min_dims=1, max_dims=3, max_side=3).flatmap(lambda shape: hnp.arrays(object, shape, elements=st.text(max_size=4))))
def test_text_goes_out_and_comes_in_unchanged(array):
    wanted = datatypes.as_bytes(array)
    back = numbers.to_tensor(shown(wanted), spec("BYTES", *(None,) * array.ndim))
    assert back.dtype == object
    np.testing.assert_array_equal(back, wanted)


@pytest.mark.parametrize("datatype", WHOLE)
def test_whole_numbers_have_their_bounds(datatype):
    bounds = np.iinfo(datatypes.NUMPY_OF[datatype])
    text = f"[{bounds.min}, {bounds.max}]"
    assert numbers.to_tensor(text.encode(), spec(datatype, None)).tolist() == [bounds.min, bounds.max]
    for beyond in (int(bounds.min) - 1, int(bounds.max) + 1, 10**30, -(10**30)):
        refused(f"[{beyond}]".encode(), datatype, None)


@pytest.mark.parametrize(("datatype", "text"), [("FP16", b"[65520]"), ("FP32", b"[3.5e38]"), ("FP64", b"[1e309]"), ("FP32", b"[-1e300]")])
def test_a_number_too_large_for_its_type_is_refused(datatype, text):
    refused(text, datatype, None)


@pytest.mark.parametrize("datatype", FLOATS)
def test_whole_numbers_are_floats_too(datatype):
    assert numbers.to_tensor(b"[[1, -0, 2.5]]", spec(datatype, None, 3)).tolist() == [[1, 0, 2.5]]


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"[[]]",
        b"[[1, 2], [3]]",
        b"[[1], [2]]",
        b"[1, 2]",
        b"[[[1, 2]]]",
        b"1",
        b"null",
        b'"x"',
        b"{}",
        b"[[1, null]]",
        b"[[1, true]]",
        b'[[1, "2"]]',
        b"[[1, 2]",
        b"[[1, NaN]]",
        b"[[1, Infinity]]",
        b"[[01, 2]]",
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[[1, 2, 3]]",
    ],
)
@pytest.mark.parametrize("datatype", ["FP32", "INT64", "UINT8", "FP16"])
def test_what_is_no_table_of_numbers_is_refused(datatype, text):
    message = refused(text, datatype, None, 2)
    assert len(message) < 500


@pytest.mark.parametrize("text", [b"[1]", b"[null]", b"[[]]", b'[["a"]]', b'["\\ud800"]', b'["\xff"]', b"[true]", b'"a"', b"[]"])
def test_what_is_no_list_of_text_is_refused(text):
    refused(text, "BYTES", None)


@pytest.mark.parametrize("text", [b'[["a"], ["b", "c"]]', b'[["a", "b"], []]', b"[[], []]"])
def test_ragged_text_is_refused(text):
    refused(text, "BYTES", None, None)


def test_flags_are_no_numbers():
    assert numbers.to_tensor(b"[true, false]", spec("BOOL", None)).tolist() == [True, False]
    for text in (b"[1]", b"[0.0]", b'["true"]', b"[null]"):
        refused(text, "BOOL", None)


def test_a_shape_that_is_fixed_is_kept():
    assert numbers.to_tensor(b"[[1, 2]]", spec("FP32", 1, 2)).shape == (1, 2)
    assert "[1, 2]" in refused(b"[[1, 2], [3, 4]]", "FP32", 1, 2)


def test_text_that_is_not_utf8_comes_out_in_base64():
    array = np.array([b"\xff", "é".encode()], object)
    assert json.loads(shown(array)) == [{"b64": base64.b64encode(b"\xff").decode()}, "é"]


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3).T, np.arange(10)[::2], np.float32(1.5), np.array(True)])
def test_any_memory_layout_comes_out_as_it_reads(array):
    assert json.loads(shown(np.asarray(array))) == np.asarray(array).tolist()


NAN_OF = [np.array([np.nan, np.inf, 1], dtype) for dtype in (np.float16, np.float32, np.float64)] + [np.array(np.nan), np.array(np.inf)]


@pytest.mark.parametrize("array", NAN_OF)
def test_what_is_not_finite_comes_out_as_null(array):
    data = json.loads(shown(array))
    assert data in ([None, None, 1], None)
