"""The front's end of a worker's socket: the order goes out and is answered, then frames go either way, and nobody waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping
from typing import Any

from zeromind.executor import frames

_READ_BYTES = 1 << 16
_MOST_STAGES = 64
"""How often a worker may say what it does while it loads: it is not to be trusted."""
_STAGE_BYTES = 1024


class Link:
    """A connected socket, which it owns."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._received = frames.Stream()
        self._unsent = bytearray()
        self.unread = False
        """Whether the other side has gone without having read all that was sent."""

    async def load(self, order: Mapping[str, Any], reached: Callable[[str], None]) -> dict[str, Any]:
        """Send the order, and give what its loading comes to; ``reached`` is told of each stage on the way.

        Raises EOFError or OSError when the worker goes, FrameError for what it should not say.
        """
        await asyncio.get_running_loop().sock_sendall(self._sock, frames.pack(dict(order)))
        for _ in range(_MOST_STAGES):
            size = frames.unpack_prefix(await self._read(frames.PREFIX.size))
            message = frames.unpack(await self._read(size))
            if "stage" not in message:
                return message
            if size > _STAGE_BYTES or not isinstance(message["stage"], str):
                raise frames.FrameError("a worker says what it does in no words")
            reached(message["stage"])
        raise frames.FrameError("a worker says what it does without end")

    def listen(self, readable: Callable[[], object]) -> None:
        """Have that called whenever there is something to ``receive``."""
        asyncio.get_running_loop().add_reader(self._sock, readable)

    def receive(self) -> list[bytes] | None:
        """The frames that are complete with what has come, each with its prefix; None if nothing has. Raises EOFError, FrameError."""
        try:
            data = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:  # Linux says so, behind what has come, of a Unix socket that is closed before all is read
            self.unread = True
            data = b""
        if not data:
            raise EOFError
        return self._received.cut(data)

    def write(self, frame: bytes) -> None:
        """Send a frame, or keep it until it can be sent."""
        if self._unsent:
            self._unsent += frame
            return
        try:
            sent = self._sock.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:  # the other side has gone: the reader notices
            self.unread = True
            return
        if sent < len(frame):
            self._unsent += frame[sent:]
            asyncio.get_running_loop().add_writer(self._sock, self._writable)

    def close(self) -> None:
        """Let go of the socket."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sock)
        loop.remove_writer(self._sock)
        self._sock.close()

    def _writable(self) -> None:
        with contextlib.suppress(OSError):
            del self._unsent[: self._sock.send(self._unsent)]
        if not self._unsent:
            asyncio.get_running_loop().remove_writer(self._sock)

    async def _read(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        data = bytearray()
        while len(data) < size:
            part = await loop.sock_recv(self._sock, min(_READ_BYTES, size - len(data)))
            if not part:
                raise EOFError
            data += part
        return bytes(data)
