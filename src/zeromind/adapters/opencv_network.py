"""What the files of a network tell of its inputs: their names and, as OpenCV takes them, channels first, their shapes."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, Union

from zeromind.adapters import protobuf
from zeromind.adapters.opencv_file import Parts
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Shape

Message: TypeAlias = Sequence[tuple[str, Union[str, "Message"]]]
Inputs: TypeAlias = Mapping[str, Shape | None]

_TOKEN = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{}\[\]<>:,;]|[^\s{}\[\]<>:,;#"']+""")
_MOST_BYTES = 64 << 20
_DARKNET_INPUT = "data"
_SIZE = re.compile(r"^[ \t]*(width|height|channels)\s*=\s*(\d+)", re.MULTILINE)


def inputs_of(parts: Parts) -> Inputs:
    """The inputs by name, None for a shape that the files do not tell; none at all for Torch 7's. Raises LOAD_FAILED for damage."""
    path = parts.network or parts.weights
    try:
        if parts.kind == "weights":
            return _darknet(_text(path))
        if parts.kind == "caffemodel":
            return _caffe(parse(_text(path)))
        if parts.kind == "graph":
            return _described(parse(_text(parts.network))) if parts.network else _graph(parts.weights)
    except (ValueError, IndexError, RecursionError) as error:
        text = f"{path.name} does not describe a network ({error}): is it cut off or damaged?"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, path.name) from None
    return {}


def parse(text: str) -> Message:
    """A message in protobuf's text format (protobuf.dev/reference/protobuf/textformat-spec). Raises ValueError for what is none."""
    stack: list[list[tuple[str, str | Message]]] = [[]]
    key, listed = "", False
    for part in _TOKEN.findall(text):
        if part[0] in "#:,;":
            continue
        if part in "[]":
            listed = part == "["
            key = key if listed else ""
        elif part in "{<":
            inner: list[tuple[str, str | Message]] = []
            stack[-1].append((key, inner))
            stack.append(inner)
            key = ""
        elif part in "}>":
            stack.pop()
            if not stack:
                raise ValueError("a bracket too many")
        elif not key:
            key = part
        else:
            stack[-1].append((key, part[1:-1] if part[0] in "\"'" else part))
            key = key if listed else ""
    if len(stack) > 1:
        raise ValueError("a bracket is open at its end")
    return stack[0]


def _text(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(_MOST_BYTES).decode(errors="replace")


def _all(message: Message, *path: str) -> list[str | Message]:
    """The values to which a path of field names leads."""
    found: list[str | Message] = [message]
    for name in path:
        found = [value for inner in found if not isinstance(inner, str) for key, value in inner if key == name]
    return found


def _texts(message: Message, *path: str) -> list[str]:
    return [value for value in _all(message, *path) if isinstance(value, str)]


def _messages(message: Message, *path: str) -> list[Message]:
    return [value for value in _all(message, *path) if not isinstance(value, str)]


def _sizes(shape: Message) -> Shape:
    return _opened(int(size) for size in _texts(shape, "dim"))


def _caffe(network: Message) -> Inputs:
    names = _texts(network, "input")
    shapes: list[Shape] = [_sizes(shape) for shape in _messages(network, "input_shape")]
    if not shapes:
        sizes = [int(size) for size in _texts(network, "input_dim")]
        shapes = [_opened(sizes[at : at + 4]) for at in range(0, len(sizes), 4)]
    for layer in [*_messages(network, "layer"), *_messages(network, "layers")]:
        if "Input" in _texts(layer, "type"):
            tops = _texts(layer, "top")
            given = [_sizes(shape) for shape in _messages(layer, "input_param", "shape")]
            names += tops
            shapes += given * len(tops) if len(given) == 1 else given
    return {name: shapes[at] if at < len(shapes) and shapes[at] else None for at, name in enumerate(names)}


def _darknet(text: str) -> Inputs:
    first = re.split(r"^[ \t]*\[", text, maxsplit=2, flags=re.MULTILINE)[1]
    sizes = {name: int(size) for name, size in _SIZE.findall(first)}
    known = all(sizes.get(name) for name in ("channels", "height", "width"))
    return {_DARKNET_INPUT: (1, sizes["channels"], sizes["height"], sizes["width"]) if known else None}


def _described(graph: Message) -> Inputs:
    """The placeholders of a GraphDef in text."""
    found: dict[str, Shape | None] = {}
    channels_first = "NCHW" in str(graph) and "NHWC" not in str(graph)
    for node in _messages(graph, "node"):
        if "Placeholder" in _texts(node, "op"):
            attributes = {
                name: value
                for attribute in _messages(node, "attr")
                for name in _texts(attribute, "key")
                for value in _messages(attribute, "value")
            }
            sizes = [int(size) for size in _texts(attributes.get("shape", []), "shape", "dim", "size")]
            found.update({name: _ordered(sizes, channels_first) for name in _texts(node, "name")})
    return found


def _graph(path: Path) -> Inputs:
    """The placeholders of a GraphDef.

    Its nodes are field 1, of a node name, operator and attributes 1, 2 and 5, of an attribute key and value 1 and 2, of the value the
    shape 7, of that the dimensions 2, of these the size 1.
    """
    found: dict[str, Shape | None] = {}
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        channels_first = data.find(b"NCHW") >= 0 > data.find(b"NHWC")
        for node in protobuf.inner(data, [(0, len(data))], 1):
            if [data[start:end] for start, end in protobuf.inner(data, [node], 2)] != [b"Placeholder"]:
                continue
            ((start, end),) = protobuf.inner(data, [node], 1)
            sizes = []
            for attribute in protobuf.inner(data, [node], 5):
                if [data[begin:stop] for begin, stop in protobuf.inner(data, [attribute], 1)] == [b"shape"]:
                    sizes = [_size(data, span) for span in protobuf.inner(data, [attribute], 2, 7, 2)]
            found[data[start:end].decode()] = _ordered(sizes, channels_first)
    return found


def _size(data: protobuf.Data, span: protobuf.Span) -> int:
    values = [protobuf.varint(data, start, end)[0] for number, _, start, end in protobuf.fields(data, *span) if number == 1]
    return values[0] if values else 0


def _ordered(sizes: Sequence[int], channels_first: bool) -> Shape | None:
    """A shape as OpenCV takes it: TensorFlow has the channels of pictures last."""
    shape = _opened(sizes)
    return ((shape[0], shape[3], shape[1], shape[2]) if len(shape) == 4 and not channels_first else shape) or None


def _opened(sizes: Iterable[int]) -> Shape:
    """A shape in which sizes of nothing and below are open."""
    return tuple(size if 0 < size < 1 << 31 else None for size in sizes)
