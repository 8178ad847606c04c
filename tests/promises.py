"""Which promises the tests hold the server to, and how long each took to hold: a plugin of pytest's.

``@pytest.mark.proves("F1", "G2")`` names the promises of docs/reliability.md that a test proves. ``--promises`` prints them all when the
run ends, with ``--night`` the long runs have their full size.
"""

from __future__ import annotations

import collections
import re
from pathlib import Path

import pytest

FAULTS = Path(__file__).parent / "faults"
_VERDICTS = ("failed", "passed", "skipped")


def pytest_addoption(parser):
    group = parser.getgroup("promises")
    group.addoption("--promises", action="store_true", help="run the tests that prove a promise, and print id, result and seconds of each")
    group.addoption("--night", action="store_true", help="give long runs their full size")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if FAULTS in item.path.parents:
            item.add_marker(pytest.mark.faults)
    if config.getoption("--promises"):
        others = [item for item in items if not _promises(item)]
        items[:] = [item for item in items if _promises(item)]
        config.hook.pytest_deselected(items=others)


def _promises(item):
    return [name for mark in item.iter_markers("proves") for name in mark.args]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.promises = _promises(item)
    return report


def pytest_terminal_summary(terminalreporter, config):
    if not config.getoption("--promises"):
        return
    seconds: dict[str, float] = collections.defaultdict(float)
    counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for verdict in (*_VERDICTS, "error"):
        for report in terminalreporter.getreports(verdict):
            for name in getattr(report, "promises", ()):
                counts[name]["failed" if verdict == "error" else verdict] += 1
                seconds[name] += getattr(report, "duration", 0.0)
    terminalreporter.section("promises")
    for name in sorted(counts, key=_order):
        result = next(verdict for verdict in _VERDICTS if counts[name][verdict])
        told = ", ".join(f"{counts[name][verdict]} {verdict}" for verdict in _VERDICTS if counts[name][verdict])
        terminalreporter.write_line(f"{name:<4} {result:<8} {seconds[name]:7.1f} s  {told}")


def _order(name):
    letter, number = re.fullmatch(r"([A-Z])(\d+)", name).groups()
    return letter, int(number)


@pytest.fixture(scope="session")
def size(pytestconfig):
    """A function: the first number, or with ``--night`` the second."""
    return lambda ci, night: night if pytestconfig.getoption("--night") else ci
