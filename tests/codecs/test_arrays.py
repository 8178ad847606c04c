"""What the quick reader takes it reads as the slow one does; the rest it leaves alone."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeromind import datatypes
from zeromind.codecs import arrays
from zeromind.tensors import TensorSpec

NUMERIC = [name for name, dtype in datatypes.NUMPY_OF.items() if dtype.kind in "fiu"]
SPACE = st.sampled_from(["", " ", "\n", "\t "])


def spec(datatype, *shape):
    return TensorSpec("x", datatype, shape)


def finite(datatype, shape):
    dtype = datatypes.NUMPY_OF[datatype]
    elements = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    if datatype == "BF16":
        least, most = datatypes.bounds(datatype)
        elements |= {"min_value": least, "max_value": most}
    found = hnp.arrays(dtype, shape, elements=hnp.from_dtype(dtype, **elements))
    return found.map(lambda array: datatypes.rounded(array, datatype))


@given(st.data(), st.sampled_from(NUMERIC), hnp.array_shapes(min_dims=1, max_dims=4, max_side=4), SPACE)
def test_nested_lists_of_a_known_shape_are_read(data, datatype, shape, space):
    array = data.draw(finite(datatype, shape))
    text = json.dumps(array.tolist(), separators=("," + space, ": ")).encode()
    for first in (None, shape[0]):
        read = arrays.nested(text, spec(datatype, first, *shape[1:]))
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)
    assert arrays.nested(text, spec(datatype, shape[0] + 1, *shape[1:])) is None
    assert arrays.nested(text, spec(datatype, None, *shape[1:], 2)) is None


@given(st.data(), st.sampled_from(NUMERIC))
def test_a_flat_list_is_read(data, datatype):
    array = data.draw(finite(datatype, st.integers(0, 9)))
    np.testing.assert_array_equal(arrays.flat(json.dumps(array.tolist()).encode(), spec(datatype, None)), array)


@pytest.mark.parametrize(
    "text",
    [
        b"[[1, 2], [3]]",
        b"[[1], [2, 3]]",
        b"[1, 2]",
        b"[[[1, 2]]]",
        b"[[1, 2], []]",
        b"[[1, 2],]",
        b"[[1, true]]",
        b'[[1, "2"]]',
        b"[[1, null]]",
    ],
)
@pytest.mark.parametrize("datatype", NUMERIC)
def test_what_is_no_table_of_numbers_is_left_alone(text, datatype):
    assert arrays.nested(text, spec(datatype, None, 2)) is None


@pytest.mark.parametrize("text", [b"[[1]]", b"[1, [2]]", b"1", b"{}", b"", b"[1", b"[1] 2", b"[NaN]", b"[1e999]", b"\xff", b"[" * 9999])
def test_what_is_no_flat_list_of_numbers_is_left_alone(text):
    assert arrays.flat(text, spec("FP32", None)) is None


@pytest.mark.parametrize("datatype", [name for name in NUMERIC if name not in ("FP64", "BF16")])
def test_what_a_dtype_cannot_hold_is_left_alone(datatype):
    for number in datatypes.bounds(datatype):
        beyond = number * 1.01 if "FP" in datatype else number + (1 if number > 0 else -1)
        assert arrays.flat(json.dumps([number]).encode(), spec(datatype, None)) is not None
        assert arrays.flat(json.dumps([beyond]).encode(), spec(datatype, None)) is None


def test_brain_floats_are_rounded_to_what_they_can_hold():
    taken = arrays.flat(b"[257, 1.00390625, 3.396e38, 1e-40]", spec("BF16", None))
    assert (taken.dtype, taken.tolist()[:2]) == (np.float32, [256, 1])
    np.testing.assert_array_equal(taken, datatypes.from_bfloat16(datatypes.to_bfloat16(taken)))
    assert np.isfinite(taken).all()
    assert arrays.flat(b"[3.397e38]", spec("BF16", None)) is None


@pytest.mark.parametrize("datatype", ["BOOL", "BYTES"])
def test_other_types_are_left_alone(datatype):
    assert arrays.reader(datatype) is None
    assert arrays.flat(b"[true]", spec(datatype, None)) is None
    assert arrays.nested(b"[true]", spec(datatype, None)) is None


def test_a_fault_leaves_nothing_that_disturbs_the_next_document():
    for _ in range(3):
        assert arrays.flat(b"[true]", spec("FP32", None)) is None
        assert arrays.flat(b"[1]", spec("FP32", None)).tolist() == [1]
    kept = arrays.flat(b"[1, 2]", spec("FP64", None))
    arrays.flat(b"[8, 9]", spec("FP64", None))
    assert kept.tolist() == [1, 2]


def test_a_large_document_is_read():
    array = np.arange(200_000, dtype=np.float32)
    np.testing.assert_array_equal(arrays.flat(json.dumps(array.tolist()).encode(), spec("FP32", None)), array)
