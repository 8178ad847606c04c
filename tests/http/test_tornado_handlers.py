"""Handlers written for Tornado's own server: static files, WebSockets, detached sockets; and what they leave behind."""

import asyncio
import base64
import contextlib
import gc
import os
import socket
import subprocess
import sys
import textwrap
import time
import weakref
from pathlib import Path

import pytest
from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler, StaticFileHandler
from tornado.websocket import WebSocketHandler, websocket_connect

from zeromind.http.listener import Listener
from zeromind.http.transport import HTTPProtocol

HOST = b" HTTP/1.1\r\nHost: x\r\n"


class Shout(WebSocketHandler):
    def on_message(self, message):
        self.write_message(message.upper(), binary=isinstance(message, bytes))


class Line(RequestHandler):
    """Leaves HTTP at once, for a protocol of lines."""

    async def get(self):
        stream = self.detach()
        await stream.write(b"hi\n")
        with contextlib.suppress(StreamClosedError):
            while True:
                await stream.write((await stream.read_until(b"\n"))[::-1])


class Promise(RequestHandler):
    """Answers 101 and does nothing about it."""

    def get(self):
        self.set_status(101)
        self.finish()


class Who(RequestHandler):
    def get(self):
        connection = self.request.connection
        assert not connection.stream.closed()
        connection.stream.set_nodelay(True)
        peer = connection.stream.socket.getpeername()
        self.finish(f"{self.request.remote_ip} {self.request.protocol} {peer[0]} {connection.context}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("static")
    (path / "big.bin").write_bytes(os.urandom(3_000_000))
    (path / "small.txt").write_text("small")
    return path


@pytest.fixture(scope="module")
def served(serve, folder):
    routes = [("/ws", Shout), ("/line", Line), ("/101", Promise), ("/who", Who), ("/(.*)", StaticFileHandler, {"path": str(folder)})]
    return serve(Application(routes))


def test_static_files(served, folder):
    big = (folder / "big.bin").read_bytes()
    with served.connect() as client:
        client.send(b"GET /big.bin" + HOST + b"\r\n")
        head, body = client.answer()
        assert body == big
        etag = next(line for line in head.split(b"\r\n") if line.startswith(b"Etag")).partition(b": ")[2]
        client.send(b"GET /big.bin" + HOST + b"Range: bytes=1000000-1000999\r\n\r\n")
        head, body = client.answer()
        assert head.startswith(b"HTTP/1.1 206 ")
        assert body == big[1_000_000:1_001_000]
        client.send(
            b"GET /big.bin" + HOST + b"If-None-Match: " + etag + b"\r\n\r\nHEAD /small.txt" + HOST + b"\r\nGET /none" + HOST + b"\r\n"
        )
        assert client.head().startswith(b"HTTP/1.1 304 ")
        assert b"Content-Length: 5\r\n" in client.head()
        assert client.answer()[0].startswith(b"HTTP/1.1 404 ")


def test_a_handler_sees_its_connection(served):
    with served.connect() as client:
        client.send(b"GET /who" + HOST + b"\r\n")
        assert client.answer()[1] == b"127.0.0.1 http 127.0.0.1 127.0.0.1"


def test_a_socket_in_a_folder(loop_thread, tmp_path):
    """A Unix socket has no address: the client's is told as Tornado's own server tells it."""

    class Address(RequestHandler):
        def get(self):
            self.finish(f"{self.request.remote_ip} {self.request.protocol}")

    async def ask():
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(tmp_path / "socket"))
        listener = Listener(Application([("/", Address)]))
        assert await listener.listen(sock=sock) == 0
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "socket"))
        writer.write(b"GET /" + HOST + b"Connection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await listener.close()
        return answer

    assert loop_thread.run(ask()).endswith(b"0.0.0.0 http")


def test_a_websocket(served, loop_thread):
    async def chat():
        client = await websocket_connect(f"ws://127.0.0.1:{served.port}/ws")
        for size in (0, 5, 70_000, 3_000_000):
            await client.write_message("x" * size)
            assert await client.read_message() == "X" * size
        client.close()
        assert await client.read_message() is None

    loop_thread.run(chat())


def frame(data):
    """A masked text frame (RFC 6455 section 5.2) whose mask is zero."""
    return bytes([0x81, 0x80 | len(data)]) + bytes(4) + data


HANDSHAKE = (
    b"GET /ws" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16)) + b"\r\n\r\n"
)


@pytest.mark.parametrize("before", [b"", b"HEAD /small.txt" + HOST + b"\r\n"])
def test_what_comes_right_behind_a_handshake_belongs_to_the_websocket(served, before):
    with served.connect() as client:
        client.send(before + HANDSHAKE + frame(b"early") + frame(b"bird")[:3])
        if before:
            assert client.head().startswith(b"HTTP/1.1 200 ")
        assert client.head().startswith(b"HTTP/1.1 101 ")
        assert client.body(7) == b"\x81\x05EARLY"
        client.send(frame(b"bird")[3:])
        assert client.body(6) == b"\x81\x04BIRD"


def test_a_detached_socket(served):
    with served.connect() as client:
        client.send(b"GET /line" + HOST + b"\r\nabc\n")
        assert client.body(3 + 4) == b"hi\n\ncba"
        client.send(b"def\n")
        assert client.body(4) == b"\nfed"


def test_a_101_that_nobody_takes_up_ends_the_connection(served):
    answer = served.ask(b"GET /101" + HOST + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert answer.endswith(b"\r\n\r\n")


def test_connections_leave_nothing_behind(served, loop_thread, until):
    """What a connection held is free when it closes, not when the collector comes by."""

    async def alive():
        return [weakref.ref(connection) for connection in gc.get_objects() if type(connection) is HTTPProtocol]

    async def collecting(on):
        (gc.enable if on else gc.disable)()
        gc.collect()

    until(lambda: served.listener.connections == 0)
    loop_thread.run(collecting(on=False))
    before = len(loop_thread.run(alive()))
    try:
        for _ in range(20):
            served.ask(b"GET /who" + HOST + b"Connection: close\r\n\r\n")
            served.ask(b"nonsense\r\n\r\n")
        until(lambda: served.listener.connections == 0)
        assert len(loop_thread.run(alive())) <= before + 2
    finally:
        loop_thread.run(collecting(on=True))


STARVED = """
    import asyncio, resource, sys, uvloop
    from tornado.web import Application, RequestHandler
    from zeromind.http.listener import Listener

    class Hello(RequestHandler):
        def get(self):
            self.finish("hello")

    async def main():
        print(await Listener(Application([("/", Hello)])).listen(), flush=True)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        await asyncio.Event().wait()

    uvloop.run(main())
"""


def test_running_out_of_files_is_survived(tmp_path):
    """Accepting fails for want of descriptors: the server neither ends nor spins, and serves again when some are free."""
    script = tmp_path / "starved.py"
    script.write_text(textwrap.dedent(STARVED))
    with subprocess.Popen([sys.executable, "-W", "ignore", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            port = int(process.stdout.readline())
            clients = []
            for _ in range(150):
                with contextlib.suppress(OSError):  # refused: as good as closed
                    clients.append(socket.create_connection(("127.0.0.1", port), timeout=5))
            spent = cpu(process.pid)
            time.sleep(1)
            assert cpu(process.pid) - spent < 0.7, "it spins"
            for client in clients:
                client.close()
            time.sleep(0.3)
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.sendall(b"GET /" + HOST + b"Connection: close\r\n\r\n")
                data = b""
                while part := client.recv(65536):
                    data += part
            assert data.endswith(b"hello")
            assert process.poll() is None
        finally:
            process.kill()


def cpu(pid):
    """Seconds of processor time that a process has used."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
