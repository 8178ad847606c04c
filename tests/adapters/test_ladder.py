import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.adapters import ladder

TIMES = st.dictionaries(st.integers(1, 40), st.floats(1e-6, 1e3), min_size=1, max_size=5)


@given(st.integers(0, 300), TIMES)
def test_a_function_of_few_sizes_is_called_with_those_only(count, times):
    def double(arrays):
        assert all(len(array) in times for array in arrays)
        return [2 * array for array in arrays]

    values = np.arange(count * 2, dtype=np.float32).reshape(count, 2)
    np.testing.assert_array_equal(*ladder.run(double, ladder.plans(times), [values]), 2 * values)


@given(TIMES)
def test_a_plan_holds_its_rows_and_costs_no_more_than_one_call(times):
    plans = ladder.plans(times)
    assert len(plans) == max(times) + 1
    for rows, plan in enumerate(plans[1:], 1):
        assert sum(plan[:-1]) < rows <= sum(plan)
        assert sum(map(times.__getitem__, plan)) <= min(times[size] for size in times if size >= rows) * (1 + 1e-9)


def test_the_plan_follows_the_times():
    even = {1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0, 16: 16.0}
    assert [ladder.plans(even)[rows] for rows in (1, 9, 11, 15, 16)] == [(1,), (8, 1), (8, 2, 1), (16,), (16,)]
    dear = {**even, 16: 30.0}
    assert [ladder.plans(dear)[rows] for rows in (9, 16)] == [(8, 1), (8, 8)]
    flat = dict.fromkeys(even, 1.0)
    assert [ladder.plans(flat)[rows] for rows in (1, 3, 9, 16)] == [(1,), (4,), (16,), (16,)]
    nearly = {8: 8.0, 16: 17.0}
    assert ladder.plans(nearly)[16] == (16,)


def test_without_times_the_next_larger_size_is_called():
    assert ladder.padded((2, 8)) == [(2,), (2,), (2,), *[(8,)] * 6]


@pytest.mark.parametrize(("most", "sizes"), [(1, (1,)), (2, (1, 2)), (20, (1, 2, 4, 8, 16, 20)), (32, (1, 2, 4, 8, 16, 32))])
def test_the_usual_sizes_end_with_the_largest_batch(most, sizes):
    assert ladder.usual(most) == sizes


def test_all_sizes_are_timed():
    called = []
    assert set(ladder.timed(called.append, (1, 2, 4, 8), float("inf"))) == {1, 2, 4, 8}
    assert list(dict.fromkeys(called)) == [1, 8, 4, 2]
    assert set(ladder.timed(called.append, (3,), 0)) == {3}


@pytest.mark.parametrize(("compiling", "row", "sizes"), [(2, 0, {1, 8}), (0, 0.01, {1, 2, 4, 8}), (0, 0.3, {1, 2}), (0, 2, {1})])
def test_what_takes_too_long_at_load_is_left_out(compiling, row, sizes):
    now, seen = 0.0, set()

    def call(size):
        nonlocal now
        now += size * row + (compiling if size not in seen else 0)
        seen.add(size)

    times = ladder.timed(call, (1, 2, 4, 8), 1, lambda: now)
    assert times == pytest.approx({size: size * row for size in sizes})
    assert seen == sizes


@given(st.integers(0, 9), st.integers(1, 5), st.integers(0, 4))
def test_a_function_with_bounds_is_called_within_them(rows, least, further):
    most = least + further
    array = np.arange(rows * 2).reshape(rows, 2)

    def call(arrays):
        assert least <= len(arrays[0]) <= most
        return [arrays[0] + 1]

    np.testing.assert_array_equal(ladder.within(call, least, most, [array])[0], array + 1)


@pytest.mark.parametrize("run", [ladder.within, lambda function, _, most, arrays: ladder.run(function, ladder.padded((most,)), arrays)])
def test_arrays_want_equally_many_rows(run):
    with pytest.raises(ValueError, match="different numbers of rows: 2, 3"):
        run(lambda arrays: arrays, 1, 2, [np.zeros(2), np.zeros(3)])
