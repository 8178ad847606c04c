"""OpenVINO's IR looked at from outside: an XML file whose root is ``<net>``, and the file of weights that belongs to it.

Nothing parses the XML here but one pattern for its beginning, which knows neither entities nor document types.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from zeromind.adapters import spec_file
from zeromind.adapters.file import ModelFile

_BETWEEN = rb"(?:\s|<!--(?:(?!-->).)*-->)*"
_ATTRIBUTE = rb"""\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*')"""
_BEGINNING = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:<\?xml\s[^<>]*>)?" + _BETWEEN + rb"<net((?:" + _ATTRIBUTE + rb")+)\s*>" + _BETWEEN + rb"<layers[\s/>]", re.DOTALL
)
_VERSION = re.compile(rb"""\sversion\s*=\s*["']1\d["']""")
"""Version 10 is the oldest that OpenVINO still reads: https://docs.openvino.ai/2025/documentation/openvino-ir-format.html"""


class Parts(NamedTuple):
    """The two files of an IR; one without constants needs no weights."""

    xml: Path
    weights: Path | None


def parts(file: ModelFile) -> Parts | None:
    """The IR that is the file, or the only one in the folder; None where there is none. Raises OSError where it cannot be read."""
    if not file.is_folder:
        return Parts(file.path, _beside(file.path)) if is_ir(file.head) else None
    if file.is_marked:
        return None
    files = [path for path in file.files if path.name not in (spec_file.INPUTS, spec_file.OUTPUTS)]
    found = [path for path in _candidates(files) if is_ir(ModelFile(path).head)]
    if len(found) != 1:
        return None
    xml = found[0]
    others = [path for path in files if path != xml]
    return Parts(xml, _beside(xml) or (others[0] if len(others) == 1 else None))


def is_ir(head: bytes) -> bool:
    """Whether a file that begins so is an IR of version 10 or later."""
    match = _BEGINNING.match(head)
    return match is not None and _VERSION.search(match[1]) is not None


def _candidates(files: Sequence[Path]) -> Sequence[Path]:
    """Those named like XML; of two files either."""
    return [path for path in files if path.suffix.lower() == ".xml"] or (files if len(files) <= len(Parts._fields) else ())


def _beside(xml: Path) -> Path | None:
    """The weights with the XML's name: of ``model.xml`` in ``model.bin``, of ``model`` likewise."""
    path = xml.with_suffix(".bin")
    return path if path != xml and path.is_file() else None
