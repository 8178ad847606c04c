"""Every promise of docs/reliability.md has a test that names it, and every test that names one finds it there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMISED = re.findall(r"^\| ([FTG]\d+) \|", (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"), re.M)


def proved():
    """The promises that tests name, with where."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "proves":
                for argument in node.args:
                    found.setdefault(argument.value, []).append(path.name)
    return found


PROVED = proved()


def test_each_is_promised_once():
    assert len(PROMISED) == len(set(PROMISED)) > 70


@pytest.mark.parametrize("name", PROMISED)
def test_a_promise_has_a_test(name):
    assert PROVED.get(name), f"no test says @pytest.mark.proves({name!r})"


def test_tests_prove_what_is_promised():
    assert PROVED.keys() <= set(PROMISED)
