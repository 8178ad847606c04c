"""Which models there are, and their coming and going."""

from __future__ import annotations

from typing import Any

from zeromind.engine import VERSION, Engine
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.grpc.method import Head
from zeromind.grpc.rpcs import Fields, Rpcs
from zeromind.repository.lifecycle import State

_STATES = {
    State.LOADING: "LOADING",
    State.READY: "READY",
    State.FAILED: "UNAVAILABLE",
    State.DROPPING: "UNLOADING",
    State.GONE: "UNAVAILABLE",
}


def serve(engine: Engine, rpcs: Rpcs) -> None:
    """Serve RepositoryIndex, RepositoryModelLoad and RepositoryModelUnload."""

    def index(request: Any, _: Head) -> Fields:
        if request.repository_name:
            raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, "'repository_name' must be empty: the pool has one repository")
        registry = engine.registry
        entries = [
            {
                "name": model.task.id,
                "version": VERSION,
                "state": _STATES[model.life.state],
                "reason": model.error.message if model.error else "",
            }
            for model in registry.models()
        ]
        taken = {entry["name"] for entry in entries}
        failed = [(name, error) for name, error in registry.failed.items() if name not in taken]
        entries += [{"name": name, "version": VERSION, "state": "UNAVAILABLE", "reason": error.message} for name, error in failed]
        entries.sort(key=lambda entry: entry["name"])
        return {"models": [entry for entry in entries if not request.ready or entry["state"] == "READY"]}

    async def unload(request: Any, _: Head) -> Fields:
        await engine.drop(request.model_name or request.repository_name)
        return {}

    rpcs.at_once("RepositoryIndex", index)
    rpcs.in_time("RepositoryModelUnload", unload)
