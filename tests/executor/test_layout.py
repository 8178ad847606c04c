"""Places in a slot that both sides know without being told."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind import datatypes
from zeromind.executor import frames, layout
from zeromind.executor.arena import ALIGNMENT
from zeromind.executor.group import Group
from zeromind.executor.layout import Layout
from zeromind.executor.wire import Wire
from zeromind.tensors import Interface, ModelSpec, Run, TensorSpec

NUMBERS = [name for name in datatypes.NUMPY_OF if name != "BYTES"]
SPECS = st.lists(st.tuples(st.sampled_from(NUMBERS), st.lists(st.integers(0, 4), max_size=3)), min_size=1, max_size=3)


def interface(inputs, outputs, **more):
    sides = (
        [TensorSpec(f"{side}{at}", kind, (None, *tail)) for at, (kind, tail) in enumerate(of)]
        for side, of in (("x", inputs), ("y", outputs))
    )
    return Interface(ModelSpec(*map(tuple, sides), more.pop("batches", True)), "test", **more)


X, Y = [("FP32", [4])], [("FP32", [3])]


@given(SPECS, SPECS, st.integers(0, 5))
def test_tensors_lie_apart_and_aligned_and_as_their_specs_say(inputs, outputs, rows):
    made = interface(inputs, outputs)
    assert Layout.decides(made)
    memory = [memoryview(bytearray(1 << 16)) for _ in range(2)]
    laid_in, laid_out, end = Layout(made, memory).places(1, rows)
    spans = []
    for spec, array in itertools.chain(
        zip(made.spec.inputs, laid_in.values(), strict=True), zip(made.spec.outputs, laid_out.values(), strict=True)
    ):
        assert (array.dtype, array.shape) == (spec.dtype, (rows, *spec.shape[1:]))
        start = array.__array_interface__["data"][0] - np.frombuffer(memory[1], np.uint8).__array_interface__["data"][0]
        assert start % ALIGNMENT == 0 or not array.size
        spans.append((start, start + array.nbytes))
    filled = [span for span in spans if span[0] < span[1]]
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(filled))
    assert all(stop <= end for _, stop in filled)


def test_both_sides_see_the_same_memory():
    memory = [memoryview(bytearray(1 << 12))]
    front, worker = Layout(interface(X, Y), memory), Layout(interface(X, Y), memory)
    front.places(0, 2)[0]["x0"][...] = [[1, 2, 3, 4], [5, 6, 7, 8]]
    worker.places(0, 2)[1]["y0"][...] = worker.places(0, 2)[0]["x0"][:, :3] * 2
    assert front.places(0, 2)[1]["y0"].tolist() == [[2, 4, 6], [10, 12, 14]]


def test_what_does_not_fit_has_no_place():
    made = Layout(interface(X, Y), [memoryview(bytearray(1 << 12))])
    assert made.places(0, 100) is not None
    assert made.places(0, 1000) is None
    assert made.places(0, 1 << 31) is None


def test_what_is_kept_is_bounded():
    made = Layout(interface(X, Y), [memoryview(bytearray(1 << 20))])
    for rows in range(5000):
        made.places(0, rows)
    assert len(made._known) <= 1024


@pytest.mark.parametrize(
    "made",
    [
        interface([("BYTES", [])], Y),
        interface(X, [("BYTES", [])]),
        interface([("FP32", [None])], Y),
        interface(X, [("FP32", [None])]),
        interface(X, Y, batches=False),
        interface(X, Y, filtered_inputs=frozenset({"x0"})),
        interface(X, Y, filtered_outputs=frozenset({"y0"})),
    ],
)
def test_interfaces_that_leave_something_open_do_not_decide(made):
    assert not Layout.decides(made)


def test_a_frame_is_told_from_one_with_groups():
    assert layout.unpack(layout.pack(1, 7, 0.25, 0.5, 0.75)) == (1, Run(7, 0.25, 0.5, 0.75))
    memory = memoryview(bytearray(1 << 12))
    other, _ = Wire(interface(X, Y), inputs=False).write(0, memory, [Group([1], {})])
    assert layout.unpack(other) is None
    assert layout.unpack(other[: layout.SIZE]) is None
    assert frames.unpack_prefix(layout.pack(1, 7)[:4]) == layout.SIZE - 4
