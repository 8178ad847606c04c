"""When requests fall due."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.bench.schedule import ALWAYS, KINDS, NEVER, Schedule, arrivals

RATES = st.floats(0.1, 1000)
SECONDS = st.floats(0, 10)


@given(st.sampled_from(KINDS), RATES, SECONDS, st.integers(0, 9))
def test_arrivals_are_as_many_as_asked_for_in_order_and_in_time(kind, rate, seconds, seed):
    times = arrivals(kind, rate, seconds, np.random.default_rng(seed))
    assert len(times) == round(rate * seconds)
    assert (np.diff(times) >= 0).all()
    assert not len(times) or (times[0] >= 0 and times[-1] < seconds)


def test_constant_arrivals_are_evenly_spaced():
    assert arrivals("constant", 4, 1, np.random.default_rng()).tolist() == [0, 0.25, 0.5, 0.75]


def test_poisson_arrivals_have_gaps_that_vary_as_much_as_they_last():
    gaps = np.diff(arrivals("poisson", 1000, 20, np.random.default_rng(1)))
    assert gaps.mean() == pytest.approx(1e-3, rel=0.05)
    assert gaps.std() == pytest.approx(1e-3, rel=0.05), "of an exponential distribution the deviation is the mean"


def test_no_other_arrivals():
    with pytest.raises(ValueError, match="poisson or constant"):
        arrivals("burst", 1, 1, np.random.default_rng())


def test_requests_are_taken_in_their_order():
    schedule = Schedule(np.array([1.0, 2.0, 3.0]))
    assert [(schedule.next_due, schedule.take(9)) for _ in range(3)] == [(1, 1), (2, 2), (3, 3)]
    assert schedule.next_due == NEVER


@given(st.lists(st.integers(0, 20), max_size=10), st.integers(0, 10), st.integers(-1, 21))
def test_behind_are_those_due_and_not_taken_and_a_cut_leaves_only_them(times, taken, now):
    times = sorted(times)
    schedule = Schedule(np.array(times, float))
    for _ in times[:taken]:
        schedule.take(now)
    rest = [time for time in times[taken:] if time <= now]
    assert schedule.behind(now).tolist() == rest
    schedule.cut(now)
    left = []
    while schedule.next_due != NEVER:
        left.append(schedule.take(now))
    assert left == rest


@given(st.lists(st.integers(0, 20), max_size=10), st.integers(0, 10), st.integers(-1, 21))
def test_skipping_leaves_what_is_due_later(times, taken, until):
    times = sorted(times)
    schedule = Schedule(np.array(times, float))
    for _ in times[:taken]:
        schedule.take(20)
    schedule.skip(until)
    assert schedule.behind(20).tolist() == [time for time in times[taken:] if time >= until]


def test_without_times_a_request_is_always_due_until_the_cut():
    schedule = Schedule()
    assert schedule.next_due == ALWAYS
    assert [schedule.take(now) for now in (3, 4)] == [3, 4]
    schedule.skip(9)
    assert schedule.take(9) == 9
    assert schedule.behind(9).size == 0
    schedule.cut(NEVER)
    assert schedule.next_due == NEVER
