"""Answers put together from pieces of any size; what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.client.http11 import BUFFER_BYTES, Reader, head
from zeromind.client.step import Garbled, Request

BODIES = st.binary(max_size=200) | st.integers(0, 200_000).map(lambda size: bytes(range(256)) * (size // 256))


def read(data, sizes=(), end=False):
    """Have a reader take the data in pieces of these sizes, then the rest."""
    reader, at, sizes = Reader(bytearray(BUFFER_BYTES)), 0, iter(sizes)
    while at < len(data) and not reader.done:
        room = reader.room()
        assert len(room)
        count = min(len(room), len(data) - at, next(sizes, BUFFER_BYTES))
        room[:count] = data[at : at + count]
        at += count
        reader.filled(count)
    if end and not reader.done:
        reader.filled(0)
    return reader, at


def chunked(body, sizes):
    """The body in chunks of these sizes and one of the rest, with an extension and a trailer."""
    out, at = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0
    for size in (*sizes, len(body)):
        if part := body[at : at + size]:
            out += b"%x;a=b\r\n%b\r\n" % (len(part), part)
            at += len(part)
    return out + b"0\r\nTrailer: x\r\n\r\n"


@given(BODIES, st.lists(st.integers(1, 3000)), st.integers(0, 64))
def test_a_body_of_known_length(body, sizes, prefix):
    fields = b"Content-Length: %d\r\nInference-Header-Content-Length: %d\r\nServer:  0Mind \r\n" % (len(body), prefix)
    data = b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (fields, body)
    reader, at = read(data, sizes)
    assert (reader.done, at, reader.keep, reader.status, reader.fields["server"]) == (True, len(data), True, 200, "0Mind")
    assert bytes(reader.reply().body) == body


@given(BODIES, st.lists(st.integers(1, 3000)), st.lists(st.integers(1, 3000)))
def test_a_body_in_chunks(body, sizes, chunks):
    data = chunked(body, chunks)
    reader, at = read(data, sizes)
    assert (reader.done, at, reader.keep) == (True, len(data), True)
    assert bytes(reader.reply().body) == body


@given(BODIES, st.lists(st.integers(1, 3000)))
def test_a_body_that_ends_with_the_connection(body, sizes):
    reader, _ = read(b"HTTP/1.1 200 OK\r\n\r\n" + body, sizes, end=True)
    assert (reader.done, reader.keep, bytes(reader.reply().body)) == (True, False, body)


def test_what_comes_before_the_answer_is_read_over():
    reader, _ = read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
    assert (reader.done, reader.status, bytes(reader.reply().body)) == (True, 204, b"")
    assert read(b"HTTP/1.1 100 \r\n\r\n" * 3000 + b"HTTP/1.1 204 \r\n\r\n")[0].status == 204


@pytest.mark.parametrize("line", [b"Connection: close\r\n", b"Connection: Close\r\n"])
def test_a_connection_that_will_close_is_not_kept(line):
    assert not read(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + line + b"\r\n")[0].keep
    assert not read(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")[0].keep
    assert not read(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore")[0].keep
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert read(chunked)[0].keep
    assert not read(chunked + b"more")[0].keep


def test_a_stream_that_a_proxy_has_made_one_piece():
    reader, _ = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole")
    assert [reader.take(), reader.take()] == [b"whole", b""]


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 2xx OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n123\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * BUFFER_BYTES,
    ],
    ids=lambda data: repr(data[17:60]),
)
def test_what_is_no_answer(data):
    with pytest.raises(Garbled):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n12",
    ],
)
def test_an_answer_that_is_cut_short(data):
    with pytest.raises(ConnectionResetError):
        read(data, end=True)


def test_the_head_of_a_request():
    request = Request("/v2", (b"body",), (("A", "b"),))
    assert head(request, "host:1", "/prefix", "Key: k\r\n", 4) == (
        b"POST /prefix/v2 HTTP/1.1\r\nHost: host:1\r\nKey: k\r\nA: b\r\nContent-Length: 4\r\n\r\n"
    )
