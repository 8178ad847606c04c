"""A socket that leaves HTTP: what a WebSocket handler gets from ``detach``."""

from __future__ import annotations

import asyncio
import socket

from tornado.iostream import IOStream


class DetachedStream(IOStream):
    """A Tornado stream that first yields the bytes that were read from the socket before it was detached."""

    def __init__(self, sock: socket.socket, unread: bytes) -> None:
        super().__init__(sock)
        self._unread = unread

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """As IOStream's: how many bytes were put into ``buf``, None when there are none yet."""
        if not self._unread:
            return super().read_from_fd(buf)
        size = min(len(buf), len(self._unread))
        buf[:size] = self._unread[:size]
        self._unread = self._unread[size:]
        return size


def detached(transport: asyncio.Transport, unread: bytes, head: bytes) -> DetachedStream:
    """A stream on the socket of a transport, which may then be aborted; ``head`` is written to it first."""
    transport.pause_reading()
    stream = DetachedStream(transport.get_extra_info("socket").dup(), unread)
    if head:
        stream.write(head)
    return stream
