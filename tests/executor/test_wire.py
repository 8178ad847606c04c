"""Batches and answers in shared memory: what goes in comes out, byte for byte as the layout says; anything else is a FrameError."""

import json
import struct

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.frames import MOST_BYTES, PREFIX, FrameError
from zeromind.executor.group import Group, grouped, outcome
from zeromind.executor.wire import NoRoomError, Wire
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface, ModelSpec, Run, TensorSpec

SLOT = 1 << 16
NUMBERS = [name for name in datatypes.NUMPY_OF if name != "BYTES"]


def interface(*kinds, batches=True):
    """Inputs and outputs of these datatypes, named after their place."""
    specs = tuple(TensorSpec(f"t{place}", kind, (None,)) for place, kind in enumerate(kinds))
    return Interface(ModelSpec(specs, specs, batches), "none", media={"t0": ("image/png", "image/jpeg")})


def slots(size=SLOT):
    return [memoryview(bytearray(size)) for _ in range(2)]


def crossed(made, groups, inputs=True, index=1, start=0):
    """What the other side reads."""
    memory = slots()
    frame, end = Wire(made, inputs).write(index, memory[index], groups, start)
    assert frame[: PREFIX.size] == PREFIX.pack(len(frame) - PREFIX.size)
    got_index, got, got_end = Wire(made, inputs).read(memoryview(frame)[PREFIX.size :], memory)
    assert (got_index, got_end) == (index, end)
    return got


def check_same(mine, theirs):
    assert list(mine) == list(theirs)
    for name, value in mine.items():
        if isinstance(value, Encoded):
            assert theirs[name] == value
        else:
            assert (theirs[name].dtype, theirs[name].shape) == (value.dtype, value.shape)
            np.testing.assert_array_equal(theirs[name], value)


@st.composite
def tensors(draw, kind, shape):
    if kind != "BYTES":
        return draw(hnp.arrays(datatypes.NUMPY_OF[kind], shape))
    size = int(np.prod(shape, dtype=int))
    array = np.empty(size, np.object_)
    array[:] = draw(st.lists(st.binary(max_size=6), min_size=size, max_size=size))
    return array.reshape(shape)


RUNS = [Run(1, 0.5), Run(7, 1e-6, 0.25, 1e6)]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ENCODED = st.builds(Encoded, st.sampled_from(["application/json", "image/png", "image/jpeg"]), st.binary(max_size=20))


@st.composite
def single_groups(draw, kinds):
    """One request each, of any shape, encoded or not."""
    if draw(st.integers(0, 3)) == 0:
        fault = ZeroMindError(draw(st.sampled_from(ErrorKind)), draw(st.text(max_size=10)), draw(st.none() | st.integers()))
        return Group([draw(st.integers(0, 9))], {}, fault)
    values = {
        f"t{place}": draw(ENCODED | SHAPES.flatmap(lambda shape, kind=kind: tensors(kind, shape))) for place, kind in enumerate(kinds)
    }
    parameters = draw(st.none() | st.dictionaries(st.text(max_size=5), st.booleans() | st.integers() | st.text(max_size=5), max_size=2))
    return Group([draw(st.integers(0, 2**40))], values, None, draw(st.sampled_from(RUNS)), parameters, draw(st.booleans()))


KINDS = st.lists(st.sampled_from(list(datatypes.NUMPY_OF)), min_size=1, max_size=3)


@given(st.data(), KINDS, st.booleans(), st.integers(0, 200))
def test_groups_cross_unchanged(data, kinds, inputs, start):
    groups = data.draw(st.lists(single_groups(kinds), min_size=1, max_size=3))
    got = crossed(interface(*kinds), groups, inputs, start=start)
    assert len(got) == len(groups)
    for mine, theirs in zip(groups, got, strict=True):
        assert (theirs.rows, theirs.parameters, theirs.bare) == (mine.rows, mine.parameters, mine.bare)
        assert mine.fault or theirs.run == mine.run
        if mine.fault:
            assert (theirs.fault.kind, theirs.fault.message, theirs.fault.params) == (
                mine.fault.kind,
                mine.fault.message,
                mine.fault.params,
            )
        else:
            assert theirs.fault is None
            check_same(mine.values, theirs.values)


@given(st.data(), KINDS, st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_joined_requests_are_cut_as_they_came(data, kinds, rows):
    tails = [data.draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=3)) for _ in kinds]
    requests = [
        InferRequest(
            {f"t{place}": data.draw(tensors(kind, (count, *tail))) for place, (kind, tail) in enumerate(zip(kinds, tails, strict=True))}
        )
        for count in rows
    ]
    made = interface(*kinds)
    groups = grouped(requests, rows, made)
    assert len(groups) == 1
    (group,) = crossed(made, groups)
    for mine, theirs in zip(requests, group.singles(), strict=True):
        check_same(mine.inputs, theirs.values)
    for mine, theirs in zip(requests, outcome([group]), strict=True):
        assert isinstance(theirs, InferResponse)
        check_same(mine.inputs, theirs.outputs)


def test_many_requests_are_joined_into_one_small_frame():
    rows = [1] * 65_536
    requests = [InferRequest({"t0": np.array([number % 251], np.uint8)}) for number in range(len(rows))]
    made = interface("UINT8")
    memory = slots(1 << 17)
    frame, _ = Wire(made, True).write(0, memory[0], grouped(requests, rows, made))
    _, (group,), _ = Wire(made, True).read(frame[PREFIX.size :], memory)
    assert len(group.rows) == len(rows)
    assert [single.values["t0"].tolist() for single in group.singles()[::9999]] == [[number % 251] for number in range(0, len(rows), 9999)]


def test_requests_that_need_filters_or_do_not_batch_stay_apart():
    encoded = [InferRequest({"t0": Encoded("application/json", b"[1]")}) for _ in range(3)]
    assert [group.rows for group in grouped(encoded, [1] * 3, interface("FP32"))] == [[1]] * 3
    plain = [InferRequest({"t0": np.zeros(2, np.float32)}) for _ in range(3)]
    assert [group.rows for group in grouped(plain, [2] * 3, interface("FP32", batches=False))] == [[2]] * 3
    assert [group.rows for group in grouped(plain, [2] * 3, interface("FP32"))] == [[2, 2, 2]]


def test_parameters_that_all_of_a_batch_have_cross_once():
    great = {"text": "\x01" * (1 << 20), "number": 1}
    groups = [Group([1], {"t0": Encoded("application/json", b"[1]")}, parameters=dict(great), bare=False) for _ in range(64)]
    assert len(Wire(interface("FP32"), True).write(0, slots()[0], groups)[0]) < MOST_BYTES // 8
    assert [group.parameters for group in crossed(interface("FP32"), groups)] == [great] * 64


def test_groups_of_one_run_share_it_wherever_they_stand():
    one, other = Run(2, 0.5), Run(2, 0.5)
    groups = [Group([1], {"t0": np.zeros(1, np.float32)}, None, run) for run in (one, other, one, other, None)]
    runs = [group.run for group in crossed(interface("FP32"), groups, inputs=False)]
    assert runs[0] is runs[2] is not runs[1]
    assert runs[1] is runs[3]
    assert runs == [one] * 4 + [Run(0, 0.0)]


def test_a_run_of_a_later_group_is_a_fault():
    memory = slots()
    group = Group([1], {"t0": np.zeros(1, np.float32)}, None, Run(2, 0.5))
    frame, _ = Wire(interface("FP32"), False).write(0, memory[0], [group, group])
    second = frame.rindex(struct.pack("<IBI", 1, 2, 0))
    bad = frame[:second] + struct.pack("<IBI", 1, 2, 1) + frame[second + 9 :]
    with pytest.raises(FrameError):
        Wire(interface("FP32"), False).read(bad[PREFIX.size :], memory)


def test_the_bytes_of_one_frame():
    made = interface("INT16", "BYTES", "FP32")
    values = {"t0": np.array([[1, 2]], np.int16), "t1": np.array([b"ab", b""], object), "t2": Encoded("image/png", b"\x89P")}
    memory = slots()
    frame, end = Wire(made, True).write(1, memory[1], [Group([7], values, None, Run(7, 0.5))])
    body = struct.pack("<BBI", 1, 0, 1) + struct.pack("<IBIddd", 1, 0, 7, 0.5, 0, 0) + struct.pack("<Q", 7) + struct.pack("<H", 3)
    body += struct.pack("<HBBQQ", 0, 0, 2, 0, 4) + struct.pack("<QQ", 1, 2)
    body += struct.pack("<HBBQQ", 1, 0, 1, 64, 10) + struct.pack("<Q", 2)
    body += struct.pack("<HBBQQ", 2, 3, 0, 128, 2)  # the third after JSON and JPEG
    assert frame == struct.pack("<I", len(body)) + body
    assert bytes(memory[1][:4]) == bytes([1, 0, 2, 0])
    assert bytes(memory[1][64:74]) == bytes([2, 0, 0, 0]) + b"ab" + bytes(4)
    assert bytes(memory[1][128:end]) == b"\x89P"


def test_a_fault_crosses_as_json():
    memory = slots()
    fault = ZeroMindError(ErrorKind.INVALID_INPUT, "no", 5)
    frame, end = Wire(interface("FP32"), False).write(0, memory[0], [Group([1, 2], {}, fault)])
    assert json.loads(bytes(memory[0][:end])) == {"kind": "INVALID_INPUT", "message": "no", "params": [5]}
    _, groups, _ = Wire(interface("FP32"), False).read(frame[PREFIX.size :], memory)
    assert groups[0].rows == [1, 2]
    assert outcome(groups).kind is ErrorKind.INVALID_INPUT


def test_arrays_of_another_order_cross_as_they_read():
    swapped = np.arange(6, dtype=np.float32).reshape(2, 3).T
    (group,) = crossed(interface("FP32"), [Group([3], {"t0": swapped})])
    np.testing.assert_array_equal(group.values["t0"], swapped)


def test_arrays_are_views_of_the_slot():
    memory = slots()
    made = interface("FP32")
    frame, _ = Wire(made, True).write(0, memory[0], [Group([2], {"t0": np.array([1, 2], np.float32)})])
    _, (group,), _ = Wire(made, True).read(frame[PREFIX.size :], memory)
    memory[0][:4] = bytes(4)
    assert group.values["t0"].tolist() == [0, 2]
    assert group.values["t0"].flags.writeable


# --- what does not fit


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(SLOT // 4 + 1, np.float32),
        [np.zeros(SLOT // 4, np.float32), np.zeros(1, np.float32)],
        Encoded("application/json", bytes(SLOT + 1)),
    ],
)
def test_values_larger_than_the_slot_are_refused(value):
    with pytest.raises(NoRoomError):
        Wire(interface("FP32"), True).write(0, slots()[0], [Group([1], {"t0": value})])


def test_text_larger_than_the_slot_is_refused():
    with pytest.raises(NoRoomError):
        Wire(interface("BYTES"), True).write(0, slots()[0], [Group([1], {"t0": np.array([bytes(SLOT - 3)], object)})])


def test_the_last_byte_of_a_slot_can_be_used():
    memory = slots()
    value = np.arange(SLOT // 4, dtype=np.float32)
    frame, end = Wire(interface("FP32"), True).write(0, memory[0], [Group([1], {"t0": value})])
    assert end == SLOT
    _, (group,), _ = Wire(interface("FP32"), True).read(frame[PREFIX.size :], memory)
    np.testing.assert_array_equal(group.values["t0"], value)
    with pytest.raises(NoRoomError):
        Wire(interface("FP32"), False).write(0, memory[0], [Group([1], {"t0": value[:1]})], end)


# --- what the other side must not do


def frame_of(value=(0, 0, 1, 0, 8), shape=(2,), *, slot=0, groups=1, rows=(2,), fault=0, count=1):
    """A frame without its prefix, right unless told otherwise: one FP32 tensor of two rows."""
    body = (
        struct.pack("<BBI", slot, 0, groups) + struct.pack("<IBIddd", len(rows), fault, 1, 0, 0, 0) + struct.pack(f"<{len(rows)}Q", *rows)
    )
    return body + struct.pack("<H", count) + struct.pack("<HBBQQ", *value) + struct.pack(f"<{len(shape)}Q", *shape)


def read(frame, text=b"", inputs=False, kind="FP32"):
    memory = slots()
    memory[0][: len(text)] = text
    return Wire(interface(kind), inputs).read(frame, memory)


def test_a_right_frame_is_read():
    _, (group,), _ = read(frame_of())
    assert group.values["t0"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "frame",
    [
        b"", b"\0", frame_of()[:-1], frame_of() + b"\0", frame_of(slot=2), frame_of(slot=255),
        frame_of(groups=2), frame_of(groups=0), frame_of(groups=2**32 - 1), frame_of(count=0), frame_of(count=2), frame_of(count=65535),
        frame_of((1, 0, 1, 0, 8)), frame_of((65535, 0, 1, 0, 8)), frame_of((0, 9, 1, 0, 8)), frame_of((0, 1, 0, 0, 8), ()) + b"x",
        frame_of((0, 0, 1, SLOT - 4, 8)), frame_of((0, 0, 1, SLOT + 64, 0), (0,)), frame_of((0, 0, 1, 2**64 - 1, 8)),
        frame_of((0, 0, 1, 0, 2**64 - 1)), frame_of((0, 1, 0, SLOT, 1), ()), frame_of((0, 0, 1, 0, 12)), frame_of((0, 0, 1, 0, 7)),
        frame_of(shape=(3,)), frame_of((0, 0, 2, 0, 8), (2, 2**63)), frame_of((0, 0, 2, 0, 0), (0, 2**63)),
        frame_of((0, 0, 65, 0, 4), (1,) * 65), frame_of((0, 0, 255, 0, 8)), frame_of(rows=(1, 2)), frame_of(rows=(2**63, 2**63)),
        frame_of((0, 0, 0, 0, 4), (), rows=(0, 1)), frame_of((0, 1, 0, 0, 2), (), rows=(1, 1)),
        frame_of(fault=1), frame_of(fault=1, count=0),
    ],
)  # fmt: skip
def test_answers_that_make_no_sense_are_refused(frame):
    with pytest.raises(FrameError):
        read(frame)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"kind":"NONE","message":"","params":[]}'])
def test_what_is_no_fault_is_refused(text):
    with pytest.raises(FrameError):
        read(frame_of((0, 1, 0, 0, len(text)), (), fault=1), text)


@pytest.mark.parametrize(
    ("text", "shape"),
    [(b"\1", (1,)), (struct.pack("<I", 5) + b"ab", (1,)), (struct.pack("<I", 2**32 - 1), (1,)), (bytes(8), (3,)), (bytes(6), (1,))],
)
def test_text_that_ends_too_early_is_refused(text, shape):
    with pytest.raises(FrameError):
        read(frame_of((0, 0, 1, 0, len(text)), shape, rows=shape), text, kind="BYTES")


def a_frame():
    made = interface("FP32", "BYTES")
    memory = slots()
    values = {"t0": np.zeros((2, 3), np.float32), "t1": np.array([b"a", b"bc"], object)}
    groups = [Group([1, 1], values), Group([1], {}, ZeroMindError(ErrorKind.BUSY, "m"))]
    frame, end = Wire(made, False).write(0, memory[0], groups)
    return made, frame[PREFIX.size :], bytes(memory[0][:end])


@given(st.data(), st.booleans())
def test_a_damaged_frame_is_refused_or_read_but_nothing_else(data, inputs):
    made, frame, text = a_frame()
    frame, text = bytearray(frame), bytearray(text)
    for damaged in (frame, text):
        for _ in range(data.draw(st.integers(0, 3))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del frame[data.draw(st.integers(0, len(frame)) | st.just(len(frame))) :]
    memory = slots()
    memory[0][: len(text)] = text
    try:
        _, groups, end = Wire(made, inputs).read(frame, memory)
    except FrameError:
        return
    assert 0 <= end <= SLOT
    result = outcome(groups)
    assert isinstance(result, ZeroMindError) or len(result) == sum(len(group.rows) for group in groups)


@given(st.binary(max_size=200))
@example(b"")
def test_noise_is_refused(noise):
    assume(noise[2:6] != bytes(4))
    with pytest.raises(FrameError):
        read(noise)
