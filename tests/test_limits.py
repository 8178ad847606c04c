"""Limits stand in one place: every one is held somewhere, and no module has one of its own."""

import dataclasses
import re
from pathlib import Path

import pytest

from zeromind import limits

SOURCE = Path(limits.__file__).parent
TEXT = {path: path.read_text() for path in SOURCE.rglob("*.py") if path.name != "limits.py"}
GROUPS = [value for value in vars(limits).values() if isinstance(value, type) and dataclasses.is_dataclass(value)]
# What clients send passes through these; adapters have bounds of their own on the headers of model files.
WIRES = ("codecs", "http", "grpc", "regions.py", "pictures.py", "strictjson.py", "filters", "repository")


@pytest.mark.parametrize(("group", "field"), [(group, field.name) for group in GROUPS for field in dataclasses.fields(group)])
def test_every_limit_is_held_somewhere(group, field):
    names = [name for name, value in vars(limits).items() if type(value) is group] or [r"limits", r"_limits", r"self"]
    pattern = re.compile(rf"\b(?:{'|'.join(names)})\.{field}\b")
    assert any(pattern.search(text) for text in TEXT.values()), f"{group.__name__}.{field}"


def test_no_wire_has_a_limit_of_its_own():
    # What is kept (frames, heads, codecs) is bounded where it is kept: that is no limit on what may be sent.
    kept = {
        f"_MOST_{name}" for name in ("HEADS", "SEEN", "HEAD_BYTES", "CODECS", "FRAMES", "FRAME_BYTES", "BLOCKS", "BLOCK_BYTES", "DROPPED")
    }
    kept |= {f"_MOST_{name}" for name in ("WINDOW", "SEARCHED", "ACCEPTED", "DEFLATED_BYTES", "TIMEOUT_S", "BLOCK_FRAMES")}
    kept |= {"_MOST_NAMED", "_LONGEST_NAME", "_MOST_SHOWN", "_MOST_CHARACTERS"}  # of what errors say by way of help
    found = {
        name
        for path, text in TEXT.items()
        if path.relative_to(SOURCE).parts[0] in WIRES
        for name in re.findall(r"^(_?(?:MOST|MAX|LONGEST)_\w+) =", text, re.M)
    }
    assert found <= kept, found - kept
