import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from zeromind.filters.argmax import ArgMaxFilter
from zeromind.tensors import TensorSpec

SPEC = TensorSpec("dense_2/Softmax:0", "FP32", (None, 10))
ARRAYS = npst.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]), npst.array_shapes(max_dims=3), elements={"allow_nan": False}
)


@hypothesis_settings(max_examples=100, deadline=None)
@given(ARRAYS)
def test_it_is_numpys_argmax_as_an_int(array):
    got = ArgMaxFilter().apply(array, SPEC)
    assert type(got) is int
    assert got == np.argmax(array)
    assert np.array_equal(ArgMaxFilter(axis=-1).apply(array, SPEC), np.argmax(array, -1))


def test_two_samples_of_the_article():
    softmax = np.zeros((2, 10), np.float32)
    softmax[0, 5] = softmax[1, 1] = 0.99
    assert [ArgMaxFilter().apply(sample, SPEC) for sample in softmax] == [5, 1]


def test_lists_of_a_client_and_ties():
    assert ArgMaxFilter().apply([1, 3, 3], SPEC) == 1
    assert ArgMaxFilter().apply([[1, 2], [4, 3]], SPEC) == 2


def test_a_map_of_classes():
    assert ArgMaxFilter(axis=0).apply([[1, 9], [4, 3]], SPEC).tolist() == [1, 0]


@pytest.mark.parametrize("value", [[], None, "text", ["a"], [[1], [2, 3]], {}, [None], [1, float("nan")]])
def test_what_has_no_largest_number_is_refused(value):
    with pytest.raises(ValueError, match=r"expected|there is NaN"):
        ArgMaxFilter().apply(value, SPEC)


def test_an_axis_that_the_sample_lacks_is_refused():
    with pytest.raises(ValueError, match="'axis' is 2"):
        ArgMaxFilter(axis=2).apply([[1]], SPEC)
