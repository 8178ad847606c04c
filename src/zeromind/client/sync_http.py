"""HTTP over sockets, for threads: each takes a connection from those that are idle, or opens one."""

from __future__ import annotations

import collections
import contextlib
import os
import select
import socket
import time
from typing import TYPE_CHECKING

from zeromind.client.address import Address
from zeromind.client.http11 import BUFFER_BYTES, Reader, head, lost
from zeromind.client.step import Lost, Reply, Request
from zeromind.codecs.oip_raw import Bytes

if TYPE_CHECKING:
    import ssl

_MOST_IDLE = 64
_JOINED = 65_536


class Connection:
    """One connection, one request at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray(BUFFER_BYTES)
        self._poll = select.poll()  # select has no room for high descriptors
        self._poll.register(sock, select.POLLIN)

    @property
    def stale(self) -> bool:
        """Whether the server has closed it, or said something that nobody asked for."""
        return bool(self._poll.poll(0))

    def say(self, pieces: list[Bytes], until: float) -> bool:
        """Send a request; gives whether all of it was: a server that refuses a big one answers, and listens no longer."""
        first, *rest = pieces
        if sum(map(len, rest)) < _JOINED:
            first, rest = b"".join(pieces), []
        try:
            for piece in (first, *rest):
                self._sock.settimeout(_left(until))
                self._sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def reader(self) -> Reader:
        """What reads the next answer."""
        return Reader(self._buffer)

    def hear(self, reader: Reader, until: float) -> None:
        """Read on. Raises TimeoutError, OSError or Garbled."""
        self._sock.settimeout(_left(until))
        reader.filled(self._sock.recv_into(reader.room()))

    def close(self) -> None:
        """Close it."""
        with contextlib.suppress(OSError):
            self._sock.close()


class Body:
    """A Source: an answer whose parts are taken one after the other."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.reader = connection.reader()

    def close(self) -> None:
        """Close the connection, since the rest of the answer would be on it."""
        self.connection.close()


class HttpTransport:
    """A Transport to one address; ``always`` are fields of every request, as they travel."""

    def __init__(self, address: Address, always: str, context: ssl.SSLContext | None) -> None:
        self._address = address
        self._always = always
        self._context = context
        self._idle: collections.deque[Connection] = collections.deque()
        self._process = os.getpid()
        self._closed = False

    def send(self, request: Request, seconds: float) -> Reply:
        """The reply to a request."""
        until = time.monotonic() + seconds
        connection = self._take() or self._connect(until)
        reader = connection.reader()
        try:
            whole = self._say(connection, request, until)
            while not reader.done:
                connection.hear(reader, until)
        except BaseException as error:
            connection.close()
            raise (lost(error, reader) or error) from None
        if whole and reader.keep and len(self._idle) < _MOST_IDLE and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()
        return reader.reply()

    def open(self, request: Request, seconds: float) -> Body:
        """Where the parts of an answer come from."""
        until = time.monotonic() + seconds
        body = Body(self._connect(until))
        try:
            self._say(body.connection, request, until)
            while not body.reader.headed:
                body.connection.hear(body.reader, until)
        except BaseException as error:
            body.close()
            raise (lost(error, body.reader) or error) from None
        return body

    def receive(self, source: Body, seconds: float) -> bytes | Reply | None:
        """The next part."""
        until, reader = time.monotonic() + seconds, source.reader
        try:
            while True:
                if reader.status == 200 and (part := reader.take()):
                    return part
                if reader.done:
                    return None if reader.status == 200 else reader.reply()
                source.connection.hear(reader, until)
        except OSError as error:
            raise (lost(error, reader) or error) from None

    def close(self) -> None:
        """Close every idle connection; those at work close when they are done."""
        self._closed = True
        while (connection := self._take()) is not None:
            connection.close()

    def _say(self, connection: Connection, request: Request, until: float) -> bool:
        size = sum(map(len, request.pieces))
        first = head(request, self._address.authority, self._address.prefix, self._always, size)
        return connection.say([first, *request.pieces], until)

    def _take(self) -> Connection | None:
        """A connection that can be used, the last one used first."""
        if os.getpid() != self._process:  # of a parent, which goes on using its connections
            self._process = os.getpid()
            self._idle = collections.deque()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if not connection.stale:
                return connection
            connection.close()

    def _connect(self, until: float) -> Connection:
        """A new connection. Raises Lost or TimeoutError."""
        reason: object = "no address"
        try:
            found = socket.getaddrinfo(self._address.host, self._address.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Lost(error, sent=False) from None
        for family, kind, protocol, _, place in found:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(_left(until))
                sock.connect(place)
                if self._context is not None:
                    sock.settimeout(_left(until))
                    sock = self._context.wrap_socket(sock, server_hostname=self._address.host)
                return Connection(sock)
            except BaseException as error:
                sock.close()
                if isinstance(error, TimeoutError) or not isinstance(error, OSError):
                    raise
                if type(error).__module__ == "ssl":  # the next address would give the same
                    raise Lost(error, sent=False, lasting=True) from None
                reason = error
        raise Lost(reason, sent=False)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
