"""Tensors of every datatype to bytes and back, bit by bit; what is no tensor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeromind import datatypes
from zeromind.codecs import oip_raw as tensors
from zeromind.errors import ErrorKind, ZeroMindError

pytestmark = pytest.mark.proves("F25", "F23")

PLAIN = [name for name in datatypes.NUMPY_OF if name not in ("BYTES", "BF16")]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@given(st.data(), st.sampled_from(PLAIN), SHAPES, st.integers(0, 9))
def test_numbers_come_back_bit_by_bit(data, datatype, shape, offset):
    array = data.draw(hnp.arrays(datatypes.NUMPY_OF[datatype], shape))
    raw = tensors.to_raw(array, datatype)
    assert bytes(raw) == array.tobytes()
    back = tensors.from_raw("x", datatype, shape, memoryview(bytes(offset) + bytes(raw))[offset:])
    assert (back.dtype, back.shape, back.tobytes(), back.flags.aligned) == (array.dtype, array.shape, array.tobytes(), True)


@given(st.data(), SHAPES)
def test_brain_floats_come_back_bit_by_bit(data, shape):
    bits = data.draw(hnp.arrays(np.uint16, shape))
    array = tensors.from_raw("x", "BF16", shape, bits.tobytes())
    assert (array.dtype, array.shape) == (np.float32, shape)
    back = np.frombuffer(tensors.to_raw(array, "BF16"), np.uint16).reshape(shape)
    quiet = np.where(np.isnan(array), bits | 0x40, bits)  # of what is no number the payload may change, it stays none
    np.testing.assert_array_equal(back, quiet)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bytes_come_back(items):
    array = tensors.to_objects(items, (len(items), 1))
    raw = tensors.to_raw(array, "BYTES")
    assert raw == tensors.pack_bytes(items)
    assert tensors.from_raw("x", "BYTES", array.shape, memoryview(raw)).tolist() == array.tolist()


@given(st.binary(max_size=40), st.integers(0, 5))
def test_bytes_that_are_no_tensor_are_refused(data, count):
    try:
        items = tensors.unpack_bytes(data, count)
    except ValueError:
        return
    assert tensors.pack_bytes(items) == data
    assert len(items) == count


def test_arrays_that_do_not_lie_in_order_are_put_in_order():
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert bytes(tensors.to_raw(array, "FP32")) == array.tobytes()


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "words"),
    [
        ("FP32", [2], bytes(7), "has 7 bytes of data; FP32 of shape [2] has 8"),
        ("BF16", [2], bytes(8), "BF16 of shape [2] has 4"),
        ("FP8", [2], b"", "known are BOOL"),
        ("FP32", [-1], b"", "sizes from 0 on"),
        ("FP32", [0] * 33, b"", "up to 32 sizes"),
        ("FP32", [1 << 62, 1 << 62], b"", "has 0 bytes of data"),
        ("FP32", [0, 1 << 63], b"", "whose sizes besides 0"),
        ("FP32", [1 << 40, 0, 1 << 40], b"", "whose sizes besides 0"),
        ("BOOL", [2], b"\1\2", "each byte must be 0 or 1"),
        ("BYTES", [1 << 21], b"", "BYTES tensors may have 1048576"),
        ("BYTES", [1], b"\5\0\0\0abc", "end within element 0 of 1"),
        ("BYTES", [1], bytes(5), "go on behind element 1"),
    ],
)
def test_what_is_no_tensor(datatype, shape, data, words):
    with pytest.raises(ZeroMindError) as caught:
        tensors.from_raw("x", datatype, shape, data)
    assert caught.value.kind is ErrorKind.INVALID_INPUT
    assert words in caught.value.message
