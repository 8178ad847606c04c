"""The methods that are served, by the path of their calls: the Open Inference service and gRPC's health check, over the engine."""

from __future__ import annotations

import dataclasses
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import zeromind
from zeromind.codecs import oip_grpc as codec
from zeromind.engine import Engine
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.grpc import messages
from zeromind.grpc.status import Code, Fault
from zeromind.repository.lifecycle import State
from zeromind.repository.model import Model
from zeromind.scheduler.entry import Answer
from zeromind.tensors import InferRequest, Interface

OIP = "inference.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"
VERSION = "1"
_STATES = {
    State.LOADING: "LOADING",
    State.READY: "READY",
    State.FAILED: "UNAVAILABLE",
    State.DROPPING: "UNLOADING",
    State.GONE: "UNAVAILABLE",
}
_log = logging.getLogger(__name__)

Pieces: TypeAlias = Sequence[bytes]


Reply: TypeAlias = Callable[["Pieces | Exception"], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Method:
    """``request`` is the class of its message; one of the others gives the pieces of the answer's bytes.

    ``answer`` at once, ``work`` in its own time, ``submit`` to a reply that is called once, unless what it returns is called before.
    ``check`` looks at the message before it is parsed.
    """

    request: Any
    answer: Callable[[Any], Pieces] | None = None
    work: Callable[[Any], Awaitable[Pieces]] | None = None
    submit: Callable[[Any, Reply], Callable[[], None]] | None = None
    check: Callable[[bytes], None] | None = None

    def parse(self, data: bytes) -> Any:
        """The message. Raises Fault, or what ``check`` raises."""
        if self.check is not None:
            self.check(data)
        try:
            return self.request.FromString(data)
        except Exception:  # protobuf's DecodeError, which is not worth an import here
            raise Fault(Code.INVALID_ARGUMENT, f"the message is no {self.request.DESCRIPTOR.full_name}") from None


class Service:
    """Answers calls. What a method raises is a Fault or a ZeroMindError, anything else is a fault of ours. Raises MISSING_PACKAGE."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._messages = messages.load()
        at_once: tuple[Callable[[Any], Pieces], ...] = (
            self._server_live,
            self._server_ready,
            self._model_ready,
            self._server_metadata,
            self._repository_index,
        )
        in_time: tuple[Callable[[Any], Awaitable[Pieces]], ...] = (self._model_metadata, self._repository_model_unload)
        own = {"ModelInfer": Method(self._request("ModelInfer"), submit=self._model_infer, check=codec.check_infer)}
        own |= {_name(answer): Method(self._request(_name(answer)), answer) for answer in at_once}
        own |= {_name(work): Method(self._request(_name(work)), work=work) for work in in_time}
        self.methods: Mapping[bytes, Method] = {
            **{f"/{OIP}/{name}".encode(): method for name, method in own.items()},
            f"/{HEALTH}/Check".encode(): Method(self._messages["grpc.health.v1.HealthCheckRequest"], self._check),
        }
        self._served = ", ".join(own)

    def unknown(self, path: bytes) -> Fault:
        """What a call of a method that is not served is answered."""
        shown = path[:200].decode(errors="replace")
        return Fault(Code.UNIMPLEMENTED, f"the method {shown} is not served; those of {OIP} are {self._served}")

    def fault(self, error: BaseException, path: str) -> Fault:
        """What a call whose method raised is answered; of an unknown error no more than an id to quote."""
        if isinstance(error, Fault):
            return error
        if isinstance(error, ZeroMindError):
            return Fault.of(error)
        incident = uuid.uuid4().hex[:12]
        _log.error("unknown error %s answering %s", incident, path, exc_info=error)
        return Fault(Code.INTERNAL, f"an unknown error; the server's log tells more under {incident}")

    # one method each

    def _server_live(self, _: Any) -> Pieces:
        return self._message("ServerLive", live=True)

    def _server_ready(self, _: Any) -> Pieces:
        return self._message("ServerReady", ready=self._engine.ready)

    def _model_ready(self, request: Any) -> Pieces:
        ready = request.version in ("", VERSION) and request.name in self._engine.registry.ids()
        return self._message("ModelReady", ready=ready)

    def _server_metadata(self, _: Any) -> Pieces:
        return self._message("ServerMetadata", name="0Mind", version=zeromind.__version__)

    async def _model_metadata(self, request: Any) -> Pieces:
        _check_version(request.name, request.version)
        described = codec.describe(await self._engine.interface(request.name))
        return self._message("ModelMetadata", name=request.name, versions=[VERSION], **described)

    def _model_infer(self, request: Any, reply: Reply) -> Callable[[], None]:
        _check_version(request.model_name, request.model_version)
        interfaces: list[Interface] = []

        def decode(interface: Interface) -> InferRequest:
            interfaces.append(interface)
            return codec.decode_infer(request, interface)

        def answered(answer: Answer) -> None:
            try:
                reply(answer if isinstance(answer, ZeroMindError) else codec.encode_response(request, interfaces[0], answer))
            except Exception as error:
                reply(error)

        return self._engine.submit(request.model_name, decode, answered).withdraw

    def _repository_index(self, request: Any) -> Pieces:
        if request.repository_name:
            raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, "'repository_name' must be empty: the pool has one repository")
        registry = self._engine.registry
        entries = [_entry(model) for model in registry.models()]
        taken = {entry["name"] for entry in entries}
        failed = [(name, error) for name, error in registry.failed.items() if name not in taken]
        entries += [{"name": name, "version": VERSION, "state": "UNAVAILABLE", "reason": error.message} for name, error in failed]
        entries.sort(key=lambda entry: entry["name"])
        return self._message("RepositoryIndex", models=[entry for entry in entries if not request.ready or entry["state"] == "READY"])

    async def _repository_model_unload(self, request: Any) -> Pieces:
        await self._engine.drop(request.model_name or request.repository_name)
        return self._message("RepositoryModelUnload")

    def _check(self, request: Any) -> Pieces:
        if request.service not in ("", OIP, HEALTH):
            raise Fault(Code.NOT_FOUND, f"the service {request.service[:200]!r} is not served")
        response = self._messages["grpc.health.v1.HealthCheckResponse"](status="SERVING" if self._engine.ready else "NOT_SERVING")
        return [response.SerializeToString()]

    def _request(self, method: str) -> Any:
        return self._messages[f"inference.{method}Request"]

    def _message(self, method: str, **fields: Any) -> Pieces:
        return [self._messages[f"inference.{method}Response"](**fields).SerializeToString()]


def _name(method: Callable[..., Any]) -> str:
    """``ModelInfer`` of ``_model_infer``."""
    return method.__name__.title().replace("_", "")


def _entry(model: Model) -> dict[str, str]:
    reason = model.error.message if model.error else ""
    return {"name": model.task.id, "version": VERSION, "state": _STATES[model.life.state], "reason": reason}


def _check_version(name: str, version: str) -> None:
    if version not in ("", VERSION):
        raise ZeroMindError(ErrorKind.MODEL_NOT_FOUND, f"model {name!r} has no version {version!r}: leave it empty, or '{VERSION}'", name)
