import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.filters.padding import PaddingFilter
from zeromind.tensors import TensorSpec


def spec(*shape, datatype="FP32"):
    return TensorSpec("tokens", datatype, (None, *shape))


@hypothesis_settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=9), max_size=5),
    st.integers(1, 7),
    st.integers(-9, 9),
    st.sampled_from(["INT32", "INT64", "FP64"]),
)
def test_each_sequence_ends_where_it_ended_and_is_as_long_as_the_input(sequences, size, fill, datatype):
    wanted = [([fill] * size + sequence)[-size:] for sequence in sequences]
    got = PaddingFilter(value=fill).apply(sequences, spec(size, datatype=datatype))
    assert got.tolist() == wanted
    assert got.shape == (len(sequences), size)
    assert got.dtype == spec(datatype=datatype).dtype


def test_vectors_are_padded_in_time():
    got = PaddingFilter().apply([[[1, 2]], [[3, 4], [5, 6], [7, 8]], []], spec(2, 2))
    assert got.tolist() == [[[0, 0], [1, 2]], [[5, 6], [7, 8]], [[0, 0], [0, 0]]]


def test_arrays_of_a_filter_before_it_are_welcome():
    assert PaddingFilter().apply(np.array([[1.5], [2.5]]), spec(2)).tolist() == [[0, 1.5], [0, 2.5]]
    assert PaddingFilter().apply([np.arange(3)], spec(2, datatype="INT32")).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "value", [None, 5, "text", b"bytes", {"a": 1}, [1, 2], ["ab"], [["a"]], [[1, None]], [[[1]]], [{}], [[True]], [[10**30]]]
)
def test_what_is_no_list_of_sequences_of_numbers_is_refused(value):
    with pytest.raises(ValueError, match="expected"):
        PaddingFilter().apply(value, spec(3))


@pytest.mark.parametrize(("number", "datatype"), [(1.5, "INT32"), (-1, "UINT8"), (300, "UINT8"), (1e300, "FP32"), (2**40, "INT32")])
def test_a_number_that_the_inputs_type_cannot_hold_is_refused(number, datatype):
    with pytest.raises(ValueError, match="expected numbers that fit the type"):
        PaddingFilter().apply([[1, number]], spec(3, datatype=datatype))
    assert PaddingFilter().apply([[1.0, 2]], spec(2, datatype=datatype)).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("shape", "datatype", "value"), [((), "FP32", 0), ((None,), "FP32", 0), ((3, None), "FP32", 0), ((3,), "BYTES", 0), ((3,), "UINT8", -1)]
)
def test_an_input_that_cannot_be_padded_to_is_the_tasks_fault(shape, datatype, value):
    with pytest.raises(ZeroMindError, match="does not fit 'tokens'") as caught:
        PaddingFilter(value).apply([[1]], spec(*shape, datatype=datatype))
    assert caught.value.kind is ErrorKind.FILTER_PARAMETERS


def test_many_empty_sequences_cannot_fill_the_memory():
    with pytest.raises(ValueError, match="send it in several requests"):
        PaddingFilter().apply([[]] * 100_000, spec(100_000))
