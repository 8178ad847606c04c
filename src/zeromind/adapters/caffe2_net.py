"""A Caffe2 net's file: whether it is one, its operators, and the blobs that its fills give.

Reads the protobuf wire format of https://github.com/pytorch/pytorch/blob/v1.0.0/caffe2/proto/caffe2.proto, whose field numbers these are.
"""

from __future__ import annotations

import dataclasses
import math
import mmap
import re
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zeromind.adapters import protobuf
from zeromind.adapters.protobuf import BYTES, FIXED32, VARINT
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor

_NET_FIELDS = {1: BYTES, 2: BYTES, 3: BYTES, 4: VARINT, 5: BYTES, 6: BYTES, 7: BYTES, 8: BYTES, 9: BYTES}
_OPERATOR_FIELDS = {**dict.fromkeys((1, 2, 3, 4, 5, 6, 7, 8, 10, 11), BYTES), 9: VARINT, 12: VARINT}
_KIND = re.compile(rb"[A-Za-z][A-Za-z0-9_]{0,99}")
_FLOAT_TAG = 5 << 3 | FIXED32

DTYPES = {1: "f4", 2: "i4", 3: "u1", 5: "?", 6: "u1", 7: "i1", 8: "u2", 9: "i2", 10: "i8", 12: "f2", 13: "f8"}
"""numpy's types of the values of ``TensorProto.DataType``."""
_FILLS = {"": "f4", "Int": "i4", "Int64": "i8", "Bool": "?", "Double": "f8", "Int16": "i2"}
_RANDOM = ("XavierFill", "MSRAFill", "GaussianFill", "UniformFill", "UniformIntFill", "UniqueUniformFill")


class Unsupported(Exception):  # noqa: N818 - no failure of ours, but what a net asks of us
    """What of an operator cannot be served, in a few words."""


@dataclasses.dataclass
class Argument:
    """A named argument of an operator: one of these."""

    f: float | None = None
    i: int | None = None
    s: bytes = b""
    floats: list[Tensor] = dataclasses.field(default_factory=list)
    ints: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Operator:
    """An OperatorDef; the device and the engine, which say where and by what it ran, are left out."""

    kind: str = ""
    inputs: list[str] = dataclasses.field(default_factory=list)
    outputs: list[str] = dataclasses.field(default_factory=list)
    arguments: dict[str, Argument] = dataclasses.field(default_factory=dict)

    def has(self, *names: str) -> bool:
        """Whether it has all these arguments."""
        return all(name in self.arguments for name in names)

    def integer(self, name: str, default: int = 0) -> int:
        """An argument that is a whole number or a truth value."""
        value = self.arguments[name].i if name in self.arguments else None
        return default if value is None else value

    def number(self, name: str, default: float) -> float:
        """An argument that is a floating number."""
        value = self.arguments[name].f if name in self.arguments else None
        return default if value is None else value

    def text(self, name: str, default: str = "") -> str:
        """An argument that is text."""
        return self.arguments[name].s.decode(errors="replace") if name in self.arguments else default

    def integers(self, name: str) -> list[int]:
        """An argument that is a list of whole numbers; empty where there is none."""
        return self.arguments[name].ints if name in self.arguments else []

    @property
    def fills(self) -> bool:
        """Whether it makes a blob of nothing."""
        return not self.inputs and self.kind.endswith("Fill")

    def filled(self) -> Tensor:
        """The blob that a fill makes. Raises Unsupported for one of chance, or whose values are not all there."""
        if self.kind in _RANDOM:
            raise Unsupported(f"{self.kind} of {self.outputs[0]!r} (random numbers are no trained weights: save the net after training)")
        shape = self.integers("shape")
        if self.kind == "ConstantFill":
            value = self.arguments.get("value", Argument(f=0.0))
            dtype = DTYPES.get(self.integer("dtype", 1 if value.i is None else 2), "f4")
            return np.full(shape, value.f if value.i is None else value.i, dtype)
        dtype = _FILLS.get(self.kind.removeprefix("GivenTensor").removesuffix("Fill"), "")
        if not self.kind.startswith("GivenTensor") or not dtype:
            raise Unsupported(self.kind)
        given = self.arguments.get("values", Argument())
        values = np.concatenate(given.floats) if given.floats else np.array(given.ints, np.int64)
        if math.prod(shape) != len(values):
            raise Unsupported(f"{self.kind} of {self.outputs[0]!r} ({len(values)} values do not fill its shape {shape})")
        return values.astype(dtype, copy=False).reshape(shape)


@dataclasses.dataclass
class Net:
    """A NetDef."""

    operators: list[Operator] = dataclasses.field(default_factory=list)
    inputs: list[str] = dataclasses.field(default_factory=list)
    outputs: list[str] = dataclasses.field(default_factory=list)

    @property
    def fills_only(self) -> bool:
        """Whether it is one that initialises a workspace."""
        return all(not operator.inputs for operator in self.operators)


def is_net(head: bytes) -> bool:
    """Whether a file that begins so is a NetDef with at least one operator."""
    found = False
    try:
        for number, wire, start, end in protobuf.fields(head, 0, len(head), cut=True):
            if _NET_FIELDS.get(number) != wire:
                return False
            if number in (1, 3, 7, 8) and end <= len(head) and not _is_name(head[start:end]):
                return False
            if number == 2:
                judged = _is_operator(head, start, end)
                if judged is False:
                    return False
                found = found or judged is True
    except ValueError:
        return found  # the head ends somewhere
    return found


def read(path: Path) -> Net:
    """The net in a file. Raises LOAD_FAILED where it is damaged."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            net = Net()
            for number, _, start, end in protobuf.fields(data, 0, len(data)):
                if number == 2:
                    net.operators.append(_operator(data, start, end))
                elif number in (7, 8):
                    (net.inputs if number == 7 else net.outputs).append(data[start:end].decode())
            return net
    except (ValueError, struct.error) as error:
        text = f"{path.name} is no whole Caffe2 net ({error}): is it cut off or damaged?"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, path.name) from None


def _is_operator(head: bytes, start: int, end: int) -> bool | None:
    """Whether it is an OperatorDef; None where the head ends before it tells."""
    kind = False
    try:
        for number, wire, begin, stop in protobuf.fields(head, start, min(end, len(head)), cut=end > len(head)):
            if _OPERATOR_FIELDS.get(number) != wire:
                return False
            whole = stop <= len(head)
            if whole and ((number in (1, 2) and not _is_name(head[begin:stop])) or (number == 4 and not _KIND.fullmatch(head[begin:stop]))):
                return False
            kind = kind or (number == 4 and whole)
    except ValueError:
        return (kind or None) if end > len(head) else False
    return kind or (None if end > len(head) else False)


def _is_name(text: bytes) -> bool:
    try:
        return text.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _operator(data: protobuf.Data, start: int, end: int) -> Operator:
    operator = Operator()
    for number, wire, begin, stop in protobuf.fields(data, start, end):
        if wire != BYTES:
            continue
        if number in (1, 2):
            (operator.inputs if number == 1 else operator.outputs).append(data[begin:stop].decode())
        elif number == 4:
            operator.kind = data[begin:stop].decode()
        elif number == 5:
            name, argument = _argument(data, begin, stop)
            operator.arguments[name] = argument
    return operator


def _argument(data: protobuf.Data, position: int, end: int) -> tuple[str, Argument]:
    name, argument = "", Argument()
    while position < end:
        number, wire, start, stop = next(protobuf.fields(data, position, end))
        if number == 1 and wire == BYTES:
            name = data[start:stop].decode()
        elif number == 2 and wire == FIXED32:
            argument.f = struct.unpack("<f", data[start:stop])[0]
        elif number == 3 and wire == VARINT:
            argument.i = _signed(protobuf.varint(data, start, end)[0])
        elif number == 4 and wire == BYTES:
            argument.s = data[start:stop]
        elif number == 5 and wire == FIXED32:
            floats = _floats(data, start - 1, end)
            argument.floats.append(floats)
            stop = start - 1 + 5 * len(floats)
        elif number == 5 and wire == BYTES:
            argument.floats.append(np.frombuffer(data[start:stop], "<f4"))
        elif number == 6 and wire == VARINT:
            argument.ints.append(_signed(protobuf.varint(data, start, end)[0]))
        elif number == 6 and wire == BYTES:
            argument.ints += _packed(data, start, stop)
        position = stop
    return name, argument


def _floats(data: protobuf.Data, start: int, end: int) -> Tensor:
    """The numbers from here on, each of which stands behind a tag of its own: too many to walk, but all five bytes apart."""
    block = np.frombuffer(data, np.uint8, (end - start) // 5 * 5, start).reshape(-1, 5)
    others = block[:, 0] != _FLOAT_TAG
    count = int(others.argmax()) if others.any() else len(block)
    # A field's number may be written in more bytes than it takes.
    return block[: max(count, 1), 1:].copy().view("<f4").reshape(-1)


def _packed(data: protobuf.Data, position: int, end: int) -> Sequence[int]:
    values = []
    while position < end:
        value, position = protobuf.varint(data, position, end)
        values.append(_signed(value))
    return values


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
