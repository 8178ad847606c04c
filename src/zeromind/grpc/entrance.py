"""Which calls are let in, and as whose: by their metadata once for each head, by their messages where those name a model."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

from zeromind.access.audit import Audit, Deed
from zeromind.access.gate import Gate
from zeromind.access.scope import Caller, Scope
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.grpc.fields import Fields
from zeromind.grpc.method import Head, Method, Reply
from zeromind.grpc.status import TABLE, Code, Fault

_REFUSED = (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED)


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """What a method needs of a key.

    ``models`` are the fields of its message that may name a model; ``some``: keys for some models only may call it although it names
    none, for it tells of no others. With the field ``changes`` filled in it is a deed, and needs ``manage``.
    """

    scope: Scope
    models: tuple[str, ...] = ()
    some: bool = False
    changes: str = ""

    @property
    def known(self) -> Scope:
        """What is known of it before there is a message."""
        return Scope.ANY if self.changes else self.scope

    def of(self, message: Any) -> Scope:
        """What a message needs."""
        return Scope.MANAGE if self.changes and getattr(message, self.changes) else self.scope

    def model(self, message: Any) -> str:
        """The model that a message names; empty if it names none."""
        return next((name for name in (getattr(message, field) for field in self.models) if name), "")


class Entrance:
    """Lets calls in, and tells the audit log of deeds."""

    def __init__(self, gate: Gate, audit: Audit) -> None:
        self.gate = gate
        self._audit = audit

    def enter(self, fields: Fields, method: Method | None, address: str) -> Caller:
        """Who calls. Raises Fault: PERMISSION_DENIED for a host that is not ours or a page of another site, or what its key lacks."""
        scope = method.scope if method is not None else Scope.ANY
        caller = self.gate.nobody
        try:
            caller = self._caller(fields, scope)
            caller.check_scope(scope)
        except ZeroMindError as error:
            if method is not None and scope is Scope.MANAGE:
                self._record(Deed(caller.name, address, method.name, "", _text(fields.get(b"x-request-id")) or ""), error, 0.0)
            raise Fault.of(error) from None
        return caller

    def _caller(self, fields: Fields, scope: Scope) -> Caller:
        gate = self.gate
        refused = gate.refused_host(_text(fields.get(b":authority") or fields.get(b"host")) or "")
        if not refused and b"origin" in fields:
            refused = gate.refused_sender("POST", _headers(fields))
        if refused:
            raise ZeroMindError(ErrorKind.PERMISSION_DENIED, refused)
        if scope is Scope.OPEN:
            return gate.nobody
        return gate.caller(_text(fields.get(b"authorization")), _text(fields.get(b"x-api-key")))

    def deed(self, need: Need, name: str, message: Any, head: Head, reply: Reply) -> Reply:
        """Let a message in; where it is a deed, what this gives replies and tells the audit log. Raises PERMISSION_DENIED."""
        scope, model, caller, began = need.of(message), need.model(message), head.caller, time.monotonic()

        def note(outcome: object) -> None:
            deed = Deed(caller.name, head.address, name, model, head.request_id.decode())
            self._record(deed, outcome, 1000 * (time.monotonic() - began))

        def noted(outcome: Any, *_: object) -> None:
            note(outcome)
            reply(outcome, model)

        try:
            caller.check_scope(scope)
            if model:
                caller.check_model(model)
            elif not need.some and scope not in (Scope.OPEN, Scope.ANY):
                caller.check_all()
        except ZeroMindError as error:
            if scope is Scope.MANAGE:
                note(error)
            raise
        return noted if scope is Scope.MANAGE else reply

    def _record(self, deed: Deed, outcome: object, ms: float) -> None:
        code = _code(outcome)
        self._audit.record(deed, code.name, done=code not in _REFUSED, ms=ms)


def _code(outcome: object) -> Code:
    if isinstance(outcome, Fault):
        return outcome.code
    if isinstance(outcome, ZeroMindError):
        return TABLE[outcome.kind]
    return Code.INTERNAL if isinstance(outcome, Exception) else Code.OK


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin1")


def _headers(fields: Fields) -> Mapping[str, str]:
    return {"Origin": fields[b"origin"].decode("latin1"), "Host": fields.get(b":authority", b"").decode("latin1")}
