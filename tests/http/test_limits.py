"""Too much is refused in the listener's words, readably, and only too much."""

import asyncio
import contextlib
import json
import time

import pytest
from tornado import httputil
from tornado.web import Application, RequestHandler, stream_request_body

from zeromind.http.site import Site
from zeromind.http.transport import HTTPProtocol
from zeromind.limits import HttpLimits as Limits

pytestmark = pytest.mark.proves("T15", "F26")

HOST = b" HTTP/1.1\r\nHost: x\r\n"
KIB, MIB = 1 << 10, 1 << 20


class Echo(RequestHandler):
    def get(self):
        self.finish("hello")

    def post(self):
        self.finish(self.request.body)


class Sink(asyncio.Transport):
    """A transport to nobody, on which nothing is to be written."""

    def get_write_buffer_size(self):
        return 0

    def write(self, data):
        raise AssertionError(data)


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


@pytest.mark.parametrize("chunk", [b"1\r\nx\r\n", b"1;a\r\nx\r\n"])
@pytest.mark.parametrize("segment", [100, 65_536])
def test_many_chunks_cost_as_much_more_as_they_are(chunk, segment):
    """Sixteen times as many take sixteen times as long, not 256 times."""

    class Ignorant(httputil.HTTPServerConnectionDelegate, httputil.HTTPMessageDelegate):
        def start_request(self, server_conn, request_conn):
            return self

    async def seconds(count):
        protocol = HTTPProtocol(Site(Ignorant(), Limits(), asyncio.get_running_loop()))
        protocol.connection_made(Sink())
        protocol.data_received(b"POST /" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        data, began = chunk * count, time.process_time()
        for start in range(0, len(data), segment):
            protocol.data_received(data[start : start + segment])
        spent = time.process_time() - began
        protocol.connection_lost(None)
        return spent

    few, many = (min(asyncio.run(seconds(count)) for _ in range(3)) for count in (4_000, 64_000))
    assert many < 80 * few


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


def test_a_flood_of_connections_is_not_even_refused(serve, until):
    served = serve(Application([("/", Echo)]), Limits(connections=1, linger_s=5.0))
    with served.connect() as first, served.connect() as second:
        assert second.head().startswith(b"HTTP/1.1 503 ")
        with served.connect() as third, contextlib.suppress(ConnectionError):
            assert third.rest() == b""
        first.send(b"GET /" + HOST + b"\r\n")
        assert first.answer()[1] == b"hello"
