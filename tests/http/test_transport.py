"""The connection's life: reuse, order, back-pressure both ways, deadlines, limits, and how it ends."""

import asyncio
import contextlib
import dataclasses
import json
import logging
import socket
import time

import pytest
from tornado import httputil
from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler, stream_request_body

from zeromind.http.limits import Limits

HOST = b" HTTP/1.1\r\nHost: x\r\n"
KIB, MIB = 1 << 10, 1 << 20


class Echo(RequestHandler):
    def get(self):
        self.finish("hello")

    def post(self):
        self.finish(self.request.body)


class Gate(RequestHandler):
    """Answers when the test says so."""

    def initialize(self, gate):
        self.gate = gate

    async def get(self):
        self.gate.asked += 1
        await self.gate.open.wait()
        self.finish("gate")

    def on_connection_close(self):
        self.gate.left += 1


class GateState:
    def __init__(self, thread):
        self.asked = self.left = 0
        self._thread = thread
        self.open = thread.run(self._event())

    async def _event(self):
        return asyncio.Event()

    def release(self):
        self._thread.loop.call_soon_threadsafe(self.open.set)


@pytest.fixture
def gate(loop_thread):
    return GateState(loop_thread)


@pytest.fixture
def served(serve, gate):
    return serve(Application([("/gate", Gate, {"gate": gate}), ("/.*", Echo)]))


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


# deadlines

HASTE = Limits(header_s=0.3, body_s=1.0, grace_s=0.3, min_rate=1000, idle_s=0.3, write_s=0.4, linger_s=0.3)


@pytest.fixture
def hasty(serve, gate):
    return serve(Application([("/gate", Gate, {"gate": gate}), ("/.*", Echo)]), HASTE)


def drip(client, data, pause=0.05):
    """Send byte by byte until the server has had enough: the seconds that it took."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        for start in range(len(data)):
            client.send(data[start : start + 1])
            time.sleep(pause)
    return time.monotonic() - began


def test_a_head_has_its_time(hasty):
    with hasty.connect() as client:
        assert drip(client, b"GET /" + HOST + b"A: " + b"b" * 60) < 2.5
        assert client.rest().startswith(b"HTTP/1.1 408 ")
    with hasty.connect() as client:  # the second head, too
        client.send(b"GET /" + HOST + b"\r\nGET")
        client.answer()
        assert client.rest().startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_closed_without_a_word(hasty):
    with hasty.connect() as client:
        assert client.rest() == b""
    with hasty.connect() as client:
        client.send(b"GET /" + HOST + b"\r\n")
        client.answer()
        assert client.rest() == b""


@pytest.mark.parametrize("head", [b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n64\r\n"])
def test_a_body_has_its_rate(hasty, head):
    with hasty.connect() as client:
        client.send(b"POST /" + HOST + head)
        assert drip(client, b"x" * 60) < 2.5
        assert client.rest().startswith(b"HTTP/1.1 408 ")


def test_a_body_has_its_time_whatever_its_rate(hasty):
    began = time.monotonic()
    with hasty.connect() as client:
        client.send(b"POST /" + HOST + b"Content-Length: 1000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 4:
                client.send(b"x" * 200)
                time.sleep(0.02)
        assert 0.9 < time.monotonic() - began < 3.5


def test_the_application_has_all_the_time_that_it_wants(hasty, gate):
    with hasty.connect() as client:
        client.send(b"GET /gate" + HOST + b"\r\n")
        assert client.silent(1.5)
        gate.release()
        assert client.answer()[1] == b"gate"


def test_time_in_which_the_handler_holds_reading_back_is_not_the_clients(serve):
    @stream_request_body
    class Slow(RequestHandler):
        async def data_received(self, chunk):
            await asyncio.sleep(0.6)

        def post(self):
            self.finish("done")

    served = serve(Application([("/", Slow)]), HASTE)
    with served.connect() as client:
        client.send(b"POST /" + HOST + b"Content-Length: 3\r\n\r\n")
        for _ in range(3):
            client.send(b"x")
            time.sleep(0.6)
        assert client.answer()[1] == b"done"


def test_an_answer_that_nobody_takes_is_given_up(serve, until):
    closed = []

    class Download(RequestHandler):
        async def get(self):
            try:
                while True:
                    self.write(b"x" * 65_536)
                    await self.flush()
            except StreamClosedError:
                closed.append("writer")

        def on_connection_close(self):
            closed.append("handler")

    served = serve(Application([("/", Download)]), HASTE)
    with served.connect() as client:
        client.send(b"GET /" + HOST + b"\r\n")
        until(lambda: sorted(closed) == ["handler", "writer"], 10)
        until(lambda: served.listener.connections == 0)


def test_a_slow_client_that_keeps_its_rate_gets_its_answer(serve):
    class Download(RequestHandler):
        def get(self):
            self.finish(b"x" * 20 * MIB)

    served = serve(Application([("/", Download)]), dataclasses.replace(HASTE, write_s=1.0))
    with served.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
        client.send(b"GET /" + HOST + b"Connection: close\r\n\r\n")
        got, began = 0, time.monotonic()
        while part := client.sock.recv(512 * KIB):
            got += len(part)
            if time.monotonic() - began < 2.5:
                time.sleep(0.05)
        assert got > 20 * MIB
        assert time.monotonic() - began > 2


# limits


def envelope(status, message):
    return "application/json", json.dumps({"errors": [{"code": status, "message": message}]}).encode()


TIGHT = Limits(head_bytes=2000, header_count=10, body_bytes=10_000, chunk_count=50)


@pytest.fixture(scope="module")
def tight(serve):
    return serve(Application([("/.*", Echo)]), TIGHT, error_body=envelope, server="0Mind")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + HOST + b"A: " + b"b" * 3000 + b"\r\n\r\n", 431),
        (b"GET /" + HOST + b"A: " + b"b" * 3000, 431),
        (b"GET /" + b"b" * 3000 + HOST + b"\r\n", 431),
        (b"GET /" + HOST + b"A: b\r\n" * 11 + b"\r\n", 431),
        (b"POST /" + HOST + b"Content-Length: 10001\r\n\r\n", 413),
        (b"POST /" + HOST + b"Content-Length: 10001\r\n\r\n" + bytes(10_001), 413),
        (b"POST /" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
        (b"POST /" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"3e8\r\n" + bytes(1000) + b"\r\n") * 11, 413),
        (b"POST /" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 51, 413),
        (b"POST /" + HOST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + bytes(20_000), 413),
    ],
)
def test_what_is_too_much_is_refused_in_the_listeners_words(tight, data, status):
    answer = tight.ask(data)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert {b"Connection: close", b"Content-Type: application/json", b"Server: 0Mind"} <= set(head.split(b"\r\n"))
    assert json.loads(body)["errors"][0]["code"] == status
    assert tight.ask(b"GET /" + HOST + b"Connection: close\r\n\r\n").endswith(b"hello")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + HOST + b"A: b\r\n" * 9 + b"\r\n",
        b"POST /" + HOST + b"Content-Length: 10000\r\n\r\n" + bytes(10_000),
        b"POST /" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"c8\r\n" + bytes(200) + b"\r\n") * 49 + b"0\r\n\r\n",
    ],
)
def test_what_is_just_not_too_much_is_served(tight, data):
    with tight.connect() as client:
        client.send(data)
        assert client.head().startswith(b"HTTP/1.1 200 ")


def test_the_refusal_of_a_head_request_has_no_body(tight):
    head, _, body = tight.ask(b"HEAD /" + HOST + b"A: b\r\n" * 11 + b"\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert body == b""


def test_a_client_that_sends_on_can_read_its_refusal(tight):
    """Closing on unread bytes would reset the connection, and the answer with it."""
    for _ in range(5):
        with tight.connect() as client:
            client.send(b"POST /" + HOST + b"Content-Length: 10000000\r\n\r\n" + bytes(300_000))
            time.sleep(0.05)
            client.send(bytes(300_000))
            assert client.rest().startswith(b"HTTP/1.1 413 ")


def test_an_endless_sender_is_not_listened_to_for_ever(tight, until):
    with tight.connect() as client:
        client.send(b"POST /" + HOST + b"Content-Length: 10000000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert client.flood(bytes(MIB), 64 * MIB, 5) < 32 * MIB
    until(lambda: tight.listener.connections == 0)


def test_a_delegate_sets_the_limits_of_its_own_request(serve):
    @stream_request_body
    class Upload(RequestHandler):
        def prepare(self):
            self.request.connection.set_max_body_size(int(self.request.headers["X-Limit"]))
            self.size = 0

        def data_received(self, chunk):
            self.size += len(chunk)

        def post(self):
            self.finish(str(self.size))

    served = serve(Application([("/", Upload)]), TIGHT)
    with served.connect() as client:
        for limit, size, status in ((20_000, 15_000, 200), (20_000, 20_001, 413)):
            client.send(b"POST /" + HOST + b"X-Limit: %d\r\nContent-Length: %d\r\n\r\n" % (limit, size) + bytes(size))
            assert client.answer()[0].startswith(b"HTTP/1.1 %d " % status)


def test_one_connection_too_many_is_told_so(serve, until):
    served = serve(Application([("/", Echo)]), Limits(connections=3))
    clients = [served.connect() for _ in range(3)]
    try:
        for client in clients:
            client.send(b"GET /" + HOST + b"\r\n")
            assert client.answer()[1] == b"hello"
        answer = served.ask(b"GET /" + HOST + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: " in answer
        clients.pop().sock.close()
        until(lambda: served.listener.connections < 3)
        assert served.ask(b"GET /" + HOST + b"Connection: close\r\n\r\n").endswith(b"hello")
    finally:
        for client in clients:
            client.sock.close()


# clients that leave, delegates that fail


def test_a_handler_hears_that_its_client_has_left(served, gate, until):
    with served.connect() as client:
        client.send(b"GET /gate" + HOST + b"\r\n")
        until(lambda: gate.asked)
    until(lambda: gate.left == 1)
    gate.release()
    until(lambda: served.listener.connections == 0)
    assert gate.left == 1


class Recorder(httputil.HTTPServerConnectionDelegate, httputil.HTTPMessageDelegate):
    """Fails where it is told to, and writes down what it hears."""

    def __init__(self, fail="", error=None):
        self.fail, self.error, self.heard = fail, error or RuntimeError("secret"), []

    def start_request(self, server_conn, request_conn):
        self.connection = request_conn
        return self

    def _hear(self, what):
        self.heard.append(what)
        if what == self.fail:
            raise self.error

    def headers_received(self, start_line, headers):
        self._hear("head")

    def data_received(self, chunk):
        self._hear("data")
        if self.fail == "later":
            return self._later()
        return None

    async def _later(self):
        await asyncio.sleep(0.01)
        raise self.error

    def finish(self):
        self._hear("finish")
        self.connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), httputil.HTTPHeaders({"Content-Length": "2"}), b"ok")
        self.connection.finish()

    def on_connection_close(self):
        self._hear("close")

    def on_close(self, server_conn):
        self.heard.append("gone")


BODY = b"POST /" + HOST + b"Content-Length: 3\r\n\r\nabc"


@pytest.mark.parametrize(
    ("fail", "heard"),
    [("head", "head close"), ("data", "head data close"), ("later", "head data close"), ("finish", "head data finish close")],
)
def test_a_delegate_that_fails_costs_its_own_request_only(serve, until, caplog, fail, heard):
    delegate = Recorder(fail)
    served = serve(delegate)
    with caplog.at_level(logging.ERROR, "zeromind"):
        answer = served.ask(BODY + BODY)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"secret" not in answer
    assert "secret" in caplog.text
    until(lambda: delegate.heard == [*heard.split(), "gone"])
    delegate.fail = ""
    assert served.ask(BODY.replace(b"Host", b"Connection: close\r\nHost")).endswith(b"ok")


def test_a_delegates_complaint_about_the_input_is_the_clients_fault(serve):
    answer = serve(Recorder("data", httputil.HTTPInputError("no such thing"))).ask(BODY)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"no such thing" in answer


def test_a_delegate_hears_that_its_client_left_within_the_body(serve, until):
    delegate = Recorder()
    served = serve(delegate)
    with served.connect() as client:
        client.send(BODY[:-1])
        until(lambda: "data" in delegate.heard)
    until(lambda: delegate.heard == ["head", "data", "close", "gone"])


def test_an_answer_before_the_end_of_its_request_ends_the_connection(serve):
    class Early(Recorder):
        def headers_received(self, start_line, headers):
            self.finish()

    answer = serve(Early()).ask(BODY + BODY)
    assert answer.endswith(b"ok")
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize(("length", "body"), [("5", b"123456"), ("5", b"1234")])
def test_an_answer_that_breaks_its_promise_is_cut(serve, length, body):
    class Liar(Recorder):
        def finish(self):
            self.connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), httputil.HTTPHeaders({"Content-Length": length}))
            self.connection.write(body)
            self.connection.finish()

    assert len(serve(Liar()).ask(BODY).partition(b"\r\n\r\n")[2]) < 5


def test_a_field_with_a_line_break_is_not_sent(serve):
    class Split(Recorder):
        def finish(self):
            headers = httputil.HTTPHeaders()
            headers["A"] = "b\r\nSet-Cookie: c"
            self.connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), headers)

    answer = serve(Split()).ask(BODY)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"Set-Cookie" not in answer


def test_writing_after_the_end_fails_quietly(serve, loop_thread):
    delegate = Recorder()
    assert serve(delegate).ask(BODY.replace(b"Host", b"Connection: close\r\nHost")).endswith(b"ok")

    async def late():
        with pytest.raises(StreamClosedError):
            await delegate.connection.write(b"more")
        with pytest.raises(StreamClosedError):
            await delegate.connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), httputil.HTTPHeaders())
        delegate.connection.finish()
        delegate.connection.close()

    loop_thread.run(late())


# the end


def test_draining_finishes_what_is_under_way(served, gate, until, loop_thread):
    with served.connect() as idle, served.connect() as busy, served.connect() as half:
        idle.send(b"GET /" + HOST + b"\r\n")
        idle.answer()
        half.send(b"GET /" + HOST)
        busy.send(b"GET /gate" + HOST + b"\r\n")
        until(lambda: gate.asked)
        drained = asyncio.run_coroutine_threadsafe(served.listener.drain(5), loop_thread.loop)
        assert idle.rest() == b""
        assert busy.silent()
        gate.release()
        half.send(b"\r\n")
        for client in (busy, half):
            assert b"\r\nConnection: close\r\n" in client.answer()[0]
            assert client.rest() == b""
        assert drained.result(5)
    with pytest.raises(ConnectionRefusedError):
        served.connect()


def test_draining_has_its_time_and_closing_takes_none(served, gate, until, loop_thread):
    with served.connect() as client:
        client.send(b"GET /gate" + HOST + b"\r\n")
        until(lambda: gate.asked)
        assert not loop_thread.run(served.listener.drain(0.2))
        began = time.monotonic()
        loop_thread.run(served.listener.close())
        assert time.monotonic() - began < 1
        with contextlib.suppress(ConnectionError):
            assert client.rest() == b""
    assert gate.left == 1
