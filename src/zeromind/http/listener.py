"""A listening socket, its connections, their deadlines, and their end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping

from tornado import httputil

from zeromind.http.doorway import Doorway, Guest
from zeromind.http.site import Site, plain
from zeromind.http.trail import Trail
from zeromind.http.transport import HTTPProtocol
from zeromind.limits import HttpLimits
from zeromind.observe.request_id import RequestIds


class Listener:
    """Serves one application: ``listen``, then ``leave``, ``stop``, ``drain`` and ``close``, the last two of which include those before.

    ``application`` is any HTTPServerConnectionDelegate of Tornado's, a ``tornado.web.Application`` for example. ``error_body`` gives
    content type and bytes for what the transport itself answers (400, 408, 413, 431, 500, 503), from the status and a sentence;
    ``server`` is the Server field of those answers. A ``guest`` gets the connections that begin as its own do, behind TLS if there is.
    Requests are called by ``ids``, and ``trail`` is told of each answer.
    """

    def __init__(  # noqa: PLR0913 - each is a part of its own
        self,
        application: httputil.HTTPServerConnectionDelegate,
        limits: HttpLimits | None = None,
        error_body: Callable[[int, str], tuple[str, bytes]] = plain,
        server: str = "",
        guest: Guest | None = None,
        *,
        ids: RequestIds | None = None,
        trail: Trail | None = None,
    ) -> None:
        self._application = application
        self._limits = limits or HttpLimits()
        self._error_body = error_body
        self._server_name = server
        self._guest = guest
        self._ids = ids or RequestIds()
        self._trail = trail
        self._site: Site | None = None
        self._servers: list[asyncio.Server] = []
        self._clock: asyncio.TimerHandle | None = None

    @property
    def answers(self) -> Mapping[int, int]:
        """How many there were, by status; 499 stands for a client that did not wait."""
        return {status: count for status, count in enumerate(self._site.answers) if count} if self._site else {}

    @property
    def connections(self) -> int:
        """Open connections; one that was detached, for a WebSocket, is none of ours any more."""
        return len(self._site.connections) if self._site else 0

    async def listen(
        self,
        host: str | None = "127.0.0.1",
        port: int = 0,
        *,
        sock: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
        backlog: int = 2048,
    ) -> int:
        """Accept connections on an address, or on a bound socket: the port. May be called again. Raises OSError as bind does."""
        loop = asyncio.get_running_loop()
        if self._site is None:
            self._site = Site(self._application, self._limits, loop, self._error_body, self._server_name, self._ids, self._trail)
            self._tick()
        site = self._site
        where = {"sock": sock} if sock else {"host": host, "port": port}
        guest = self._guest

        def protocol() -> asyncio.Protocol:
            return HTTPProtocol(site) if guest is None else Doorway(HTTPProtocol(site), guest)

        patience_s = self._limits.header_s if tls else None
        server = await loop.create_server(protocol, ssl=tls, ssl_handshake_timeout=patience_s, backlog=backlog, **where)
        self._servers.append(server)
        address = server.sockets[0].getsockname()
        return int(address[1]) if isinstance(address, tuple) else 0

    def forget(self) -> None:
        """Decide anew over every request: what allowed some of them has changed."""
        if self._site is not None:
            self._site.forget()

    def leave(self) -> None:
        """Tell every client with its next answer to go elsewhere, and close behind that; nobody's request is cut off, or goes unheard."""
        if self._site is not None:
            self._site.draining = True

    def stop(self) -> None:
        """Accept nothing more."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def drain(self, timeout_s: float) -> bool:
        """Close idle connections, and the others when their request is answered: whether all were within ``timeout_s`` seconds."""
        self.leave()
        self.stop()
        site = self._site
        if site is None:
            return True
        for connection in list(site.connections):
            connection.drain()
        if site.connections:
            site.emptied = site.loop.create_future()
            await asyncio.wait([site.emptied], timeout=timeout_s)
            site.emptied = None
        return not site.connections

    async def close(self) -> None:
        """Close every connection at once."""
        self.stop()
        if self._site is not None:
            for connection in list(self._site.connections):
                connection.abort()
            await self.drain(self._limits.linger_s)
        if self._clock is not None:
            self._clock.cancel()

    def _tick(self) -> None:
        site = self._site
        if site is None:
            return
        now = site.loop.time()
        for connection in list(site.connections):
            if connection.deadline <= now:
                connection.expire(now)
        self._clock = site.loop.call_later(self._limits.tick_s, self._tick)
