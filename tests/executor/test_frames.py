"""Frames: what goes in comes out, byte for byte as the layout says; anything else is a FrameError."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor import frames
from zeromind.tensors import Encoded, InferRequest, InferResponse

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def numbers(name):
    return hnp.arrays(datatypes.NUMPY_OF[name], SHAPES)


@st.composite
def texts(draw):
    shape = draw(SHAPES)
    size = int(np.prod(shape, dtype=int))
    flat = draw(st.lists(st.binary(max_size=6), min_size=size, max_size=size))
    array = np.empty(size, np.object_)
    array[:] = flat
    return array.reshape(shape)


TENSORS = st.sampled_from([name for name in datatypes.NUMPY_OF if name != "BYTES"]).flatmap(numbers) | texts()
VALUES = TENSORS | st.builds(Encoded, st.sampled_from(["application/json", "image/png"]), st.binary(max_size=20))
NAMED = st.dictionaries(st.text(max_size=5), VALUES, max_size=3)


def crossed(parts):
    """What the other side reads of a frame's bytes."""
    data = b"".join(bytes(part) for part in parts)
    header_bytes, count = frames.unpack_prefix(data[: frames.PREFIX.size])
    at = frames.PREFIX.size
    lengths = frames.unpack_lengths(data[at : at + 8 * count])
    at += 8 * count
    header = frames.unpack_header(data[at : at + header_bytes])
    at += header_bytes
    buffers = []
    for length in lengths:
        buffers.append(data[at : at + length])
        at += length
    assert at == len(data)
    return header, buffers


def check_same(mine, theirs):
    assert list(mine) == list(theirs)
    for name, value in mine.items():
        if isinstance(value, Encoded):
            assert theirs[name] == value
        else:
            assert (theirs[name].dtype, theirs[name].shape) == (value.dtype, value.shape)
            np.testing.assert_array_equal(theirs[name], value)


@given(st.lists(NAMED, max_size=3))
def test_requests_cross_unchanged(batch):
    requests = frames.unpack_requests(*crossed(frames.pack_requests([InferRequest(values) for values in batch])))
    assert len(requests) == len(batch)
    for values, request in zip(batch, requests, strict=True):
        check_same(values, request.inputs)


FAULTS = st.builds(
    ZeroMindError, st.sampled_from(ErrorKind), st.text(max_size=10), st.none() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
)


@given(st.lists(NAMED | FAULTS, max_size=3), st.floats(0, 1e6))
def test_answers_cross_unchanged(batch, seconds):
    sent = [answer if isinstance(answer, ZeroMindError) else InferResponse(answer, seconds) for answer in batch]
    got = frames.unpack_answers(*crossed(frames.pack_answers(sent)), len(sent))
    for mine, theirs in zip(sent, got, strict=True):
        if isinstance(mine, ZeroMindError):
            assert (theirs.kind, theirs.message, theirs.params) == (mine.kind, mine.message, mine.params)
        else:
            assert theirs.model_time == seconds
            check_same(mine.outputs, theirs.outputs)


def test_the_bytes_of_one_frame():
    batch = [InferRequest({"x": np.array([[1, 2]], np.int16), "t": np.array([b"ab", b""], object)})]
    header = json.dumps(
        {
            "op": "run",
            "requests": [[{"name": "x", "datatype": "INT16", "shape": [1, 2]}, {"name": "t", "datatype": "BYTES", "shape": [2]}]],
        },
        separators=(",", ":"),
    ).encode()
    wanted = struct.pack("<II", len(header), 2) + struct.pack("<QQ", 4, 10) + header
    wanted += bytes([1, 0, 2, 0]) + bytes([2, 0, 0, 0]) + b"ab" + bytes(4)
    assert b"".join(bytes(part) for part in frames.pack_requests(batch)) == wanted


def test_arrays_of_another_order_cross_as_they_read():
    swapped = np.arange(6, dtype=">f4").reshape(2, 3).T
    (request,) = frames.unpack_requests(*crossed(frames.pack_requests([InferRequest({"x": swapped})])))
    np.testing.assert_array_equal(request.inputs["x"], swapped)


def test_parameters_that_json_has_no_form_for_become_text():
    error = ZeroMindError(ErrorKind.FILTER_FAILED, "m", {1}, b"x", {("a",): 1})
    assert frames.error_from_json(frames.error_to_json(error)).params == ("{1}", "b'x'", {})


@pytest.mark.parametrize("prefix", [struct.pack("<II", frames.MOST_HEADER_BYTES + 1, 0), struct.pack("<II", 0, frames.MOST_BUFFERS + 1)])
def test_a_frame_beyond_the_bounds_is_refused_before_it_is_read(prefix):
    with pytest.raises(frames.FrameError):
        frames.unpack_prefix(prefix)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"5", b"\xff", b"[" * 100_000])
def test_a_header_that_is_no_object_is_refused(text):
    with pytest.raises(frames.FrameError):
        frames.unpack_header(text)


VALUE = {"name": "y", "datatype": "FP32", "shape": [2]}


@pytest.mark.parametrize(
    "answers",
    [None, {}, 5, [], [5], [{}], [{"error": "NONE", "message": "", "params": []}], [{"outputs": [VALUE]}],
     [{"outputs": [{**VALUE, "shape": [3]}], "model_time": 0}], [{"outputs": [{**VALUE, "datatype": "FP8"}], "model_time": 0}],
     [{"outputs": [VALUE, VALUE], "model_time": 0}], [{"outputs": [{**VALUE, "datatype": "BYTES", "shape": [3]}], "model_time": 0}],
     [{"outputs": [VALUE], "model_time": 0}] * 2],
)  # fmt: skip
def test_answers_that_make_no_sense_are_refused(answers):
    with pytest.raises(frames.FrameError):
        frames.unpack_answers({"answers": answers}, [np.zeros(2, np.float32).tobytes()], 1)
