"""The Open Inference Protocol's model repository: what there is, loads, unloads."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, ClassVar

from zeromind.access.scope import Scope
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http.handler import Handler
from zeromind.http.oip_handler import OipHandler
from zeromind.http.operation import FINDING, Operation, json
from zeromind.repository.upload import PREFIX


class Index(OipHandler):
    """What there is."""

    route = "/v2/repository/index"
    summary = 'Every model that is here or can be loaded by its name, with its state; `{"ready": true}`: those only that are ready.'
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.READ}
    for_some_models = True
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(json("Index"), body=json("IndexRequest"), needs_body=False, faults=(ErrorKind.REQUEST_ATTRIBUTE,))
    }

    def post(self) -> None:
        """Answer with names, versions, states and reasons."""
        ready = self.fields.get("ready", False)
        if not isinstance(ready, bool):
            raise _wrong(f"'ready' must be true or false, not {ready!r}")
        self.send([one for one in self.engine.index(ready) if self.caller.sees(one["name"])])


class Load(OipHandler):
    """Load a model by its name."""

    route = "/v2/repository/models/([^/]+)/load"
    shown = "/v2/repository/models/{id}/load"
    summary = "Load a known model, or any with the parameter `config`: task keys or Triton's ModelConfig. One that serves is replaced."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.MANAGE}
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(
            body=json("LoadRequest"),
            needs_body=False,
            faults=(ErrorKind.REQUEST_ATTRIBUTE, ErrorKind.NOT_SUPPORTED, ErrorKind.SHUTTING_DOWN, *FINDING),
        )
    }

    async def post(self, model_id: str) -> None:
        """Answer when the model is ready."""
        config, files = None, {}
        for name, value in _parameters(self.fields).items():
            if not isinstance(value, str):
                raise _wrong(f"the load parameter {name!r} must be a string, not {type(value).__name__}")
            if name == "config":
                config = value
            elif name.startswith(PREFIX):
                files[name] = _decoded(name, value)
            else:
                raise _wrong(f"unrecognized load parameter {name!r}: there are 'config' and '{PREFIX}<path>'")
        await self.engine.load_model(model_id, config, files)
        self.empty()


class Unload(OipHandler):
    """Unload a model."""

    route = "/v2/repository/models/([^/]+)/unload"
    shown = "/v2/repository/models/{id}/unload"
    summary = "Unload a model; answers when that has begun."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.MANAGE}
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(
            body=json("UnloadRequest"),
            needs_body=False,
            faults=(ErrorKind.REQUEST_ATTRIBUTE, ErrorKind.MODEL_NOT_FOUND, ErrorKind.STORAGE, ErrorKind.SHUTTING_DOWN),
        )
    }

    async def post(self, model_id: str) -> None:
        """Answer when it is remembered, not when it is done."""
        for name, value in _parameters(self.fields).items():
            if name != "unload_dependents":
                raise _wrong(f"unrecognized unload parameter {name!r}: there is 'unload_dependents'")
            if not isinstance(value, bool):  # no model depends on another here
                raise _wrong(f"the unload parameter {name!r} must be true or false, not {value!r}")
        await self.engine.unload_model(model_id)
        self.empty()


class Named(OipHandler):
    """One of several repositories, which there are not."""

    route = "/v2/repository/([^/]+)/(?:index|models/[^/]+/(?:load|unload))"
    shown = "/v2/repository/{repository}/(index|models/{id}/load|models/{id}/unload)"
    summary = "501: the pool has one repository, which has no name."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.MANAGE}
    operations: ClassVar[Mapping[str, Operation]] = {"POST": Operation(None, faults=(ErrorKind.NOT_SUPPORTED,))}

    def post(self, _: str) -> None:
        """Refuse."""
        raise ZeroMindError(ErrorKind.NOT_SUPPORTED, "'repository_name' specification is not supported")


ROUTES: tuple[type[Handler], ...] = (Index, Load, Unload, Named)


def _parameters(fields: dict[str, Any]) -> dict[str, Any]:
    parameters = fields.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise _wrong(f"'parameters' must be an object, not {type(parameters).__name__}")
    return parameters


def _decoded(name: str, value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(f"the load parameter {name!r} must be a file's content in base64") from None


def _wrong(text: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, text)
