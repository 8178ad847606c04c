"""One connection of a load: a request out, its answer in, and again."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools


class Owner(Protocol):
    """Whom a connection tells what happened to it."""

    def answered(self, connection: Connection, status: int) -> None:
        """The answer to its request is complete; the connection can take another if it is still ``open``."""

    def lost(self, connection: Connection, garbled: bool) -> None:
        """It has closed; its request, if ``sent`` is not 0, will not be answered. ``garbled``: what came was no HTTP."""


class Connection(asyncio.Protocol):
    """One request at a time over HTTP/1.1; times are those of ``time.monotonic``."""

    __slots__ = ("_garbled", "_owner", "_parser", "_transport", "_wire", "due", "open", "sent", "tail")

    def __init__(self, owner: Owner, wire: bytes) -> None:
        self._owner = owner
        self._wire = wire
        self._parser = httptools.HttpResponseParser(self)
        self._garbled = False
        self.open = False
        self.due = 0.0
        """When the last request should have been sent; 0 before the first."""
        self.sent = 0.0
        """When it was; 0 while there is none."""
        self.tail = b""
        """The bytes that came last, which end the answer just told."""

    def send(self, due: float, now: float) -> None:
        """Send the request, which was due then."""
        self.due = due
        self.sent = now
        self._transport.write(self._wire)

    def abort(self) -> None:
        """Close at once."""
        self.open = False
        self._transport.abort()

    # asyncio's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Read on; ``on_message_complete`` is called from here."""
        self.tail = data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._garbled = True
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come, for whatever reason."""
        del exc
        self.open = False
        self._owner.lost(self, self._garbled)

    # the parser's: only this one, since each that there is costs a call for every field of every answer

    def on_message_complete(self) -> None:
        """The answer is complete."""
        status = self._parser.get_status_code()
        if status < 200:
            return
        if not self.sent:  # an answer that nobody asked for
            self._garbled = True
            self.abort()
            return
        if not self._parser.should_keep_alive():
            self.open = False
            self._transport.close()
        self.sent = 0.0
        self._owner.answered(self, status)
