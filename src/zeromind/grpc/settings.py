"""Settings that change while the pool runs: which requests are traced, and what is logged."""

from __future__ import annotations

from typing import Any

from zeromind.access.scope import Scope
from zeromind.engine import Engine
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.grpc.entrance import Need
from zeromind.grpc.method import Head
from zeromind.grpc.rpcs import Fields, Rpcs

_LISTED = "trace_level"
"""The one trace setting that is a list."""


def serve(engine: Engine, rpcs: Rpcs) -> None:
    """Serve TraceSetting and LogSettings, which change what a request names and answer with all that holds."""

    def trace(request: Any, _: Head) -> Fields:
        model = engine.registry.get(request.model_name).task.id if request.model_name else ""
        changes = {name: _setting(name, list(entry.value)) for name, entry in request.settings.items()}
        held = engine.trace.change(changes, model) if changes else engine.trace.settings(model)
        return {"settings": {name: {"value": value if isinstance(value, list) else [value]} for name, value in held.items()}}

    def log(request: Any, _: Head) -> Fields:
        changes = {name: getattr(entry, entry.WhichOneof("parameter_choice") or "", None) for name, entry in request.settings.items()}
        held = engine.logging.change(changes) if changes else engine.logging.settings()
        return {"settings": {name: {_choice(value): value} for name, value in held.items()}}

    rpcs.at_once("TraceSetting", trace, Need(Scope.READ, ("model_name",), changes="settings"))
    rpcs.at_once("LogSettings", log, Need(Scope.READ, changes="settings"))


def _setting(name: str, values: list[str]) -> list[str] | str | None:
    """What a trace setting is to be; None: what it is by itself."""
    if name == _LISTED or not values:
        return values or None
    if len(values) > 1:
        raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, f"the trace setting {name!r} must be one value, not {len(values)}")
    return values[0]


def _choice(value: Any) -> str:
    """The field of a log setting."""
    return "bool_param" if isinstance(value, bool) else "uint32_param" if isinstance(value, int) else "string_param"
