"""The life of a served model as a state machine: which step may follow which. No input or output, no clock.

LOADING ──▶ READY ──▶ DROPPING ──▶ GONE
   │                      ▲
   ├──▶ FAILED            │
   └──────────────────────┘   (dropped while it loads)
"""

from __future__ import annotations

import enum


class State(enum.Enum):
    """Where in its life a model is."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    DROPPING = "dropping"
    GONE = "gone"


_NEXT: dict[State, frozenset[State]] = {
    State.LOADING: frozenset({State.READY, State.FAILED, State.DROPPING}),
    State.READY: frozenset({State.DROPPING}),
    State.FAILED: frozenset(),
    State.DROPPING: frozenset({State.GONE}),
    State.GONE: frozenset(),
}


class Lifecycle:
    """One model's present state."""

    def __init__(self) -> None:
        self.state = State.LOADING

    def enter(self, state: State) -> None:
        """Go to a state. Raises ValueError if it cannot follow the present one."""
        if state not in _NEXT[self.state]:
            raise ValueError(f"a model that is {self.state.value} cannot become {state.value}")
        self.state = state

    def may(self, state: State) -> bool:
        """Whether a state can follow the present one."""
        return state in _NEXT[self.state]
