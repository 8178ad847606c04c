"""The Open Inference Protocol's shared memory: the system's, which clients register, and a GPU's, of which there is none here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zeromind.access.scope import Scope
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http.handler import Handler
from zeromind.http.oip_handler import OipHandler
from zeromind.http.operation import Operation, json

_REGION = "(?:/region/([^/]+))?"
_SYSTEM = "/v2/systemsharedmemory"
_CUDA = "/v2/cudasharedmemory"


class SystemStatus(OipHandler):
    """What is registered."""

    route = f"{_SYSTEM}{_REGION}/status"
    shown = f"{_SYSTEM}[/region/{{name}}]/status"
    summary = "The regions of shared memory that are registered, or one of them."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation(json("Regions"), faults=(ErrorKind.REGION_NOT_FOUND,))}

    def get(self, name: str | None) -> None:
        """Answer with names, keys, offsets and sizes."""
        self.send(self.engine.regions.status(name or ""))


class SystemRegister(OipHandler):
    """Register a region."""

    route = f"{_SYSTEM}/region/([^/]+)/register"
    shown = f"{_SYSTEM}/region/{{name}}/register"
    summary = "Register shared memory of this machine: `key`, `offset`, `byte_size`. Off unless the pool has `allow_shared_memory`."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.MANAGE}
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(
            body=json("Region"),
            faults=(ErrorKind.REQUEST_ATTRIBUTE, ErrorKind.INVALID_INPUT, ErrorKind.REGION_EXISTS, ErrorKind.NOT_SUPPORTED),
        )
    }

    def post(self, name: str) -> None:
        """Take it, or say what is wrong with it."""
        fields = self.fields
        key = fields.get("key")
        if not isinstance(key, str):
            raise _wrong(f"the region needs a 'key', the name of the shared memory, not {key!r}")
        offset, byte_size = (_whole(field, fields.get(field)) for field in ("offset", "byte_size"))
        self.engine.regions.register(name, key, offset, byte_size)
        self.empty()


class SystemUnregister(OipHandler):
    """Forget a region."""

    route = f"{_SYSTEM}{_REGION}/unregister"
    shown = f"{_SYSTEM}[/region/{{name}}]/unregister"
    summary = "Forget a region of shared memory, or all of them."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.MANAGE}
    operations: ClassVar[Mapping[str, Operation]] = {"POST": Operation()}

    def post(self, name: str | None) -> None:
        """Forget it, also if it is not known."""
        self.engine.regions.unregister(name or "")
        self.empty()


class CudaStatus(OipHandler):
    """What is registered of a GPU's memory."""

    route = f"{_CUDA}{_REGION}/status"
    shown = f"{_CUDA}[/region/{{name}}]/status"
    summary = "The regions of a GPU's memory that are registered: none, the server does not share a GPU with its clients."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation(json("CudaRegions"), faults=(ErrorKind.REGION_NOT_FOUND,))}

    def get(self, name: str | None) -> None:
        """Answer with an empty list."""
        if name:
            raise ZeroMindError(ErrorKind.REGION_NOT_FOUND, f"Unable to find cuda shared memory region: '{name}'", name)
        self.send([])


class CudaRegister(OipHandler):
    """Register a region of a GPU's memory."""

    route = f"{_CUDA}/region/([^/]+)/register"
    shown = f"{_CUDA}/region/{{name}}/register"
    summary = "400: the server does not share a GPU with its clients; use system shared memory."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.MANAGE}
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(None, body=json("CudaRegion"), faults=(ErrorKind.REQUEST_ATTRIBUTE,))
    }

    def post(self, name: str) -> None:
        """Refuse."""
        text = f"failed to register CUDA shared memory region '{name}': the server holds no GPU memory; register system shared memory"
        raise _wrong(text)


class CudaUnregister(OipHandler):
    """Forget a region of a GPU's memory."""

    route = f"{_CUDA}{_REGION}/unregister"
    shown = f"{_CUDA}[/region/{{name}}]/unregister"
    summary = "200: there is none to forget. Load generators ask for it first and last."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.MANAGE}
    operations: ClassVar[Mapping[str, Operation]] = {"POST": Operation()}

    def post(self, _: str | None) -> None:
        """Nothing is to be done."""
        self.empty()


ROUTES: tuple[type[Handler], ...] = (SystemStatus, SystemRegister, SystemUnregister, CudaStatus, CudaRegister, CudaUnregister)


def _whole(field: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(f"the region needs {field!r}, a whole number, not {value!r}")
    return value


def _wrong(text: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, text)
