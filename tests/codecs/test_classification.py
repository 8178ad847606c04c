"""Classes of an output: which, in what order, and how they are told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeromind.codecs.classification import classify
from zeromind.errors import ZeroMindError


def test_the_highest_come_first_with_their_labels():
    array = np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]], np.float32)
    found = classify(array, 2, True, ["cat", "dog"])
    assert (found.dtype, found.shape) == (object, (2, 2))
    assert found.tolist() == [[b"0.700000:1:dog", b"0.200000:2"], [b"0.500000:0:cat", b"0.250000:1:dog"]]


def test_without_a_batch_all_numbers_are_one_row():
    assert classify(np.array([[1, 5], [3, 2]], np.int8), 9, False, []).tolist() == [b"5:1", b"3:2", b"2:3", b"1:0"]
    assert classify(np.array([[[1, 5], [3, 2]]], np.uint64), 1, True, []).tolist() == [[b"5:1"]]


def test_what_is_no_number_is_as_low_as_can_be():
    assert classify(np.array([np.nan, -np.inf, np.inf]), 3, False, []).tolist() == [b"inf:2", b"nan:0", b"-inf:1"]


@pytest.mark.parametrize(("shape", "batches", "found"), [((0, 3), True, (0, 2)), ((2, 0), True, (2, 0)), ((0,), False, (0,))])
def test_empty_outputs_have_no_classes(shape, batches, found):
    assert classify(np.zeros(shape, np.float32), 2, batches, []).shape == found


@pytest.mark.parametrize("array", [np.array([True]), np.array([b"a"], object)])
def test_other_types_have_no_classes(array):
    with pytest.raises(ZeroMindError, match="unsupported type"):
        classify(array, 1, False, [])


@given(hnp.arrays(np.int16, st.integers(1, 40), elements=st.integers(-3, 3)), st.integers(1, 50))
def test_of_equal_numbers_the_first_comes_first(array, top):
    wanted = sorted(range(len(array)), key=lambda index: (-int(array[index]), index))[:top]
    assert classify(array, top, False, []).tolist() == [f"{array[index]}:{index}".encode() for index in wanted]


def test_very_many_classes_are_refused():
    assert classify(np.zeros((1 << 12, 1 << 7), np.float32), 1 << 6, True, ()).shape == (1 << 12, 1 << 6)
    with pytest.raises(ZeroMindError, match="ask for fewer"):
        classify(np.zeros((1 << 12, 1 << 7), np.float32), 1 << 7, True, ())
