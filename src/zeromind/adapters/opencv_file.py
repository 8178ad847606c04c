"""The files of the models that OpenCV reads: what each is, and which of them belong together.

The binary forms are protobuf's, with the field numbers of https://github.com/BVLC/caffe/blob/1.0/src/caffe/proto/caffe.proto, Torch 7's
own (its File.lua), and Darknet's (its parser.c).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from zeromind.adapters import protobuf, tensorflow_file
from zeromind.adapters.file import ModelFile
from zeromind.adapters.protobuf import BYTES, VARINT
from zeromind.errors import ErrorKind, ZeroMindError

Kind = Literal["caffemodel", "prototxt", "cfg", "weights", "torch7", "torch7 text", "graph", "pbtxt", ""]

_CAFFE = {1: {BYTES}, 2: {BYTES}, 3: {BYTES}, 4: {VARINT, BYTES}, 5: {VARINT}, 6: {BYTES}, 7: {VARINT}, 8: {BYTES}, 100: {BYTES}}
_LAYER, _OLD_LAYER = 100, 2
_IDENTIFIER = re.compile(rb"[A-Za-z_]\w{0,99}")
_TORCH7 = re.compile(rb"\x04\0\0\0....(?:\x03\0\0\0V 1)?(....)((?:nn|cunn|cudnn|fbcunn)\.\w+)", re.DOTALL)
_TORCH7_TEXT = re.compile(rb"4\n\d+\n(?:3\nV 1\n)?\d+\n(?:nn|cunn|cudnn|fbcunn)\.\w+\n")
_TEXTS: Mapping[Kind, tuple[re.Pattern[str], ...]] = {
    "cfg": (re.compile(r"\A(?:\s|[#;][^\n]*\n)*\[net(?:work)?\]"), re.compile(r"^[ \t]*\[(?!net)\w+\]", re.MULTILINE)),
    "prototxt": (
        re.compile(r"\A(?:\s|#[^\n]*\n)*(?:name|input|input_dim|input_shape|state|force_backward|debug_info|layers?)\s*[:{]"),
        re.compile(r"\blayers?\s*\{"),
        re.compile(r"\b(?:type|bottom|top)\s*:"),
    ),
    "pbtxt": (re.compile(r"\A(?:\s|#[^\n]*\n)*(?:node|library|versions)\s*\{"), re.compile(r"\bnode\s*\{"), re.compile(r"\bop\s*:")),
}
_PAIRS: Mapping[Kind, Kind] = {"caffemodel": "prototxt", "weights": "cfg", "graph": "pbtxt"}
_ALONE: tuple[Kind, ...] = ("graph", "torch7", "torch7 text")
_HALVES: tuple[Kind, ...] = ("caffemodel", "prototxt", "cfg")
_NEWEST_VERSION = 9


class _Field(NamedTuple):
    number: int
    wire: int
    value: bytes


class Parts(NamedTuple):
    """A model: the kind of its weights, the file with them, and that with the network where it is another."""

    kind: Kind
    weights: Path
    network: Path | None


def recognised(file: ModelFile) -> bool:
    """Whether it is a model or a half of one, or a folder with such; Darknet's weights say too little."""
    if file.is_marked:
        return False
    kinds = {kind_of(ModelFile(path).head) for path in file.files} if file.is_folder else {kind_of(file.head)}
    return not kinds.isdisjoint((*_ALONE, *_HALVES))


def kind_of(head: bytes) -> Kind:
    """What a file is that begins so."""
    if (match := _TORCH7.match(head)) and struct.unpack("<i", match[1])[0] == len(match[2]):
        return "torch7"
    if _TORCH7_TEXT.match(head):
        return "torch7 text"
    if _is_caffe(head):
        return "caffemodel"
    if tensorflow_file.is_graph(head):
        return "graph"
    text = "" if b"\0" in head else head.decode(errors="replace").lstrip("\ufeff")
    return next((kind for kind, patterns in _TEXTS.items() if all(pattern.search(text) for pattern in patterns)), "")


def parts_of(file: ModelFile, other: Path | None) -> Parts:
    """The files of the model, ``other`` being the one that the task names. Raises LOAD_FAILED where one is missing or there are several."""
    paths = [*(file.files if file.is_folder else [file.path]), *([other] if other else [])]
    kinds = {path: kind_of(ModelFile(path).head) for path in paths}
    networks = [path for path in kinds if kinds[path] in _PAIRS.values()]
    if other in networks:
        networks = [other]
    if any(kinds[path] == "cfg" for path in networks):
        kinds |= {path: "weights" for path in kinds if not kinds[path] and _is_darknet(path)}
    weights = [path for path in kinds if kinds[path] in (*_ALONE, *_PAIRS)]
    if other in weights:
        weights = [other]
    if len(weights) != 1 or len(networks) > 1:
        raise _refusal(file, weights, networks)
    kind = kinds[weights[0]]
    if networks and kinds[networks[0]] != _PAIRS.get(kind):
        raise _refusal(file, weights, networks)
    if not networks and kind not in _ALONE:
        raise _refusal(file, weights, networks)
    return Parts(kind, weights[0], networks[0] if networks else None)


def _refusal(file: ModelFile, weights: Sequence[Path], networks: Sequence[Path]) -> ZeroMindError:
    shown = ", ".join(path.name for path in weights) or "none", ", ".join(path.name for path in networks) or "none"
    text = (
        f"a model takes one file of weights and the one with its network, such as a caffemodel and its prototxt; {file.path.name} has the "
        f"weights {shown[0]} and the networks {shown[1]}: name the other file in the task's 'config', or put just those two into a folder"
    )
    return ZeroMindError(ErrorKind.LOAD_FAILED, text, file.path.name)


def header_bytes(path: Path) -> int:
    """How long the header of Darknet's weights is: a version, and how many pictures the training saw, a long one since 0.2."""
    with path.open("rb") as stream:
        head = stream.read(12)
    if len(head) < 12:
        return 0
    major, minor, revision = struct.unpack("<3i", head)
    if not (0 <= major <= _NEWEST_VERSION and 0 <= minor <= _NEWEST_VERSION and 0 <= revision <= _NEWEST_VERSION):
        return 0
    return 20 if 10 * major + minor >= 2 else 16


def _is_darknet(path: Path) -> bool:
    header = header_bytes(path)
    return header > 0 and path.stat().st_size > header


def _is_caffe(head: bytes) -> bool:
    """Whether it is a network of Caffe's, with at least one layer, as far as the head tells."""
    layers: Mapping[int, Callable[[Sequence[_Field]], bool]] = {_LAYER: _is_layer, _OLD_LAYER: _is_old_layer}
    found = False
    try:
        for number, wire, start, end in protobuf.fields(head, 0, len(head), cut=True):
            if wire not in _CAFFE.get(number, ()):
                return False
            if number in layers:
                if not layers[number](_part(head, start, end)):
                    return found and end > len(head)
                found = True
    except ValueError:
        return found  # the head ends somewhere
    return found


def _part(head: bytes, start: int, end: int) -> list[_Field]:
    """The fields of a message within, as far as they lie in the head; none where it is no message."""
    found: list[_Field] = []
    try:
        for number, wire, begin, stop in protobuf.fields(head, start, min(end, len(head)), cut=end > len(head)):
            found.append(_Field(number, wire, head[begin:stop]))
    except ValueError:
        return found if end > len(head) else []
    return found


def _is_layer(fields: Sequence[_Field]) -> bool:
    return any(field.number == 1 for field in fields) and any(field.number == 2 and _IDENTIFIER.fullmatch(field.value) for field in fields)


def _is_old_layer(fields: Sequence[_Field]) -> bool:
    """One of version 1, whose type is a number."""
    wires = {field.number: field.wire for field in fields}
    return wires.get(4) == BYTES and wires.get(5) == VARINT
