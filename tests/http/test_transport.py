"""Reuse, order, bodies, and back-pressure both ways."""

import asyncio
import time

import pytest
from tornado.web import Application, RequestHandler, stream_request_body

from zeromind.limits import HttpLimits as Limits

HOST = b" HTTP/1.1\r\nHost: x\r\n"
KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture
def served(serve, echoing):
    return serve(echoing)


# keep-alive and pipelining


def test_one_connection_serves_many_requests(served):
    with served.connect() as client:
        for number in range(50):
            body = b"%d" % number
            client.send(b"POST /" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert client.answer()[1] == body


def test_pipelined_requests_are_answered_in_order(served, gate):
    with served.connect() as client:
        client.send(b"GET /gate" + HOST + b"\r\n" + b"".join(b"POST /" + HOST + b"Content-Length: 1\r\n\r\n%d" % n for n in range(10)))
        assert client.silent()
        gate.release()
        assert [client.answer()[1] for _ in range(11)] == [b"gate", *(b"%d" % n for n in range(10))]


def test_what_is_sent_ahead_of_an_answer_stays_in_the_kernel(served, gate, until):
    """A client may pipeline as much as it likes: the server does not gather it."""
    one = b"POST /" + HOST + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000
    with served.connect() as client:
        client.send(b"GET /gate" + HOST + b"\r\n")
        until(lambda: gate.asked)
        sent = client.flood(one * 1000, 64 * MIB)
        assert sent < 16 * MIB
        gate.release()
        assert client.answer()[1] == b"gate"
        for _ in range(sent // len(one)):
            assert len(client.answer()[1]) == 1000


@pytest.mark.parametrize(
    ("request_head", "lives"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nHost: x\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n", True),
    ],
)
def test_a_connection_lives_as_long_as_both_want(served, request_head, lives):
    with served.connect() as client:
        client.send(request_head)
        head, body = client.answer()
        assert body == b"hello"
        assert (b"\r\nConnection: close" in head) == (not lives and b"HTTP/1.1" in request_head)
        assert (b"\r\nConnection: Keep-Alive" in head) == (lives and b"HTTP/1.0" in request_head)
        if lives:
            client.send(request_head)
            assert client.answer()[1] == b"hello"
        else:
            assert client.rest() == b""


def test_nothing_is_answered_behind_a_close(served):
    """A client that has said that it is done has said nothing more; and is not left with a reset for having done so."""
    close = b"POST /" + HOST + b"Connection: close\r\nContent-Length: 1\r\n\r\n"
    for number in (b"1", b"2"):  # read, then known
        answer = served.ask(close + number + b"POST /" + HOST + b"Content-Length: 1\r\n\r\n3")
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.endswith(number)


def test_a_handler_may_close(serve):
    class Close(RequestHandler):
        def get(self):
            self.set_header("Connection", "close")
            self.finish("bye")

    assert serve(Application([("/", Close)])).ask(b"GET /" + HOST + b"\r\n").endswith(b"bye")


# bodies


def test_an_answer_without_length_is_chunked_or_ends_with_the_connection(serve):
    class Stream(RequestHandler):
        async def get(self):
            for part in ("a", "", "bb", "c" * 100_000):
                self.write(part)
                await self.flush()

    served = serve(Application([("/", Stream)]))
    with served.connect() as client:
        for _ in range(2):
            client.send(b"GET /" + HOST + b"\r\n")
            assert b"\r\nTransfer-Encoding: chunked\r\n" in client.head()
            chunks = b"1\r\na\r\n2\r\nbb\r\n186a0\r\n" + b"c" * 100_000 + b"\r\n0\r\n\r\n"
            assert client.body(len(chunks)) == chunks
    old = served.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert old.endswith(b"\r\n\r\nabb" + b"c" * 100_000)
    assert b"Keep-Alive" not in old
    assert b"Transfer-Encoding" not in old


def test_what_has_no_body_has_none(serve):
    class Bodiless(RequestHandler):
        def head(self):
            self.set_header("Content-Length", "1000")
            self.finish()

        def get(self):
            self.set_status(int(self.get_query_argument("status")))

    served = serve(Application([("/", Bodiless)]))
    with served.connect() as client:
        client.send(b"HEAD /" + HOST + b"\r\n")
        assert b"Content-Length: 1000\r\n" in client.head()
        for status in (204, 304):
            client.send(b"GET /?status=%d" % status + HOST + b"\r\n")
            head = client.head()
            assert head.startswith(b"HTTP/1.1 %d " % status)
            assert b"Transfer-Encoding" not in head
        client.send(b"HEAD /" + HOST + b"\r\n")
        assert client.head().startswith(b"HTTP/1.1 200 ")


def test_expect_continue_is_answered_when_the_body_is_wanted(served):
    with served.connect() as client:
        client.send(b"POST /" + HOST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"abc")
        assert client.answer()[1] == b"abc"
        client.send(b"POST /" + HOST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc")  # does not wait for it
        assert client.head().startswith(b"HTTP/1.1 200 ")
    answer = served.ask(b"POST /" + HOST + b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_expect_continue_is_answered_for_chunks_too(served):
    head = b"POST /" + HOST + b"Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n"
    with served.connect() as client:
        for _ in range(2):
            client.send(head)
            assert client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.send(b"3\r\nabc\r\n0\r\n\r\n")
            assert client.answer()[1] == b"abc"


def test_nobody_is_told_to_continue_who_is_not_waited_for(serve, served):
    """Neither an old client, nor one whose answer is there already, nor one whose body is empty."""

    @stream_request_body
    class Early(RequestHandler):
        def prepare(self):
            self.set_status(403)
            self.finish()

    expect = b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    with served.connect() as client:
        client.send(b"POST / HTTP/1.0\r\n" + expect)
        assert client.silent()
        client.send(b"abc")
        assert client.answer()[1] == b"abc"
    assert serve(Application([("/", Early)])).ask(b"POST /" + HOST + expect).startswith(b"HTTP/1.1 403 ")
    with served.connect() as client:
        client.send(b"POST /" + HOST + expect.replace(b"3", b"0"))
        assert client.head().startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_waits_for_its_handler(serve, until, loop_thread, chunked):
    received = []
    resume = asyncio.Event()

    @stream_request_body
    class Upload(RequestHandler):
        async def data_received(self, chunk):
            received.append(len(chunk))
            await resume.wait()

        def post(self):
            self.finish(str(sum(received)))

    served = serve(Application([("/", Upload)]))
    size = 32 * MIB
    with served.connect() as client:
        if chunked:
            client.send(b"POST /" + HOST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size)
        else:
            client.send(b"POST /" + HOST + b"Content-Length: %d\r\n\r\n" % size)
        sent = client.flood(bytes(MIB), size)
        assert sent < 16 * MIB
        assert len(received) == 1
        loop_thread.loop.call_soon_threadsafe(resume.set)
        client.send(bytes(size - sent) + (b"\r\n0\r\n\r\n" if chunked else b""))
        assert client.answer()[1] == b"%d" % size
        assert max(received) <= Limits().piece_bytes


def test_an_answer_waits_for_its_client(serve, until):
    written = []

    class Download(RequestHandler):
        async def get(self):
            for _ in range(640):
                self.write(b"x" * 65_536)
                await self.flush()
                written.append(65_536)

    served = serve(Application([("/", Download)]))
    with served.connect() as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        time.sleep(0.5)
        assert 0 < len(written) < 320  # what kernel buffers take, and 64 KiB of ours
        assert len(client.rest()) > 640 * 65_536
    until(lambda: len(written) == 640)


def test_a_slow_reader_is_not_read_from(serve):
    """Pipelined requests whose answers nobody takes are not worked off."""
    asked = []

    class Big(RequestHandler):
        def get(self):
            asked.append(1)
            self.finish(b"x" * MIB)

    served = serve(Application([("/", Big)]))
    with served.connect() as client:
        client.send((b"GET /" + HOST + b"\r\n") * 200)
        time.sleep(0.5)
        assert len(asked) < 30
        for _ in range(200):
            assert len(client.answer()[1]) == MIB
