"""An ignored finding names its rule and says why, on the line."""

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for folder in ("src", "tests", "benchmarks", "examples") for path in (ROOT / folder).glob("**/*.py"))

MARK = re.compile(r"#\s*(noqa|type:\s*ignore|mypy:|ruff:)", re.IGNORECASE)
NOQA = re.compile(r"# noqa: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)* - \w.+")
TYPE_IGNORE = re.compile(r"# type: ignore\[[a-z-]+(, ?[a-z-]+)*\]  # ((?!noqa)\w|noqa: .+ - \w).+")


def comments(path: Path) -> Iterator[tuple[int, str]]:
    with tokenize.open(path) as stream:
        for token in tokenize.generate_tokens(stream.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def is_explained(comment: str) -> bool:
    marks = {match[1].split(":")[0].lower() for match in MARK.finditer(comment)}
    return (
        marks <= {"noqa", "type"}
        and ("noqa" not in marks or NOQA.search(comment) is not None)
        and ("type" not in marks or TYPE_IGNORE.search(comment) is not None)
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_ignore_names_a_rule_and_a_reason(path):
    assert [f"{path.name}:{line} {text}" for line, text in comments(path) if not is_explained(text)] == []


def test_the_rule_sees_what_it_forbids():
    for text in ("# noqa", "# noqa: F401", "# type: ignore", "# type: ignore[arg-type]", "# mypy: ignore-errors", "# ruff: noqa"):
        assert not is_explained(text), text
    for text in ("# noqa: F401, E501 - read by name", "# type: ignore[arg-type]  # numpy's stubs are wider", "# a word"):
        assert is_explained(text), text
