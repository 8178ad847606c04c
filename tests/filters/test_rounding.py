import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from zeromind.filters.rounding import RoundFilter
from zeromind.tensors import TensorSpec

SPEC = TensorSpec("y", "FP32", (None, 2))


@hypothesis_settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.floats(-1e15, 1e15), min_size=2, max_size=2), min_size=1, max_size=4))
def test_every_element_is_rounded_in_its_place(rows):
    wanted = [[round(item) for item in row] for row in rows]
    for value in (rows, np.array(rows)):
        got = RoundFilter().apply(value, SPEC)
        assert got.dtype.kind == "i"
        assert got.tolist() == wanted


def test_halves_go_to_the_even_neighbour():
    assert RoundFilter().apply([0.5, 1.5, 2.5, -0.5, -1.5], SPEC).tolist() == [0, 2, 2, 0, -2]


def test_one_number_gives_an_int():
    assert RoundFilter().apply(np.float32(2.7), SPEC) == 3
    assert type(RoundFilter().apply(2.7, SPEC)) is int


def test_whole_numbers_stay_what_they_are():
    assert RoundFilter().apply(np.array([2**64 - 1], np.uint64), SPEC).tolist() == [2**64 - 1]
    assert RoundFilter().apply(np.array([True, False]), SPEC).tolist() == [1, 0]


@pytest.mark.parametrize("value", [math.nan, math.inf, [1e300], None, "1", ["1"], {}, [True], [[1], [1, 2]]])
def test_what_no_integer_is_near_is_refused(value):
    with pytest.raises(ValueError, match="expected"):
        RoundFilter().apply(value, SPEC)
