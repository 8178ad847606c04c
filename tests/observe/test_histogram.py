"""Buckets hold what they say, quantiles are as near as their buckets are narrow."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from zeromind.observe.histogram import BOUNDS, COARSE, Histogram, quantile

SECONDS = st.floats(0, 200)


def counted(values):
    made = Histogram()
    for value in values:
        made.add(value)
    return made


def test_bounds_are_ten_a_decade_and_have_the_usual_ones_among_them():
    assert (BOUNDS[0], BOUNDS[-1], len(BOUNDS)) == (1e-5, 100.0, 71)
    assert list(BOUNDS) == sorted(set(BOUNDS))
    assert all(high / low <= 1.29 for low, high in itertools.pairwise(BOUNDS))
    assert {float(f"{step}e{power}") for power in range(-5, 2) for step in (1, 2.5, 5)} | {100.0} == set(COARSE)
    assert set(COARSE) <= set(BOUNDS)


@given(st.lists(SECONDS))
def test_what_came_is_in_the_buckets_that_end_with_it_or_above(values):
    made = counted(values)
    upto = made.upto(BOUNDS)
    assert upto == [*(sum(value <= bound for value in values) for bound in BOUNDS), len(values)]
    assert made.upto(COARSE) == [*(sum(value <= bound for value in values) for bound in COARSE), len(values)]
    assert math.isclose(made.seconds, sum(values), abs_tol=1e-9)


@given(st.lists(SECONDS))
def test_json_leaves_out_zeros_at_the_end_alone(values):
    told = counted(values).to_json()
    assert sum(told["counts"]) == len(values)
    assert told["counts"][-1:] != [0]
    assert told["counts"] == counted(values).counts[: len(told["counts"])]


@given(st.lists(st.floats(1e-5, 100), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_in_the_bucket_of_the_value_that_it_stands_for(values, share):
    true = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    found = quantile(counted(values).counts, share)
    place = next(at for at, bound in enumerate(BOUNDS) if true <= bound)
    assert (BOUNDS[place - 1] if place else 0.0) <= found * (1 + 1e-9)
    assert found <= BOUNDS[place] * (1 + 1e-9)


def test_quantiles_of_nothing_and_of_what_is_beyond():
    assert quantile(Histogram().counts, 0.5) == 0.0
    assert quantile(counted([1000.0]).counts, 0.5) == 100.0


def test_many_at_once_are_as_many_one_by_one():
    made = Histogram()
    made.add(0.25, 3)
    assert (made.counts, made.seconds) == (counted([0.25] * 3).counts, 0.75)
    kept = made.copy()
    made.add(0.25)
    assert sum(kept.counts) == 3
