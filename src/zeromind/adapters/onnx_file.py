"""An ONNX file looked at from outside: whether it is one, and which other files it names.

Reads the protobuf wire format of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, whose field numbers these are;
nothing is copied but names, so that a model of gigabytes costs as little as a small one.
"""

from __future__ import annotations

import mmap
import stat
from pathlib import Path, PurePosixPath

from zeromind.adapters import protobuf
from zeromind.errors import ErrorKind, ZeroMindError

_MODEL_FIELDS = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_GRAPH_FIELDS = {1, 2, 5, 10, 11, 12, 13, 14, 15, 16}
_IR_VERSION, _GRAPH = 1, 7
_NEWEST_IR = 255
_INPUT, _NAME, _TYPE, _TENSOR, _SHAPE = 11, 1, 2, 1, 2

# Every road from the model to a tensor; what is not in here holds none.
_PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
}
_MOST_FIELDS = 20_000_000
_LONGEST_NAME = 4096


def is_model(head: bytes) -> bool:
    """Whether a file that begins so is an ONNX model: a ModelProto's fields, its version first, up to a graph that begins like one."""
    versioned = False
    try:
        for number, wire, start, end in protobuf.fields(head, 0, len(head), cut=True):
            if _MODEL_FIELDS.get(number) != wire:
                return False
            if number == _IR_VERSION:
                versioned = 0 < protobuf.varint(head, start, end)[0] <= _NEWEST_IR
            if number == _GRAPH:
                first = next(protobuf.fields(head, start, min(end, len(head)), cut=True), None)
                return versioned and first is not None and first[0] in _GRAPH_FIELDS and first[1] == protobuf.BYTES and first[3] <= end
    except ValueError:
        return False
    return False


def check_external_data(path: Path) -> None:
    """Raise LOAD_FAILED unless every file of tensors that the model at ``path`` names is an ordinary one beneath its folder."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            # Names are stored literally, so most models, which have no external data, need no walk.
            names = _locations(data) if data.find(b"location") >= 0 else set()
    except (ValueError, UnicodeDecodeError) as error:
        raise ZeroMindError(
            ErrorKind.LOAD_FAILED, f"{path.name} is no whole ONNX model ({error}): is it cut off or damaged?", path.name
        ) from None
    for name in sorted(names):
        fault = _fault(path.parent, name)
        if fault:
            text = f"{path.name} keeps tensors in {name!r}, which {fault}: put an ordinary file of that name beneath the model's folder"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name)


def shapeless_inputs(path: Path) -> set[str]:
    """The names of the inputs, initializers among them, whose type says nothing of their shape, not even how many dimensions it has.

    Raises ValueError for a damaged file.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found: set[str] = set()
        for info in protobuf.inner(data, [(0, len(data))], _GRAPH, _INPUT):
            names = [data[start:end] for start, end in protobuf.inner(data, [info], _NAME)]
            if not protobuf.inner(data, [info], _TYPE, _TENSOR, _SHAPE):
                found.update(name.decode() for name in names)
        return found


def _fault(folder: Path, name: str) -> str:
    parts = name.split("/")
    # A star begins the name by which ONNX Runtime means an address in memory.
    if PurePosixPath(name).is_absolute() or any(part in ("", ".", "..") for part in parts) or set(name) & set("\\:\0*"):
        return "is no plain relative name"
    try:
        status = folder.lstat()
        for count in range(1, len(parts) + 1):
            status = folder.joinpath(*parts[:count]).lstat()
            if stat.S_ISLNK(status.st_mode):
                return "is reached over a symbolic link"
    except OSError:
        return "does not exist"
    # A second hard link may be a file of someone else's, from outside the folder.
    return "" if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else "is not a regular file with one name"


def _locations(data: protobuf.Data) -> set[str]:
    names: set[str] = set()
    todo = [("model", 0, len(data))]
    count = 0
    while todo:
        kind, begin, stop = todo.pop()
        key, values = b"", []
        for number, wire, start, end in protobuf.fields(data, begin, stop):
            count += 1
            if count > _MOST_FIELDS:
                raise ValueError("it has more parts than any model")
            if wire != protobuf.BYTES:
                continue
            if kind == "external":
                text = data[start : min(end, start + _LONGEST_NAME)]
                if number == 1:
                    key = text
                elif number == 2:
                    values.append(text)
            elif number in _PARTS[kind]:
                todo.append((_PARTS[kind][number], start, end))
        if key == b"location":
            names.update(value.decode() for value in values)
    return names
