"""Where the tensors of a batch lie when the model's interface alone decides: then a frame need only say how many rows there are.

    u32 length of the rest, u8 slot, u8 0, u32 0 (a frame of ``executor.wire`` has groups), u32 rows, f64 seconds of the model, of what
    came before it, of what came after; of a batch, the first of these is the time of the monotonic clock until which it may begin

The inputs lie one behind the other from the slot's beginning, each aligned, the outputs behind them. Both sides keep the arrays that
look at these places, so that a batch costs neither of them anything but its copy.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence

import numpy as np

from zeromind.executor.arena import aligned
from zeromind.tensors import Interface, Run, Tensor, TensorSpec

_FRAME = struct.Struct("<IBBIIddd")
_HEAD = struct.Struct("<IBBI")
_RUN = struct.Struct("<Iddd")
SIZE = _FRAME.size
_REST = SIZE - 4
_MOST_KEPT = 1024

Places = tuple[dict[str, Tensor], dict[str, Tensor], int]
"""The arrays of a batch's inputs and outputs in a slot, and where these end."""


class Layout:
    """The places of one interface's tensors in the slots of an arena."""

    def __init__(self, interface: Interface, slots: Sequence[memoryview]) -> None:
        self._spec = interface.spec
        self._slots = slots
        self._known: dict[tuple[int, int], Places] = {}

    @staticmethod
    def decides(interface: Interface) -> bool:
        """Whether the interface does: every tensor is of numbers and of known size, but for its rows, which are the batch's."""
        tensors = (*interface.spec.inputs, *interface.spec.outputs)
        return interface.uniform and all(map(_of_known_size, tensors))

    def places(self, slot: int, rows: int) -> Places | None:
        """Where a batch of so many rows lies; None if it does not fit."""
        places = self._known.get((slot, rows))
        if places is None:
            inputs, end = self._lay(self._spec.inputs, slot, rows, 0)
            outputs, end = self._lay(self._spec.outputs, slot, rows, end)
            if end > len(self._slots[slot]):
                return None
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            places = self._known[slot, rows] = inputs, outputs, end
        return places

    def _lay(self, specs: Sequence[TensorSpec], slot: int, rows: int, start: int) -> tuple[dict[str, Tensor], int]:
        laid: dict[str, Tensor] = {}
        memory = self._slots[slot]
        for spec in specs:
            start = aligned(start)
            shape = (rows, *spec.shape[1:])
            count = math.prod(shape)  # type: ignore[arg-type]  # sizes are known
            if start + count * spec.dtype.itemsize <= len(memory):
                laid[spec.name] = np.frombuffer(memory, spec.dtype, count, start).reshape(shape)
            start += count * spec.dtype.itemsize
        return laid, start


def pack(slot: int, rows: int, infer_s: float = 0.0, input_s: float = 0.0, output_s: float = 0.0) -> bytes:
    """The frame."""
    return _FRAME.pack(_REST, slot, 0, 0, rows, infer_s, input_s, output_s)


def unpack(frame: bytes) -> tuple[int, Run] | None:
    """Slot and run of a frame with its prefix; None if it is another one."""
    if len(frame) != SIZE:
        return None
    _, slot, _, groups = _HEAD.unpack_from(frame)
    return None if groups else (slot, Run._make(_RUN.unpack_from(frame, _HEAD.size)))


def fits(outputs: Mapping[str, Tensor], places: Mapping[str, Tensor]) -> bool:
    """Whether the outputs are of the shapes that the interface promises."""
    return all(outputs[name].shape == place.shape for name, place in places.items())


def _of_known_size(spec: TensorSpec) -> bool:
    return spec.datatype != "BYTES" and bool(spec.shape) and None not in spec.shape[1:]
