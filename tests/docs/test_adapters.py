"""docs/adapters.md speaks of every adapter, and of what its extra installs."""

import re
from pathlib import Path

from zeromind.plugins import ADAPTERS

ROOT = Path(__file__).parents[2]


def test_every_adapter_stands_in_the_table():
    text = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
    table = "\n".join(line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `") and "model_type" not in line)
    assert set(re.findall(r"`(\w+)`", table)) == set(ADAPTERS)


def test_every_adapter_has_its_extra():
    extras = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(ADAPTERS) - {"python"} <= set(extras)
