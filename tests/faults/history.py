"""Is there one order in which what concurrent clients saw of one id makes sense? A search after Wing and Gong (1993).

The id is ABSENT, LOADING (by some operation), PRESENT (in some version) or DROPPING. Every operation takes effect in one or two steps
between its start and its end; which steps there are depends on how it was answered.
"""

from __future__ import annotations

import dataclasses

ABSENT, LOADING, PRESENT, DROPPING = "absent", "loading", "present", "dropping"
CANCELLED = "cancelled"
NOTHING = (ABSENT, None)


@dataclasses.dataclass(eq=False)
class Operation:
    """What a client did and was told: ``result`` is "ok", "conflict", "cancelled" or "missing", of a prediction the version."""

    client: int
    kind: str
    start: float
    end: float = 0.0
    result: object = None
    version: int | None = None
    """Of what a load loads."""


def moves(operation, step, state, others):
    """The states after the operation's next step, each with whether that was its last; ``others`` overlap with it."""
    match operation.kind:
        case "predict" | "ready":
            return [(state, True)] if _sees(operation, *state) else []
        case "load" | "reload":
            return _loads(operation, step, state)
        case "drop" | "unload":
            return _drops(operation, step, state, others)
    raise AssertionError(operation)


def _only_looks(operation):
    return operation.kind in ("predict", "ready") or operation.result in ("missing", "conflict")


def _absent(phase, what):
    """Whether nobody need see the id: a load that was given up was never there."""
    return phase in (ABSENT, DROPPING) or (phase is LOADING and what.result == CANCELLED)


def _sees(operation, phase, what):
    if operation.result == "missing":
        return _absent(phase, what) or (operation.kind == "ready" and phase is LOADING)
    return phase is PRESENT and (operation.kind == "ready" or what == operation.result)


def _loads(operation, step, state):
    phase, result = state[0], operation.result
    done = (PRESENT, operation.version) if result == "ok" else NOTHING
    if result == "conflict":
        return [(state, True)] if phase is not ABSENT else []
    if step:
        return [(done, True)] if state == (LOADING, operation) else []
    found = [((LOADING, operation), False)] if phase is ABSENT else []
    if result == CANCELLED:
        found.append((state, True))
    elif operation.kind == "reload" and phase is PRESENT:
        found.append((done, True))
    return found


def _drops(operation, step, state, others):
    phase = state[0]
    if operation.result == "missing":
        return [(state, True)] if _absent(*state) else []
    if step:
        return [(NOTHING if state == (DROPPING, operation) else state, True)]
    if phase is PRESENT:
        return [((DROPPING, operation), operation.kind == "unload")]
    gave_up = any(other.result == CANCELLED for other in others)
    return [(state, True)] if _absent(*state) and (operation.kind == "unload" or gave_up) else []


def explain(operations):
    """Nothing if there is such an order, else how far it goes: the operations at which each client stands where most are explained."""
    clients = [[] for _ in range(1 + max(operation.client for operation in operations))]
    for operation in sorted(operations, key=lambda operation: operation.start):
        clients[operation.client].append(operation)
    overlapping = {id(one): [o for o in operations if o is not one and o.start < one.end and one.start < o.end] for one in operations}
    for one in operations:
        if one.result == CANCELLED and not any(o.kind in ("drop", "unload") for o in overlapping[id(one)]):
            return one
    start = (tuple((0, 0) for _ in clients), NOTHING)
    seen, todo, furthest = set(), [start], (0, start)
    while todo:
        places, state = todo.pop()
        key = (places, state[0], id(state[1]) if isinstance(state[1], Operation) else state[1])
        if key in seen:
            continue
        seen.add(key)
        done = sum(at for at, _ in places)
        furthest = max(furthest, (done, (places, state)), key=lambda found: found[0])
        current = [(client, clients[client][at], step) for client, (at, step) in enumerate(places) if at < len(clients[client])]
        if not current:
            return None
        if state[0] is DROPPING:
            todo.append((places, NOTHING))
        first_end = min(operation.end for _, operation, _ in current)
        for client, operation, step in current:
            if operation.start > first_end:
                continue
            found = moves(operation, step, state, overlapping[id(operation)])
            for after, last in found:
                place = (places[client][0] + 1, 0) if last else (places[client][0], step + 1)
                todo.append(((*places[:client], place, *places[client + 1 :]), after))
            if found and _only_looks(operation):
                break  # nothing speaks against doing now what changes nothing
    places, state = furthest[1]
    return state, [clients[client][at] for client, (at, _) in enumerate(places) if at < len(clients[client])]
