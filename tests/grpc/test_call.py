"""A call's messages, in whatever pieces they come, and answers behind their prefix."""

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.grpc.call import Call
from zeromind.grpc.encoding import deflated, framed, opened
from zeromind.grpc.head import seconds
from zeromind.grpc.method import Head
from zeromind.grpc.status import Code, Fault


def call(encoding=b""):
    made = Call(1, 0, 0)
    made.head = Head(None, None, encoding)
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
    assert received.held == 0


@given(st.lists(st.binary(max_size=20), max_size=8), st.lists(st.integers(0, 200), max_size=6), st.booleans())
def test_many_messages_come_in_any_pieces(messages, cuts, at_once):
    data, received, got = b"".join(map(wire, messages)), call(), []

    def take():
        while (message := received.message(20)) is not None:
            got.append(message)

    marks = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in itertools.pairwise(marks):
        received.receive(data[start:end], 20)
        if at_once:
            take()
    take()
    assert got == messages
    assert received.held == 0


@given(st.lists(st.binary(max_size=100_000), max_size=3))
def test_an_answer_is_its_pieces_behind_a_prefix(pieces):
    assert b"".join(framed(pieces)) == wire(b"".join(pieces))


def fault(act, *arguments):
    with pytest.raises(Fault) as caught:
        act(*arguments)
    return caught.value.code


def test_what_is_no_message():
    assert fault(call().receive, wire(b"x" * 11), 10) is Code.RESOURCE_EXHAUSTED
    double = call()
    double.receive(wire(b"x") + wire(b"y"), 10)
    assert double.more
    assert call().message(10) is None
    short = call()
    short.receive(wire(b"xyz")[:-1], 10)
    assert short.message(10) is None


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
    received = call(b"deflate")
    received.receive(wire(zlib.compress(b"x" * 100), 1), 100)
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


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_answers_are_compressed_where_it_is_worth_it(encoding):
    (data,) = deflated([b"x" * 1000, b"y" * 1000], encoding)
    assert len(data) < 100
    assert opened(data, encoding, 2000) == b"x" * 1000 + b"y" * 1000
    assert deflated([b"x"], encoding) == framed([b"x"])
    assert deflated([bytes(2 << 20)], encoding) == framed([bytes(2 << 20)])
