"""Which models there are, and their coming and going."""

from __future__ import annotations

from typing import Any

from zeromind.access.scope import Scope
from zeromind.engine import Engine
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.grpc.entrance import Need
from zeromind.grpc.method import Head
from zeromind.grpc.rpcs import Fields, Rpcs
from zeromind.repository.upload import PREFIX


def serve(engine: Engine, rpcs: Rpcs) -> None:
    """Serve RepositoryIndex, RepositoryModelLoad and RepositoryModelUnload."""

    def index(request: Any, head: Head) -> Fields:
        if request.repository_name:
            raise _named()
        return {"models": [one for one in engine.index(request.ready) if head.caller.sees(one["name"])]}

    async def load(request: Any, _: Head) -> Fields:
        config, files = None, {}
        for name, value in request.parameters.items():
            kind = value.WhichOneof("parameter_choice")
            if name == "config" and kind == "string_param":
                config = value.string_param
            elif name.startswith(PREFIX) and kind == "bytes_param":
                files[name] = value.bytes_param
            elif name == "config" or name.startswith(PREFIX):
                raise _wrong(f"the load parameter {name!r} must be {'string_param' if name == 'config' else 'bytes_param'}, not {kind}")
            else:
                raise _wrong(f"unrecognized load parameter {name!r}: there are 'config' and '{PREFIX}<path>'")
        await engine.load_model(_model(request), config, files)
        return {}

    async def unload(request: Any, _: Head) -> Fields:
        for name, value in request.parameters.items():
            if name != "unload_dependents":
                raise _wrong(f"unrecognized unload parameter {name!r}: there is 'unload_dependents'")
            if value.WhichOneof("parameter_choice") != "bool_param":
                raise _wrong(f"the unload parameter {name!r} must be bool_param")
        await engine.unload_model(_model(request))
        return {}

    deed = Need(Scope.MANAGE, ("model_name", "repository_name"))
    rpcs.at_once("RepositoryIndex", index, Need(Scope.READ, some=True))
    rpcs.in_time("RepositoryModelLoad", load, deed)
    rpcs.in_time("RepositoryModelUnload", unload, deed)


def _model(request: Any) -> str:
    """The model's name, which KServe's clients have in the first field; Triton's have a repository's there."""
    if request.model_name and request.repository_name:
        raise _named()
    name: str = request.model_name or request.repository_name
    return name


def _named() -> ZeroMindError:
    return ZeroMindError(ErrorKind.NOT_SUPPORTED, "'repository_name' specification is not supported")


def _wrong(text: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, text)
