"""The language between front and worker while a model runs: small binary frames that say where in the arena the tensors lie.

Little-endian. Every frame begins with ``u32 length of the rest``. A batch (front to worker) and its answers (back) look alike:

    u8 slot, u8 more, u32 number of groups, then per group:
        u32 number of requests n, u8 flags, u32 rows and 3 x f64 seconds of its run, n x u64 rows,
        with the flag PARAMETERS: u32 length, so many bytes of JSON,
        u16 number of values, then per value:
            u16 tensor (its place in the interface), u8 media, u8 dimensions d, u64 offset in the slot, u64 bytes, d x u64 size

Of a batch, the first of the seconds are the time of the monotonic clock until which it may begin.

A group is what is answered by one run of the model: requests joined along the first dimension, or one alone; with the flag SAME it shares
its run with an earlier group, whose place in the frame stands for the rows. ``media`` 0 is a tensor in the dtype of its spec (BYTES: each
element behind its u32 length), else an encoded value of that media type. A group with the flag FAULT has one encoded value, the fault as
JSON. The receiver checks every place against the slot before it looks there.

``more`` says that the answer is one of several: of a decoupled model, whose worker then waits for a frame without groups in which
``more`` tells whether it shall go on. Its last answer has no values.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence

import numpy as np

from zeromind import datatypes
from zeromind.executor import frames
from zeromind.executor.arena import aligned
from zeromind.executor.group import Group
from zeromind.tensors import Encoded, Interface, Run, Tensor, TensorSpec

_HEAD = struct.Struct("<BBI")
_GROUP = struct.Struct("<IBIddd")
_FAULT, _SAME, _PARAMETERS, _BARE = 1, 2, 4, 8
_NO_RUN = Run(0, 0.0)
_COUNT = struct.Struct("<H")
_VALUE = struct.Struct("<HBBQQ")
_LENGTH = struct.Struct("<I")
_JSON = "application/json"


class NoRoomError(Exception):
    """The values do not fit into a slot of the arena."""


class Wire:
    """Writes and reads the frames of one interface; ``inputs`` for batches, else for answers."""

    def __init__(self, interface: Interface, inputs: bool) -> None:
        self._decoupled = interface.decoupled
        self._specs: Sequence[TensorSpec] = interface.spec.inputs if inputs else interface.spec.outputs
        self._inputs = inputs
        self._places = {spec.name: index for index, spec in enumerate(self._specs)}
        self._media = ("", _JSON, *sorted({media for types in interface.media.values() for media in types} - {_JSON}))
        self._codes = {media: code for code, media in enumerate(self._media)}

    def write(self, index: int, slot: memoryview, groups: Sequence[Group], start: int = 0, more: bool = False) -> tuple[bytes, int]:
        """The frame for groups whose values now lie in the slot from ``start`` on, and where they end.

        Raises NoRoomError if they do not fit.
        """
        parts = [_HEAD.pack(index, more, len(groups))]
        told: dict[int, int] = {}
        for number, group in enumerate(groups):
            values = {"": Encoded(_JSON, json.dumps(frames.fault_to_json(group.fault)).encode())} if group.fault else group.values
            first = number if group.run is None else told.setdefault(id(group.run), number)
            known = bool(number) and group.parameters == groups[number - 1].parameters
            parts += _start(group, None if first == number else first, known)
            parts.append(_COUNT.pack(len(values)))
            for name, value in values.items():
                place = 0 if group.fault else self._places[name]
                start = aligned(start)
                if isinstance(value, Encoded):
                    size = _put(slot, start, value.data)
                    parts.append(_VALUE.pack(place, self._codes[value.media], 0, start, size))
                else:
                    shape, size = self._put_tensor(slot, start, value, self._specs[place])
                    parts.append(_VALUE.pack(place, 0, len(shape), start, size))
                    parts.append(struct.pack(f"<{len(shape)}Q", *shape))
                start += size
        body = b"".join(parts)
        return frames.PREFIX.pack(len(body)) + body, start

    def read(self, frame: bytes | bytearray | memoryview, slots: Sequence[memoryview]) -> tuple[int, list[Group], int]:
        """The slot's index, the groups of a frame without its prefix, and where their values end; arrays are views of the slot.

        Raises FrameError.
        """
        try:
            return self._read(frame, slots)
        except (struct.error, IndexError, ValueError, OverflowError) as error:
            raise frames.FrameError(str(error)) from error

    def _read(self, frame: bytes | bytearray | memoryview, slots: Sequence[memoryview]) -> tuple[int, list[Group], int]:
        index, _, group_count = _HEAD.unpack_from(frame)
        slot, end = slots[index], 0
        at = _HEAD.size
        groups: list[Group] = []
        for _ in range(group_count):
            group, fault, at = _started(frame, at, groups)
            (value_count,) = _COUNT.unpack_from(frame, at)
            at += _COUNT.size
            for _ in range(value_count):
                place, media, dimensions, offset, size = _VALUE.unpack_from(frame, at)
                at += _VALUE.size
                shape = struct.unpack_from(f"<{dimensions}Q", frame, at)
                at += 8 * dimensions
                if offset + size > len(slot):
                    raise frames.FrameError(f"a value ends at {offset + size} of {len(slot)}")
                end = max(end, offset + size)
                if fault:
                    group.fault = frames.fault_from_json(frames.unpack(slot[offset : offset + size]))
                elif media:
                    group.values[self._specs[place].name] = Encoded(self._media[media], bytes(slot[offset : offset + size]))
                else:
                    spec = self._specs[place]
                    group.values[spec.name] = _tensor(slot, offset, size, shape, spec)
            self._check(group, fault)
            groups.append(group)
        if at != len(frame):
            raise frames.FrameError(f"a frame of {len(frame)} bytes ends at {at}")
        return index, groups, end

    def _check(self, group: Group, fault: bool) -> None:
        """Refuse a group that cannot be cut into its requests, or whose requests would lack an output."""
        if fault:
            if group.fault is None:
                raise frames.FrameError("a fault is missing")
            return
        if not self._inputs and group.run is not None:
            frames.check_run(group.run)
        if self._decoupled and not group.values:
            return
        if not self._inputs and len(group.values) != len(self._specs):
            raise frames.FrameError(f"an answer has {len(group.values)} of {len(self._specs)} values")
        if len(group.rows) == 1:
            return
        rows = sum(group.rows)
        for name, value in group.values.items():
            if isinstance(value, Encoded) or value.shape[:1] != (rows,):
                raise frames.FrameError(f"{name!r} is no tensor of {rows} rows")

    def _put_tensor(self, slot: memoryview, start: int, value: Tensor | list[Tensor], spec: TensorSpec) -> tuple[Sequence[int], int]:
        if spec.datatype == "BYTES":
            array = np.concatenate(value) if isinstance(value, list) else value
            items: list[bytes] = datatypes.as_bytes(array).reshape(-1).tolist()
            return array.shape, _put(slot, start, b"".join(part for item in items for part in (_LENGTH.pack(len(item)), item)))
        first = value[0] if isinstance(value, list) else value
        rows = sum(map(len, value)) if isinstance(value, list) else 0
        shape = (rows, *first.shape[1:]) if isinstance(value, list) else first.shape
        size = math.prod(shape) * spec.dtype.itemsize
        if start + size > len(slot):
            raise NoRoomError(f"{start + size} bytes")
        target: Tensor = np.frombuffer(slot, spec.dtype, size // spec.dtype.itemsize, start).reshape(shape)
        if isinstance(value, list):
            np.concatenate(value, out=target)
        else:
            target[...] = value
        return shape, size


def signal(index: int, go_on: bool) -> bytes:
    """The frame, with its prefix, that tells a decoupled model's worker whether to go on with the answers in a slot."""
    return frames.PREFIX.pack(_HEAD.size) + _HEAD.pack(index, go_on, 0)


def signalled(frame: bytes) -> tuple[int, bool] | None:
    """What ``signal`` packed; None for any other frame."""
    if len(frame) != frames.PREFIX.size + _HEAD.size:
        return None
    index, go_on, _ = _HEAD.unpack_from(frame, frames.PREFIX.size)
    return index, bool(go_on)


def is_partial(frame: bytes) -> bool:
    """Whether an answer's frame, with its prefix, is one of several, and not the last."""
    return bool(frame[frames.PREFIX.size + 1])


def _start(group: Group, same: int | None, known: bool) -> list[bytes]:
    """What comes before a group's values; ``same`` is an earlier group with its run, ``known``: the last one's parameters hold."""
    count = len(group.rows)
    run = (group.run or _NO_RUN) if same is None else Run(same, 0.0)
    flags = _FAULT * bool(group.fault) | _SAME * (same is not None) | _PARAMETERS * (group.parameters is not None) | _BARE * group.bare
    parts = [_GROUP.pack(count, flags, run.rows, run.infer_s, run.input_s, run.output_s), struct.pack(f"<{count}Q", *group.rows)]
    if group.parameters is not None:
        text = b"" if known else json.dumps(dict(group.parameters)).encode()
        parts += [frames.PREFIX.pack(len(text)), text]
    return parts


def _started(frame: bytes | bytearray | memoryview, at: int, before: Sequence[Group]) -> tuple[Group, bool, int]:
    """The group that begins there, behind others, without its values; whether it is a fault; and where its values begin."""
    count, flags, *numbers = _GROUP.unpack_from(frame, at)
    at += _GROUP.size
    run = before[numbers[0]].run if flags & _SAME else Run(*numbers)
    group = Group(list(struct.unpack_from(f"<{count}Q", frame, at)), {}, None, run, bare=bool(flags & _BARE))
    at += 8 * count
    if flags & _PARAMETERS:
        (size,) = frames.PREFIX.unpack_from(frame, at)
        at += frames.PREFIX.size
        group.parameters = frames.unpack(frame[at : at + size]) if size else before[-1].parameters
        at += size
    return group, bool(flags & _FAULT), at


def _put(slot: memoryview, start: int, data: bytes) -> int:
    if start + len(data) > len(slot):
        raise NoRoomError(f"{start + len(data)} bytes")
    slot[start : start + len(data)] = data
    return len(data)


def _tensor(slot: memoryview, offset: int, size: int, shape: tuple[int, ...], spec: TensorSpec) -> Tensor:
    if spec.datatype != "BYTES":
        count = math.prod(shape)
        if count * spec.dtype.itemsize != size:
            raise frames.FrameError(f"{size} bytes are no {spec.datatype} tensor of shape {shape}")
        return np.frombuffer(slot, spec.dtype, count, offset).reshape(shape)
    data, at = bytes(slot[offset : offset + size]), 0
    items = []
    while at < size:
        (length,) = _LENGTH.unpack_from(data, at)
        items.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    if at != size:
        raise frames.FrameError(f"elements of {size} bytes end at {at}")
    out = np.empty(len(items), np.object_)
    out[:] = items
    return out.reshape(shape)
