"""Clients that leave, delegates that fail, answers that break their word; and how a listener ends."""

import asyncio
import contextlib
import logging
import time

import pytest
from tornado import httputil
from tornado.iostream import StreamClosedError

HOST = b" HTTP/1.1\r\nHost: x\r\n"
KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture
def served(serve, echoing):
    return serve(echoing)


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


def test_an_answer_of_two_lengths_is_not_sent(serve):
    class Split(Recorder):
        def finish(self):
            headers = httputil.HTTPHeaders({"Content-Length": "2"})
            headers.add("Content-Length", "2")
            self.connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), headers, b"ok")

    assert serve(Split()).ask(BODY).startswith(b"HTTP/1.1 500 ")


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
        assert time.monotonic() - began < 5
        with contextlib.suppress(ConnectionError):
            assert client.rest() == b""
    assert gate.left == 1
