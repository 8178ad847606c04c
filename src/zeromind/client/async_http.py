"""HTTP in an event loop: each task takes a connection from those that are idle, or opens one."""

from __future__ import annotations

import asyncio
import collections
import select
import ssl
import time
from typing import cast

from zeromind.client.address import Address
from zeromind.client.http11 import BUFFER_BYTES, Reader, head, lost
from zeromind.client.step import Lost, Reply, Request
from zeromind.codecs.oip_raw import Bytes

_MOST_IDLE = 64
_JOINED = 65_536
_WAITING_BYTES = 1 << 20  # of a stream that nobody takes


class Connection(asyncio.BufferedProtocol):
    """One connection, one request at a time; what comes is received into the memory in which it stays."""

    def __init__(self) -> None:
        self._buffer = bytearray(BUFFER_BYTES)
        self._nothing = Reader(self._buffer)
        self._reader = self._nothing
        self._news: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._streaming = False
        self._paused = False
        self.open = False

    @property
    def stale(self) -> bool:
        """Whether the server has closed it, or said something that nobody asked for; the loop may not have had the time to see it."""
        return not self.open or bool(self._poll.poll(0))

    def say(self, pieces: list[Bytes], streaming: bool = False) -> Reader:
        """Send a request; gives what reads its answer."""
        self._reader = reader = Reader(self._buffer)
        self._streaming = streaming
        first, *rest = pieces
        if sum(map(len, rest)) < _JOINED:
            first, rest = b"".join(pieces), []
        for piece in (first, *rest):
            self._transport.write(piece)
        return reader

    async def hear(self, until: float) -> None:
        """Wait until more of the answer is there, all of it unless it is a stream. Raises TimeoutError, OSError or Garbled."""
        if self._error is not None:
            raise self._error
        loop = asyncio.get_running_loop()
        self._news = news = loop.create_future()
        timer = loop.call_later(max(0.0, until - time.monotonic()), self._late, news)
        try:
            await news
        finally:
            timer.cancel()
            self._news = None

    def resume(self) -> None:
        """Read on, of a stream that waited to be taken."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def rest(self) -> None:
        """Have no request."""
        self._reader = self._nothing

    def close(self) -> None:
        """Close it at once."""
        self.open = False
        self._transport.abort()

    @staticmethod
    def _late(news: asyncio.Future[None]) -> None:
        if not news.done():
            news.set_exception(TimeoutError())

    # asyncio's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = cast("asyncio.Transport", transport)
        self._poll = select.poll()  # select has no room for high descriptors
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self.open = True

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes."""
        del sizehint
        return memoryview(self._buffer) if self._reader.done else self._reader.room()

    def buffer_updated(self, nbytes: int) -> None:
        """Something has come."""
        if self._reader is self._nothing or self._reader.done:  # nobody asked for it
            self.close()
            return
        self._fill(nbytes)

    def eof_received(self) -> None:
        """Nothing more will come."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It has closed."""
        self.open = False
        if self._reader is not self._nothing and not self._reader.done and self._error is None:
            if exc is None:
                self._fill(0)
            else:
                self._tell(exc if isinstance(exc, OSError) else ConnectionResetError(str(exc)))

    def _fill(self, nbytes: int) -> None:
        reader = self._reader
        try:
            reader.filled(nbytes)
        except Exception as error:
            self._tell(error)
            return
        if reader.done or self._streaming:
            if self._streaming and not reader.done and reader.waiting > _WAITING_BYTES:
                self._paused = True
                self._transport.pause_reading()
            self._tell(None)

    def _tell(self, error: Exception | None) -> None:
        self._error = error
        news = self._news
        if news is None or news.done():
            return
        if error is None:
            news.set_result(None)
        else:
            news.set_exception(error)


class Body:
    """A Source: an answer whose parts are taken one after the other."""

    def __init__(self, connection: Connection, reader: Reader) -> None:
        self.connection = connection
        self.reader = reader

    def close(self) -> None:
        """Close the connection, since the rest of the answer would be on it."""
        self.connection.close()


class HttpTransport:
    """An AsyncTransport to one address; ``always`` are fields of every request, as they travel."""

    def __init__(self, address: Address, always: str, context: ssl.SSLContext | None) -> None:
        self._address = address
        self._always = always
        self._context = context
        self._idle: collections.deque[Connection] = collections.deque()
        self._closed = False

    async def send(self, request: Request, seconds: float) -> Reply:
        """The reply to a request."""
        until = time.monotonic() + seconds
        connection = self._take() or await self._connect(until)
        reader = connection.say(self._pieces(request))
        try:
            while not reader.done:
                await connection.hear(until)
        except BaseException as error:
            connection.close()
            raise (lost(error, reader) or error) from None
        if reader.keep and connection.open and len(self._idle) < _MOST_IDLE and not self._closed:
            connection.rest()
            self._idle.append(connection)
        else:
            connection.close()
        return reader.reply()

    async def open(self, request: Request, seconds: float) -> Body:
        """Where the parts of an answer come from."""
        until = time.monotonic() + seconds
        connection = await self._connect(until)
        body = Body(connection, connection.say(self._pieces(request), streaming=True))
        try:
            while not body.reader.headed:
                await connection.hear(until)
        except BaseException as error:
            body.close()
            raise (lost(error, body.reader) or error) from None
        return body

    async def receive(self, source: Body, seconds: float) -> bytes | Reply | None:
        """The next part."""
        until, reader = time.monotonic() + seconds, source.reader
        try:
            while True:
                if reader.status == 200 and (part := reader.take()):
                    source.connection.resume()
                    return part
                if reader.done:
                    return None if reader.status == 200 else reader.reply()
                await source.connection.hear(until)
        except OSError as error:
            raise (lost(error, reader) or error) from None

    async def close(self) -> None:
        """Close every idle connection; those at work close when they are done."""
        self._closed = True
        while (connection := self._take()) is not None:
            connection.close()

    def _pieces(self, request: Request) -> list[Bytes]:
        size = sum(map(len, request.pieces))
        return [head(request, self._address.authority, self._address.prefix, self._always, size), *request.pieces]

    def _take(self) -> Connection | None:
        """A connection that can be used, the last one used first."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.stale:
                return connection
            connection.close()
        return None

    async def _connect(self, until: float) -> Connection:
        """A new connection. Raises Lost or TimeoutError."""
        loop = asyncio.get_running_loop()
        place = loop.create_connection(
            Connection,
            self._address.host,
            self._address.port,
            ssl=self._context,
            server_hostname=self._address.host if self._context else None,
        )
        try:
            _, connection = await asyncio.wait_for(place, max(0.0, until - time.monotonic()))
        except (TimeoutError, asyncio.TimeoutError):
            raise TimeoutError from None
        except OSError as error:
            raise Lost(error, sent=False, lasting=isinstance(error, ssl.SSLError)) from None
        return connection
