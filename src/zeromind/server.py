"""The composition root: builds a pool, starts it, drains it, stops it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator

import tornado.netutil
import tornado.web

from zeromind.access.guard import Guard
from zeromind.config.pool import PoolConfig
from zeromind.console import pages
from zeromind.engine import Engine
from zeromind.errors import ConfigError
from zeromind.grpc import listener as grpc_listener
from zeromind.grpc import trail as grpc_trail
from zeromind.grpc.frame import PREFACE
from zeromind.grpc.service import Service
from zeromind.http import app, envelope, openapi, trail
from zeromind.http.doorway import Guest
from zeromind.http.entrance import Entrance
from zeromind.http.front import Front
from zeromind.http.listener import Listener
from zeromind.limits import HttpLimits
from zeromind.observe.access import AccessLog
from zeromind.observe.reading import WireReading
from zeromind.observe.request_id import RequestIds
from zeromind.observe.spans import Spans

_log = logging.getLogger(__name__)

_LAST_WORDS_S = 1.0
"""How long answers that are written may take to reach their clients when the pool has stopped."""


class Server:
    """One pool on one port, which answers HTTP and gRPC, and on a second one for gRPC alone.

    ``start`` listens at once, before any model is loaded.
    """

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self._guard = guard = Guard(config)
        self.engine = Engine(config)
        self._spans = _spans(config)
        ids = RequestIds()
        self._access = access = AccessLog(config.access_log, config.log_format == "json", ids.prefix) if config.access_log else None
        told = access is not None or self._spans is not None
        calls = grpc_trail.Trail(access, self._spans) if told else None
        service = Service(self.engine, guard.gate, guard.audit, ids)
        self._grpc = grpc_listener.Listener(service, grpc_listener.limits_of(config), calls)
        limits = HttpLimits(body_bytes=config.max_body_bytes)
        guest = Guest(PREFACE, self._grpc.protocol)
        entrance = Entrance(guard.gate, guard.audit)
        front = Front(self.engine, _application(self.engine, entrance), entrance, told)
        requests = trail.Trail(access, self._spans) if told else None
        self._http = Listener(front, limits, self._refusal, "0Mind", guest, ids=ids, trail=requests)
        self.engine.view.wires += [self._read_http, self._read_grpc]
        guard.gate.on_change(self._http.forget)
        guard.gate.on_change(self._grpc.forget)
        self.engine.watch(self._changed)
        self._listening: list[asyncio.Task[int]] = []
        self._sockets: list[socket.socket] = []
        self._grpc_sockets: list[socket.socket] = []
        self._signals = 0

    def start(self) -> None:
        """Listen, and begin to load. Raises ConfigError if the address cannot be had, or must not."""
        config, guard = self.config, self._guard
        # Browsers offer both protocols, and h2 is gRPC's here, whose clients offer nothing else.
        tls, grpc_tls = (guard.tls.context(("http/1.1", "h2")), guard.tls.context(("h2",))) if guard.tls else (None, None)
        self._sockets = _bind(config.host, config.port, "port")
        try:
            guard.check(sock.getsockname()[0] for sock in self._sockets)
            self._grpc_sockets = _bind_grpc(config, self._sockets)
        except ConfigError:
            for sock in self._sockets:
                sock.close()
            raise
        guard.start()
        self._grpc.start(self._grpc_sockets, grpc_tls)
        self._listening = [asyncio.create_task(self._http.listen(sock=sock, tls=tls)) for sock in self._sockets]
        self.engine.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._guard.tls else 'http'}://{_shown(self._sockets)}"

    @property
    def grpc_address(self) -> str:
        """Where it listens for gRPC, with a port of its own if it has one."""
        return _shown(self._grpc_sockets or self._sockets)

    async def run(self) -> None:
        """Serve until a client, SIGTERM or SIGINT asks to stop, then drain; a second signal cuts that short, a third ends all."""
        with _signals(self._signalled, self._access.reopen if self._access is not None else None):
            await self.engine.stopped.wait()
            await self.close()

    async def close(self) -> None:
        """Say that the pool is not ready, turn new requests away, let accepted ones finish, end the workers, then the connections."""
        self.engine.stop()
        await self.engine.notice()
        self._grpc.leave()
        await self.engine.close()
        await self._http.drain(_LAST_WORDS_S)
        await self._http.close()
        await self._grpc.close(_LAST_WORDS_S)
        self._guard.close()
        for told in (self._access, self._spans):
            if told is not None:
                await asyncio.to_thread(told.close)

    def _refusal(self, status: int, message: str) -> tuple[str, bytes]:
        return "application/json", envelope.refusal(status, message, self.config.max_body_bytes)

    def _read_http(self) -> WireReading:
        return WireReading("http", self._http.connections, {str(status): count for status, count in self._http.answers.items()})

    def _read_grpc(self) -> WireReading:
        return WireReading("grpc", self._grpc.connections, {code.name: count for code, count in self._grpc.answers.items()})

    def _changed(self) -> None:
        if self.engine.stopped.is_set():
            self._http.leave()

    def _signalled(self) -> None:
        self._signals += 1
        if self._signals > 2:
            raise SystemExit(1)
        if self.engine.stopped.is_set():
            self.engine.hurry()
        self.engine.stop()


def _spans(config: PoolConfig) -> Spans | None:
    """Who sends traces, if somebody does; the SDK's own variable chooses which, unless the pool's setting does. Raises ConfigError."""
    if not config.otlp_endpoint:
        return None
    by_variable = "trace_ratio" not in config.given and "OTEL_TRACES_SAMPLER" in os.environ
    return Spans(config.otlp_endpoint, None if by_variable else config.trace_ratio)


def _application(engine: Engine, entrance: Entrance) -> tornado.web.Application:
    own = app.own_handlers(engine.config)
    document = openapi.document(app.BUILT_IN, own, [(page.route, page.summary) for page in pages.LISTED])
    return app.build(engine, entrance, pages.rules(document), own, document)


def _bind(host: str, port: int, key: str) -> list[socket.socket]:
    try:
        return tornado.netutil.bind_sockets(port, host, reuse_port=False)
    except OSError as error:
        flag = key.replace("_", "-")
        taken = f" (a server that runs already? curl http://{host}:{port}/info tells)" if error.errno == errno.EADDRINUSE else ""
        raise ConfigError(key, f"{host}:{port} cannot be listened on: {error.strerror}{taken}; choose another with --{flag}") from None
    except UnicodeError:
        raise ConfigError("host", f"{host!r} is no name of a host: write an address, such as 127.0.0.1") from None


def _bind_grpc(config: PoolConfig, main: list[socket.socket]) -> list[socket.socket]:
    """The sockets of gRPC's own port, if it has one: the one after the main one, or that of the configuration. Raises ConfigError."""
    if config.grpc_port >= 0:
        return _bind(config.host, config.grpc_port, "grpc_port") if config.grpc_port else []
    port: int = main[0].getsockname()[1]
    for wanted in [port + 1, *([] if config.port else [0])]:  # whoever takes any port takes any two
        with contextlib.suppress(OSError, OverflowError):
            return _bind_beside(main, wanted)
    _log.warning("port %d is taken: gRPC has no port of its own, port %d answers it; choose another with --grpc-port", port + 1, port)
    return []


def _bind_beside(sockets: list[socket.socket], port: int) -> list[socket.socket]:
    """Listen on the addresses of other sockets, on another port. Raises OSError, or OverflowError for what is no port."""
    bound: list[socket.socket] = []
    with contextlib.ExitStack() as opened:
        for sock in sockets:
            bound.append(opened.enter_context(socket.create_server((sock.getsockname()[0], port), family=sock.family)))
            port = bound[0].getsockname()[1]
        opened.pop_all()
    return bound


def _shown(sockets: list[socket.socket]) -> str:
    """The address of sockets, as URLs have it."""
    host, port = sockets[0].getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.contextmanager
def _signals(end: Callable[[], None], reopen: Callable[[], None] | None) -> Iterator[None]:
    """Have SIGTERM and SIGINT end the pool, and SIGHUP do what log rotation wants, where there is something to do."""
    loop = asyncio.get_running_loop()
    calls = {signal.SIGTERM: end, signal.SIGINT: end, **({signal.SIGHUP: reopen} if reopen is not None else {})}
    for number, call in calls.items():
        loop.add_signal_handler(number, call)
    try:
        yield
    finally:
        for number in calls:
            loop.remove_signal_handler(number)
