"""A server that answers as a test tells it to, over real sockets, in a thread."""

import asyncio
import inspect
import threading

import pytest

from zeromind.bench.call import Call
from zeromind.client.address import Address

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Scripted:
    """``answer(number)`` gives the bytes that answer the request of that number, counted from 0; None closes the connection.

    It may be a coroutine, and then is one of several under way.
    """

    def __init__(self, answer):
        self._answer = answer
        self._up = threading.Event()
        self._writers = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.requests = []
        self.busy = self.most_busy = 0

    def __enter__(self):
        self._thread.start()
        assert self._up.wait(10)
        self.address = Address("127.0.0.1", self.port)
        self.call = Call(self.address, "/ask", b"{}")
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """No longer listen, close every connection; returns when that has happened."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(10)
        assert not self._thread.is_alive()

    async def _run(self):
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1000)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._over.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
                self.requests.append(head + await reader.readexactly(length))
                self.busy += 1
                self.most_busy = max(self.most_busy, self.busy)
                reply = self._answer(len(self.requests) - 1)
                reply = await reply if inspect.isawaitable(reply) else reply
                self.busy -= 1
                if reply is None:
                    break
                writer.write(reply)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()


@pytest.fixture(scope="session")
def scripted():
    """A context manager: ``with scripted(answer) as server``; without ``answer`` every request gets 200."""
    return lambda answer=lambda _: OK: Scripted(answer)
