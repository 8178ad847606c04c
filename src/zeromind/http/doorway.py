"""The first bytes of a connection: HTTP/1, or what somebody else speaks on the same port."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

from zeromind.http.transport import HTTPProtocol


@dataclasses.dataclass(frozen=True, slots=True)
class Guest:
    """Another protocol: what its connections begin with, and what makes a protocol for one of them."""

    preface: bytes
    protocol: Callable[[], asyncio.Protocol]


class Doorway(asyncio.Protocol):
    """One connection until it is known who is to speak with it; as long as it says nothing, HTTP's deadlines hold."""

    def __init__(self, host: HTTPProtocol, guest: Guest) -> None:
        self._host = host
        self._guest = guest
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._host.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Look at what it begins with, and step aside once that is clear."""
        if self._unread:
            data = self._unread + data
        preface, transport = self._guest.preface, self._host.transport
        if self._host.ending or not data.startswith(preface[: len(data)]):
            transport.set_protocol(self._host)
            self._host.data_received(data)
        elif len(data) < len(preface):
            self._unread = data
        else:
            self._host.connection_lost(None)
            guest = self._guest.protocol()
            transport.set_protocol(guest)
            guest.connection_made(transport)
            guest.data_received(data)

    def eof_received(self) -> None:
        """It said too little to be anybody's."""
        self._host.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has left, or was asked to."""
        self._host.connection_lost(exc)

    def pause_writing(self) -> None:
        """What was written to it is read slowly."""
        self._host.pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._host.resume_writing()
