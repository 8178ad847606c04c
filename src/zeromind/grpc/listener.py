"""Who speaks gRPC: sockets, connections, and their end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence

from zeromind.config.pool import PoolConfig
from zeromind.grpc.connection import Connection
from zeromind.grpc.service import Service
from zeromind.grpc.site import Site
from zeromind.grpc.status import Code
from zeromind.grpc.trail import Trail
from zeromind.limits import GrpcLimits


class Listener:
    """Serves one service: ``start``, then ``leave``, then ``close``."""

    def __init__(self, service: Service, limits: GrpcLimits | None = None, trail: Trail | None = None) -> None:
        self._site = Site(service, limits or GrpcLimits(), asyncio.get_running_loop(), trail)
        self._servers: list[asyncio.Task[asyncio.Server]] = []
        self._clock: asyncio.TimerHandle | None = None

    @property
    def answers(self) -> Mapping[Code, int]:
        """How many there were, by code."""
        return self._site.answers

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._site.connections)

    def protocol(self) -> asyncio.Protocol:
        """What speaks with one more client, whose connection somebody else has accepted."""
        return Connection(self._site)

    def start(self, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None = None) -> None:
        """Accept connections on sockets that listen already."""
        loop = self._site.loop
        patience_s = self._site.limits.open_s if tls else None
        for sock in sockets:
            serving = loop.create_server(self.protocol, sock=sock, backlog=2048, ssl=tls, ssl_handshake_timeout=patience_s)
            self._servers.append(loop.create_task(serving))
        self._tick()

    def forget(self) -> None:
        """Decide anew over every call: what allowed some of them has changed."""
        for connection in list(self._site.connections):
            connection.forget()

    def leave(self) -> None:
        """Tell every client to go elsewhere with new calls, and close on those that come yet."""
        self._site.draining = True
        for connection in list(self._site.connections):
            connection.drain()

    async def close(self, grace_s: float = 1.0) -> None:
        """Leave, wait ``grace_s`` seconds for answers to be written, close every connection."""
        for server in await asyncio.gather(*self._servers):
            server.close()
        self.leave()
        site = self._site
        if site.connections:
            site.emptied = site.loop.create_future()
            await asyncio.wait([site.emptied], timeout=grace_s)
        for connection in list(site.connections):
            connection.abort()
        if self._clock is not None:
            self._clock.cancel()

    def _tick(self) -> None:
        site = self._site
        now = site.loop.time()
        for connection in list(site.connections):
            connection.tick(now)
        self._clock = site.loop.call_later(site.limits.tick_s, self._tick)


def limits_of(config: PoolConfig) -> GrpcLimits:
    """A pool's limits: what its HTTP port takes as a body this one takes as a message."""
    return GrpcLimits(message_bytes=config.max_body_bytes, buffer_bytes=max(config.max_queue_bytes, config.max_body_bytes))
