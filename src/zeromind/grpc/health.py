"""gRPC's health check (github.com/grpc/grpc, doc/health-checking.md): whether the pool is ready, once or as often as that changes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from zeromind.access.scope import Scope
from zeromind.engine import Engine
from zeromind.grpc.entrance import Entrance, Need
from zeromind.grpc.messages import Messages
from zeromind.grpc.method import Head, Method, Speaker
from zeromind.grpc.rpcs import Fields, Rpcs
from zeromind.grpc.status import Code, Fault

_PACKAGE = "grpc.health.v1"


def serve(engine: Engine, messages: Messages, entrance: Entrance, services: Collection[str]) -> dict[str, Method]:
    """The methods Check and Watch for these services."""

    def check(request: Any, _: Head) -> Fields:
        if request.service not in services:
            raise Fault(Code.NOT_FOUND, f"the service {request.service[:200]!r} is not served")
        return {"status": _status(engine)}

    rpcs = Rpcs(messages, _PACKAGE, entrance)
    rpcs.at_once("Check", check, Need(Scope.OPEN), "HealthCheck")
    return {**rpcs.methods, "Watch": Method("Watch", Scope.OPEN, talk=lambda speaker, _: Watch(engine, messages, services, speaker))}


class Watch:
    """One client that is told of every change; a service that is none here is unknown, and may yet come."""

    pending = 0

    def __init__(self, engine: Engine, messages: Messages, services: Collection[str], speaker: Speaker) -> None:
        self._engine = engine
        self._messages = messages
        self._services = services
        self._speaker = speaker
        self._known = True
        self._told = ""
        self._leave: Callable[[], None] | None = None

    def hear(self, message: bytes) -> None:
        """Take the only message, which names the service. Raises Fault for a second one, or for what is none."""
        if self._leave is not None:
            raise Fault(Code.INVALID_ARGUMENT, "the call has more than one message: Watch takes exactly one")
        self._known = self._messages.parse(f"{_PACKAGE}.HealthCheckRequest", message).service in self._services
        self._leave = self._engine.watch(self._tell)
        self._tell()

    def ended(self) -> None:
        """The client has said all, and listens on."""
        if self._leave is None:
            self._speaker.end(Fault(Code.INVALID_ARGUMENT, "the call has no message: Watch takes exactly one"))

    def eased(self) -> None:
        """The client has taken something."""
        if self._leave is not None:
            self._tell()

    def withdraw(self) -> None:
        """The client has left."""
        if self._leave is not None:
            self._leave()

    def _tell(self) -> None:
        status = _status(self._engine) if self._known else "SERVICE_UNKNOWN"
        if status != self._told and not self._speaker.crowded:
            self._told = status
            self._speaker.say([self._messages.write(f"{_PACKAGE}.HealthCheckResponse", {"status": status})])


def _status(engine: Engine) -> str:
    return "SERVING" if engine.ready else "NOT_SERVING"
