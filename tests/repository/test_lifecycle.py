"""The life of a model: which step may follow which."""

import itertools

import pytest

from zeromind.repository.lifecycle import Lifecycle, State

ALLOWED = {
    (State.LOADING, State.READY), (State.LOADING, State.FAILED), (State.LOADING, State.DROPPING),
    (State.READY, State.DROPPING), (State.DROPPING, State.GONE),
}  # fmt: skip


@pytest.mark.parametrize(("first", "second"), list(itertools.product(State, State)))
def test_only_the_drawn_steps_are_possible(first, second):
    life = Lifecycle()
    life.state = first
    if (first, second) in ALLOWED:
        assert life.may(second)
        life.enter(second)
        assert life.state is second
    else:
        assert not life.may(second)
        with pytest.raises(ValueError, match=first.value):
            life.enter(second)
        assert life.state is first


def test_a_model_begins_by_loading():
    assert Lifecycle().state is State.LOADING
