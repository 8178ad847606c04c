"""Which clock is asked: what waits, expires or pauses goes by the monotonic one, which nobody can set."""

import ast

import pytest

from architecture.test_floors import MODULES, parse

WALL = {
    *("time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime"),
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
}
TOLD = {
    "zeromind.access.audit": "when something was done, for people to read",
    "zeromind.access.keyring": "keys expire by the calendar",
    "zeromind.executor.diary": "what happened to workers, for people to read",
    "zeromind.cli.keys": "when a key was made, and keys expire by the calendar",
    "zeromind.http.head": "Tornado's log of requests",
    "zeromind.observe.access": "when a request was answered, for people to read",
    "zeromind.observe.line": "the same, on a line",
    "zeromind.observe.log_settings": "when something was logged",
    "zeromind.observe.logs": "the same, as JSON",
    "zeromind.observe.spans": "when a request was answered, for people to read",
    "zeromind.observe.statistics": "when a model was last asked, for people to read",
}
"""Who may ask the other one, and what for."""


def asks_the_wall_clock(module):
    return any(
        isinstance(node, ast.Attribute) and ast.unparse(node).split(".", ast.unparse(node).count(".") - 1)[-1] in WALL
        for node in ast.walk(parse(module))
    )


@pytest.mark.proves("F19")
@pytest.mark.parametrize("module", sorted(MODULES))
def test_f19_only_what_people_read_goes_by_a_clock_that_can_be_set(module):
    if asks_the_wall_clock(module):
        assert module in TOLD


@pytest.mark.proves("F19")
def test_f19_nobody_is_excused_without_need():
    assert {module for module in MODULES if asks_the_wall_clock(module)} == set(TOLD)
