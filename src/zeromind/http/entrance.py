"""Which handler a request reaches, and as whom: decided before any code of the handler's own runs, also of the operator's handlers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import tornado.web
from tornado.httputil import HTTPServerRequest, RequestStartLine

from zeromind.access.audit import Audit, Deed
from zeromind.access.gate import Gate
from zeromind.access.scope import Caller, Scope
from zeromind.errors import ZeroMindError
from zeromind.http.exchange import Exchange

_REFUSED = (401, 403)
_HARMLESS = (Scope.OPEN, Scope.ANY, Scope.DESCRIBE, Scope.READ)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NAMES = ("id", "model")
"""What a model is called in routes."""


@dataclasses.dataclass(slots=True)
class Asked:
    """What a request comes to: who asks, what that needs, and the model that it is about, where there is one."""

    caller: Caller
    scope: Scope
    model: str = ""


class Entrance:
    """Lets requests in to handlers, and tells the audit log of deeds."""

    def __init__(self, gate: Gate, audit: Audit) -> None:
        self.gate = gate
        self.targets: Sequence[type[Any]] = ()
        """The handlers, in the order of their routes."""
        self._audit = audit

    def enter(
        self,
        target: type[tornado.web.RequestHandler],
        request: HTTPServerRequest,
        path_args: Sequence[bytes | None],
        path_kwargs: Mapping[str, bytes | None],
    ) -> ZeroMindError | None:
        """Note what a request comes to; why it must not come to its handler, if it must not."""
        method, headers = request.method or "", request.headers
        asked = Asked(self.gate.nobody, needed(target, method), model_in(target, request, path_args, path_kwargs))
        vars(request)["asked"] = asked
        if asked.scope is Scope.OPEN:
            return None
        try:
            if asked.scope not in _HARMLESS:
                self.gate.check_link(headers)
            asked.caller = caller = self.gate.caller(headers.get("Authorization"), headers.get("X-Api-Key"))
            caller.check_scope(asked.scope)
            if asked.scope is Scope.ANY:
                return None
            if asked.model:
                caller.check_model(asked.model)
            elif not getattr(target, "for_some_models", False):
                caller.check_all()
        except ZeroMindError as refused:
            return refused
        return None

    def predict(self, headers: Mapping[str, str], model: str) -> Caller:
        """Who asks for a prediction. Raises what that is refused with."""
        caller = self.gate.caller(headers.get("Authorization"), headers.get("X-Api-Key"))
        caller.check_scope(Scope.PREDICT)
        caller.check_model(model)
        return caller

    def note_refused(self, start_line: RequestStartLine, fields: Mapping[str, str], address: str, status: int) -> None:
        """Tell the audit log of a request that was refused before its route was looked for, if it was for a deed."""
        path = start_line.path.partition("?")[0]
        target = next((one for one in self.targets if re.fullmatch(one.route, path)), None)
        if target is not None and needed(target, start_line.method) is Scope.MANAGE:
            deed = Deed("anonymous", address, f"{start_line.method} {path}", "", fields.get("X-Request-Id", ""))
            self._audit.record(deed, status, done=False, ms=0.0)

    def note(self, request: HTTPServerRequest, status: int) -> None:
        """Tell the audit log of a request that was answered, if it was for a deed."""
        asked = asked_by(request)
        if asked.scope is Scope.MANAGE:
            call, name = f"{request.method} {request.path}", cast("Exchange", request.connection).request_id.decode()
            deed = Deed(asked.caller.name, str(request.remote_ip), call, asked.model, name)
            self._audit.record(deed, status, done=status not in _REFUSED, ms=1000 * request.request_time())


def asked_by(request: HTTPServerRequest) -> Asked:
    """What was noted of a request when it entered."""
    asked: Asked = vars(request)["asked"]
    return asked


def needed(target: type[tornado.web.RequestHandler], method: str) -> Scope:
    """What a method of a handler needs: what its ``scopes`` say, else ``manage``; any key to hear that there is no such method."""
    scopes: Mapping[str, Scope] = getattr(target, "scopes", {})
    if method in scopes:
        return scopes[method]
    name = method.lower()
    return Scope.MANAGE if getattr(target, name, None) is not getattr(tornado.web.RequestHandler, name, None) else Scope.ANY


def model_in(
    target: type[tornado.web.RequestHandler],
    request: HTTPServerRequest,
    path_args: Sequence[bytes | None],
    path_kwargs: Mapping[str, bytes | None],
) -> str:
    """The model that a request names in its path or its query; empty if it names none there."""
    operations: Mapping[str, Any] = getattr(target, "operations", {})
    declared = operations.get(request.method or "")
    if declared is not None and any(parameter.name == "id" and parameter.place == "query" for parameter in declared.parameters):
        return _text(next(reversed(request.query_arguments.get("id", [])), None)).strip()  # the last one, as Tornado's handlers read it
    for name in _NAMES:
        if name in path_kwargs:
            return _text(path_kwargs[name])
    shown = _PLACEHOLDER.findall(getattr(target, "shown", ""))
    found = [value for name, value in zip(shown, path_args, strict=False) if name in _NAMES]
    return _text(found[0]) if found else ""


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
