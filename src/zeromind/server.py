"""The composition root: builds a pool, starts it, drains it, stops it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import tornado.netutil
import tornado.web

from zeromind import importing
from zeromind.config.pool import PoolConfig
from zeromind.console import pages
from zeromind.engine import Engine
from zeromind.errors import ConfigError, ZeroMindError
from zeromind.http import app, envelope, openapi
from zeromind.http.front import Front
from zeromind.http.limits import Limits
from zeromind.http.listener import Listener

_LAST_WORDS_S = 1.0
"""How long answers that are written may take to reach their clients when the pool stops."""


class Server:
    """One pool on one port, and on a second one for gRPC if its configuration names one.

    ``start`` listens at once, before any model is loaded.
    """

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self.engine = Engine(config)
        limits = Limits(body_bytes=config.max_body_bytes)
        self._http = Listener(Front(self.engine, _application(self.engine)), limits, self._refusal, "0Mind")
        self._listening: list[asyncio.Task[int]] = []
        self._sockets: list[socket.socket] = []
        self._grpc: Any = None
        self._signals = 0

    def start(self) -> None:
        """Listen, and begin to load. Raises ConfigError if the address cannot be had."""
        config = self.config
        if config.grpc_port:
            self._grpc = _grpc_listener(self.engine)
        self._sockets = _bind(config.host, config.port, "port")
        if self._grpc is not None:
            self._grpc.start(_bind(config.host, config.grpc_port, "grpc_port"))
        self._listening = [asyncio.create_task(self._http.listen(sock=sock)) for sock in self._sockets]
        self.engine.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        address = self._sockets[0].getsockname()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"http://{host}:{address[1]}"

    @property
    def grpc_address(self) -> str:
        """Where it listens for gRPC; empty if it does not."""
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"{host}:{self.config.grpc_port}" if self.config.grpc_port else ""

    async def run(self) -> None:
        """Serve until a client, SIGTERM or SIGINT asks to stop, then drain; a second signal cuts that short, a third ends all."""
        with _signals(self._signalled):
            await self.engine.stopped.wait()
            await self.close()

    async def close(self) -> None:
        """Accept no more connections, let accepted requests finish, end the workers."""
        draining = asyncio.create_task(self._http.drain(self.config.drain_s + _LAST_WORDS_S))
        if self._grpc is not None:
            self._grpc.leave()
        await self.engine.close()
        await asyncio.wait([draining], timeout=_LAST_WORDS_S)
        await self._http.close()
        await draining
        if self._grpc is not None:
            await self._grpc.close()

    def _refusal(self, status: int, message: str) -> tuple[str, bytes]:
        return "application/json", envelope.refusal(status, message, self.config.max_body_bytes)

    def _signalled(self) -> None:
        self._signals += 1
        if self._signals > 2:
            raise SystemExit(1)
        if self.engine.stopped.is_set():
            self.engine.hurry()
        self.engine.stop()


def _application(engine: Engine) -> tornado.web.Application:
    own = app.own_handlers(engine.config)
    document = openapi.document(app.BUILT_IN, own, [(page.route, page.summary) for page in pages.LISTED])
    return app.build(engine, pages.rules(document), own, document)


def _bind(host: str, port: int, key: str) -> list[socket.socket]:
    try:
        return tornado.netutil.bind_sockets(port, host, reuse_port=False)
    except OSError as error:
        flag = key.replace("_", "-")
        raise ConfigError(key, f"{host}:{port} cannot be listened on: {error.strerror}; choose another with --{flag}") from None
    except UnicodeError:
        raise ConfigError("host", f"{host!r} is no name of a host: write an address, such as 127.0.0.1") from None


def _grpc_listener(engine: Engine) -> Any:
    """The gRPC listener of an engine. Raises ConfigError if its packages are not installed."""
    try:
        importing.require("hpack", "grpc", "gRPC")
        from zeromind.grpc import listener, service

        return listener.Listener(service.Service(engine), listener.limits_of(engine.config))
    except ZeroMindError as error:
        raise ConfigError("grpc_port", error.message) from None


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
