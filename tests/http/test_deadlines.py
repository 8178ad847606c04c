"""Who takes too long is told so, or dropped; who only waits for the application is not."""

import asyncio
import contextlib
import dataclasses
import socket
import time

import pytest
from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler, stream_request_body

from zeromind.limits import HttpLimits as Limits

HOST = b" HTTP/1.1\r\nHost: x\r\n"
KIB, MIB = 1 << 10, 1 << 20


HASTE = Limits(header_s=0.3, body_s=1.0, grace_s=0.3, min_rate=1000, idle_s=0.3, write_s=0.4, linger_s=0.3)


@pytest.fixture
def hasty(serve, echoing):
    return serve(echoing, HASTE)


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


def test_an_answer_that_is_complete_but_not_taken_is_given_up_too(serve, until):
    class Download(RequestHandler):
        def get(self):
            self.finish(b"x" * 20 * MIB)

    served = serve(Application([("/", Download)]), dataclasses.replace(HASTE, idle_s=60.0))
    with served.connect() as client:
        client.send(b"GET /" + HOST + b"\r\n")
        assert client.head()
        until(lambda: served.listener.connections == 0)
