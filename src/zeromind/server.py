"""The composition root: builds a pool, starts it, drains it, stops it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import tornado.httpserver
import tornado.netutil
import tornado.web

from zeromind.config.pool import PoolConfig
from zeromind.console import pages
from zeromind.engine import Engine
from zeromind.errors import ConfigError
from zeromind.http import app, listing


class Server:
    """One pool on one port. ``start`` listens at once, before any model is loaded."""

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self.engine = Engine(config)
        self._http = tornado.httpserver.HTTPServer(
            _application(self.engine),
            max_buffer_size=1 << 30,
            max_body_size=1 << 62,  # the handlers bound bodies themselves, so that the client gets the envelope
            idle_connection_timeout=75,
            body_timeout=300,
        )
        self._sockets: list[socket.socket] = []
        self._signals = 0

    def start(self) -> None:
        """Listen, and begin to load. Raises ConfigError if the address cannot be had."""
        host, port = self.config.host, self.config.port
        try:
            self._sockets = tornado.netutil.bind_sockets(port, host, reuse_port=False)
        except OSError as error:
            raise ConfigError("port", f"{host}:{port} cannot be listened on: {error.strerror}; choose another with --port") from None
        except UnicodeError:
            raise ConfigError("host", f"{host!r} is no name of a host: write an address, such as 127.0.0.1") from None
        self._http.add_sockets(self._sockets)
        self.engine.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        address = self._sockets[0].getsockname()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"http://{host}:{address[1]}"

    async def run(self) -> None:
        """Serve until a client, SIGTERM or SIGINT asks to stop, then drain; a second signal cuts that short, a third ends all."""
        with _signals(self._signalled):
            await self.engine.stopped.wait()
            await self.close()

    async def close(self) -> None:
        """Accept no more connections, let accepted requests finish, end the workers."""
        self._http.stop()
        await self.engine.close()
        await self._http.close_all_connections()

    def _signalled(self) -> None:
        self._signals += 1
        if self._signals > 2:
            raise SystemExit(1)
        if self.engine.stopped.is_set():
            self.engine.hurry()
        self.engine.stop()


def _application(engine: Engine) -> tornado.web.Application:
    own = app.own_handlers(engine.config)
    return app.build(engine, pages.rules(listing.routes([*own, *app.BUILT_IN]), listing.faults()), own)


@contextlib.contextmanager
def _signals(call: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, call)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
