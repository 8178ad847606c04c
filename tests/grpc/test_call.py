"""A call's message, in whatever pieces it comes."""

import gzip
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.grpc.call import Call, framed, seconds
from zeromind.grpc.status import Code, Fault


def call(encoding=b""):
    made = Call(1, 0, 0)
    made.encoding = encoding
    return made


def wire(message, compressed=0):
    return bytes((compressed,)) + len(message).to_bytes(4, "big") + message


@given(st.binary(max_size=50), st.lists(st.integers(0, 60), max_size=6))
def test_a_message_comes_in_any_pieces(message, cuts):
    data, received = wire(message), call()
    marks = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in itertools.pairwise(marks):
        received.receive(data[start:end], 50)
    assert received.message(50) == message


@given(st.lists(st.binary(max_size=100_000), max_size=3))
def test_an_answer_is_its_pieces_behind_a_prefix(pieces):
    assert b"".join(framed(pieces)) == wire(b"".join(pieces))


def fault(act, *arguments):
    with pytest.raises(Fault) as caught:
        act(*arguments)
    return caught.value.code


def test_what_is_no_message():
    assert fault(call().receive, wire(b"x" * 11), 10) is Code.RESOURCE_EXHAUSTED
    assert fault(call().receive, wire(b"x") + wire(b"y"), 10) is Code.INTERNAL
    assert fault(call().message, 10) is Code.INVALID_ARGUMENT
    short = call()
    short.receive(wire(b"xyz")[:-1], 10)
    assert fault(short.message, 10) is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (gzip.compress(b"x" * 101), Code.RESOURCE_EXHAUSTED),
        (gzip.compress(b"x")[:-1], Code.INVALID_ARGUMENT),
        (gzip.compress(b"x") + b"y", Code.INVALID_ARGUMENT),
        (b"no gzip", Code.INVALID_ARGUMENT),
    ],
)
def test_compressed_messages_are_bounded_and_whole(data, code):
    received = call(b"gzip")
    received.receive(wire(data, 1), 1000)
    assert fault(received.message, 100) is code


def test_compressed_messages():
    received = call(b"gzip")
    received.receive(wire(gzip.compress(b"x" * 100), 1), 100)
    assert received.message(100) == b"x" * 100
    for encoding, flag in ((b"", 1), (b"identity", 1), (b"gzip", 2)):
        received = call(encoding)
        received.receive(wire(b"x", flag), 100)
        assert fault(received.message, 100) is Code.INTERNAL


def test_timeouts():
    assert [seconds(field) for field in (b"1H", b"2M", b"3S", b"4m", b"5u", b"99999999n")] == pytest.approx(
        [3600, 120, 3, 0.004, 5e-6, 0.099999999]
    )
    for field in (b"", b"1", b"S", b"-1S", b"1.5S", b"123456789S", b"1s", b"1S "):
        assert fault(seconds, field) is Code.INVALID_ARGUMENT
