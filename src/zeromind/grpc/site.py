"""What the connections of one pool share."""

from __future__ import annotations

import asyncio
import collections
from typing import Protocol

from zeromind.grpc.service import Service
from zeromind.grpc.status import Code
from zeromind.grpc.trail import Trail
from zeromind.limits import GrpcLimits


class Connection(Protocol):
    """What is asked of each of them."""

    def tick(self, now: float) -> None:
        """Look at what takes too long."""

    def forget(self) -> None:
        """Decide anew over its calls."""

    def drain(self) -> None:
        """Tell the client to go elsewhere, answer the calls that are here, close."""

    def abort(self) -> None:
        """Close at once."""


class Site:
    """A service, its bounds, and who is connected to it."""

    def __init__(self, service: Service, limits: GrpcLimits, loop: asyncio.AbstractEventLoop, trail: Trail | None = None) -> None:
        self.service = service
        self.limits = limits
        self.trail = trail
        """Who is told of each answer, if somebody is."""
        self.loop = loop
        self.answers: collections.Counter[Code] = collections.Counter()
        """How many there were, by code."""
        self.connections: set[Connection] = set()
        self.buffered = 0
        """Bytes of messages that have come and were not taken."""
        self.draining = False
        self.emptied: asyncio.Future[None] | None = None
        """Somebody waits until there is no connection left."""

    def lost(self, connection: Connection) -> None:
        """A connection has closed."""
        self.connections.discard(connection)
        if self.emptied is not None and not self.connections and not self.emptied.done():
            self.emptied.set_result(None)
