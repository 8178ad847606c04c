"""Pauses between the lives of a worker: they grow, are bounded, and are forgotten when it does its work again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.executor.backoff import FIRST_PAUSE_S, LONGEST_PAUSE_S, MOST_DEATHS, Backoff

DAY_S = 86400.0


@pytest.mark.proves("F18", "F19")
@given(st.lists(st.tuples(st.floats(0, 2 * DAY_S), st.booleans()), max_size=40))
def test_f18_pauses_are_bounded_and_the_breaker_opens_after_deaths_in_a_row_only(lives):
    """``lives`` are how long each lasted and whether it answered anything."""
    now, row = 0.0, 0
    made = Backoff(lambda: now)
    for lasted, served in lives:
        made.started()
        now += lasted
        pause = made.died(served)
        row = 1 if served or lasted > 60 else row + 1
        assert 0.7 * FIRST_PAUSE_S < pause <= LONGEST_PAUSE_S
        assert (made.deaths, made.broken) == (row, row >= MOST_DEATHS)
        if row == 1:
            assert pause < 2 * FIRST_PAUSE_S
        now += pause


def test_pauses_double_and_differ():
    made = Backoff(lambda: 0.0)
    pauses = [made.died(served=False) for _ in range(20)]
    assert pauses[5] > 10 * pauses[0]
    assert max(pauses) <= LONGEST_PAUSE_S
    assert len({Backoff(lambda: 0.0).died(served=False) for _ in range(9)}) > 1, "not all in the same instant"
