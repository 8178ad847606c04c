import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from zeromind.datatypes import DATATYPE_OF, NUMPY_OF, as_bytes, as_text, datatype_of, from_bfloat16, parse_datatype, to_bfloat16, type_name

DATATYPES = sorted(NUMPY_OF)


def test_the_table_is_the_protocols():
    """https://github.com/kserve/open-inference-protocol, "Tensor Data Types"."""
    sizes = {
        "BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8,
        "FP16": 2, "FP32": 4, "FP64": 8,
    }  # fmt: skip
    assert {name: dtype.itemsize for name, dtype in NUMPY_OF.items() if name not in ("BYTES", "BF16")} == sizes
    assert len(DATATYPE_OF) == len(NUMPY_OF) - 1, "BF16 has no dtype of its own"


@pytest.mark.parametrize("datatype", DATATYPES)
def test_names_lead_back_to_the_datatype(datatype):
    assert parse_datatype(datatype) == datatype
    assert parse_datatype(datatype.lower()) == datatype
    assert parse_datatype(type_name(datatype)) == datatype
    if datatype == "BF16":
        return  # it is float32 inside
    assert parse_datatype(NUMPY_OF[datatype].str) == datatype
    assert datatype_of(NUMPY_OF[datatype]) == datatype
    assert datatype_of(NUMPY_OF[datatype].newbyteorder(">")) == datatype


@pytest.mark.parametrize(
    ("text", "datatype"),
    [
        ("float", "FP64"),
        ("=f2", "FP16"),
        ("int", "INT64"),
        ("str", "BYTES"),
        ("String", "BYTES"),
        ("<U12", "BYTES"),
        ("S3", "BYTES"),
    ],
)
def test_other_spellings(text, datatype):
    assert parse_datatype(text) == datatype


@pytest.mark.parametrize("dtype", [np.dtype("U4"), np.dtype("S4"), np.dtype(object)])
def test_text_of_any_kind_is_bytes(dtype):
    assert datatype_of(dtype) == "BYTES"


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", "timedelta64[s]", "V4", "f4,i4", "2f4"])
def test_a_dtype_without_a_name(dtype):
    with pytest.raises(KeyError):
        datatype_of(np.dtype(dtype))


@pytest.mark.parametrize("text", ["", "complex64", "datetime64[s]", "f4,i4", "(1,", "\0", "float32 ", "void"])
def test_what_is_no_type_is_refused_with_those_that_are(text):
    with pytest.raises(ValueError, match=r"is no tensor type; known are bool, uint8, .*float32, float64, bfloat16, string"):
        parse_datatype(text)


@given(st.text(max_size=8) | st.from_regex(r"[<>|=(]?[a-zA-Z0-9,()\[\]{}:' ]{0,6}", fullmatch=True))
def test_any_text_is_a_datatype_or_a_value_error(text):
    assume(not re.fullmatch(r"[<>|=]?a\d*", text))  # numpy warns of these old names for S
    try:
        datatype = parse_datatype(text)
    except ValueError:
        return
    assert datatype in NUMPY_OF


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=6))
def test_text_goes_to_bytes_and_back(items):
    array = np.array(items, object).reshape(1, -1)
    coded = as_bytes(array)
    assert coded.dtype == object
    assert coded.shape == array.shape
    assert coded.reshape(-1).tolist() == [item.encode() for item in items]
    assert as_text(coded).tolist() == array.tolist()


@given(st.lists(st.binary(), max_size=6))
def test_bytes_stay_the_bytes_that_they_are(items):
    array = np.empty(len(items), object)
    array[:] = items
    assert as_bytes(array).tolist() == items


@pytest.mark.parametrize("array", [np.array(["ä", "bc"]), np.array([b"\xc3\xa4", b"bc"]), np.array(["ä", b"bc"], object)])
def test_every_numpy_kind_of_text(array):
    assert as_bytes(array).tolist() == [b"\xc3\xa4", b"bc"]
    assert as_text(array).tolist() == ["ä", "bc"]


def test_a_single_text_keeps_its_shape():
    assert as_bytes(np.array("x")).shape == as_text(np.array(b"x", object)).shape == ()


def test_text_that_is_no_utf8_is_an_error():
    with pytest.raises(UnicodeDecodeError):
        as_text(np.array([b"\xff"], object))


@given(st.lists(st.integers(0, 0xFFFF), max_size=20))
def test_every_bfloat16_is_a_float32_and_comes_back(bits):
    array = np.array(bits, np.uint16)
    wide = from_bfloat16(array)
    assert wide.dtype == np.float32
    back = to_bfloat16(wide)
    numbers = ~np.isnan(wide)
    assert back[numbers].tolist() == array[numbers].tolist()
    assert np.isnan(from_bfloat16(back)[~numbers]).all()


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (2, 3)])
def test_bfloat16_keeps_the_shape(shape):
    bits = to_bfloat16(np.ones(shape, np.float32))
    assert (type(bits), bits.dtype, bits.shape) == (np.ndarray, np.uint16, shape)
    wide = from_bfloat16(bits)
    assert (type(wide), wide.dtype, wide.shape) == (np.ndarray, np.float32, shape)


def test_float32_is_rounded_to_the_nearest_bfloat16_ties_to_even():
    wide = np.array([1.0, 1.00390625, 1.01171875, 1.005, -1.005, 3.4e38, np.inf], np.float32)
    assert from_bfloat16(to_bfloat16(wide)).tolist() == [1.0, 1.0, 1.015625, 1.0078125, -1.0078125, np.inf, np.inf]
