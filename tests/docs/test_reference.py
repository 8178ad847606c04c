"""The reference says what the code says, with a heading for every setting, route, error, adapter, filter, metric and command."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from zeromind import plugins
from zeromind.cli import commands
from zeromind.config.options import POOL, TASK
from zeromind.console import pages
from zeromind.errors import ErrorKind
from zeromind.http import app
from zeromind.observe.families import FAMILIES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"


def named(group, *words):
    """The words of each command, those within groups included."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield (*words, name)
        if isinstance(command, click.Group):
            yield from named(command, *words, name)


NAMES = {
    "pool": [option.key for option in POOL],
    "task": [option.key for option in TASK],
    "routes": [getattr(handler, "shown", "") or handler.route for handler in (*app.BUILT_IN, *pages.LISTED)],
    "errors": [kind.name for kind in ErrorKind],
    "adapters": list(plugins.ADAPTERS),
    "filters": list(plugins.FILTERS),
    "metrics": [family.name for family in FAMILIES],
    "commands": [" ".join(words) for words in named(commands, "zeromind")],
}


def test_the_reference_is_what_the_code_says():
    done = subprocess.run([sys.executable, "docs/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", NAMES)
def test_everything_has_its_heading(page):
    headings = re.findall(r"^##+ `(.+)`$", (FOLDER / f"{page}.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(NAMES[page]) >= 8
    assert sorted(headings) == sorted(NAMES[page])


def test_every_page_of_the_reference_is_held_to_the_code():
    assert {page.stem for page in FOLDER.glob("*.md")} == {*NAMES, "bodies"}


@pytest.mark.parametrize("page", NAMES)
def test_anchors_are_of_one_heading_each(page):
    headings = re.findall(r"^##+ (.+)$", (FOLDER / f"{page}.md").read_text(encoding="utf-8"), re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    assert len(set(anchors)) == len(anchors)
