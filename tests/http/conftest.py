"""A loop in a thread that serves Tornado's delegates through our transport, and a client of raw bytes."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest
import uvloop
from tornado.web import Application, RequestHandler

from zeromind.http.listener import Listener


class LoopThread:
    def __init__(self):
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Client:
    """One connection, from an address of its own if one is named."""

    def __init__(self, port, source=""):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def flood(self, data, most, seconds=0.5):
        """Send ``data`` again and again, ``most`` bytes at most, until the server takes no more: the bytes that it took."""
        self.sock.settimeout(seconds)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < most:
                sent += self.sock.send(memoryview(data)[sent % len(data) :][: most - sent])
        self.sock.settimeout(10)
        return sent

    def rest(self):
        """Everything until the server closes."""
        parts = []
        while part := self.sock.recv(65536):
            parts.append(part)
        return b"".join(parts)

    def head(self):
        """The next head, to its empty line and not a byte further."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            part = self.sock.recv(1)
            assert part, f"closed after {data!r}"
            data += part
        return data

    def body(self, size):
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            assert part, f"closed after {len(data)} bytes of {size}"
            data += part
        return data

    def answer(self):
        """The head and the body of the next answer, which has a Content-Length."""
        head = self.head()
        size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        return head, self.body(size)

    def silent(self, seconds=0.1):
        """Whether the server says nothing for a while."""
        self.sock.settimeout(seconds)
        try:
            return not self.sock.recv(1) and False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(10)


class Served:
    """One listener of the thread's loop."""

    def __init__(self, thread, listener, port):
        self.thread = thread
        self.listener = listener
        self.port = port

    def connect(self, source=""):
        return Client(self.port, source)

    def ask(self, data):
        """Everything that the server says to these bytes until it closes."""
        with self.connect() as client:
            client.send(data)
            return client.rest()


@pytest.fixture(scope="session")
def loop_thread():
    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture(scope="module")
def serve(loop_thread):
    """Serve a delegate of Tornado's until the module's tests are over: ``serve(application, limits, **of the listener)``."""
    with contextlib.ExitStack() as stack:

        def start(application, limits=None, **options):
            async def listen():
                listener = Listener(application, limits, **options)
                return Served(loop_thread, listener, await listener.listen())

            served = loop_thread.run(listen())
            stack.callback(lambda: loop_thread.run(served.listener.close()))
            return served

        yield start


@pytest.fixture(scope="session")
def until():
    """Wait until a condition holds."""

    def wait(condition, seconds=5.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come to pass"
            time.sleep(0.01)

    return wait


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
def echoing(gate):
    """An application that echoes, and has a gate at ``/gate``."""
    return Application([("/gate", Gate, {"gate": gate}), ("/.*", Echo)])
