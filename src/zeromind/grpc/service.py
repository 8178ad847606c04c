"""The methods that are served, by the path of their calls: the Open Inference service and gRPC's health check, over the engine."""

from __future__ import annotations

from collections.abc import Mapping

from zeromind.access.audit import Audit
from zeromind.access.gate import Gate
from zeromind.engine import Engine
from zeromind.grpc import health, liveness, memory, models, repository, settings
from zeromind.grpc.entrance import Entrance
from zeromind.grpc.inference import Inference
from zeromind.grpc.messages import Messages
from zeromind.grpc.method import Method
from zeromind.grpc.rpcs import Rpcs
from zeromind.grpc.status import Code, Fault
from zeromind.observe import incident
from zeromind.observe.request_id import RequestIds

OIP = "inference.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"


class Service:
    """Answers calls. What a method raises is a Fault or a ZeroMindError, anything else is a fault of ours."""

    def __init__(self, engine: Engine, gate: Gate, audit: Audit, ids: RequestIds | None = None) -> None:
        messages = Messages()
        self.ids = ids or RequestIds()
        self.entrance = Entrance(gate, audit)
        own = Rpcs(messages, "inference", self.entrance)
        for part in (liveness, models, repository, memory, settings):
            part.serve(engine, own)
        checks = health.serve(engine, messages, self.entrance, {"", OIP, HEALTH})
        methods = {**own.methods, **Inference(engine, messages).methods}
        self.methods: Mapping[bytes, Method] = {
            **{f"/{OIP}/{name}".encode(): method for name, method in methods.items()},
            **{f"/{HEALTH}/{name}".encode(): method for name, method in checks.items()},
        }
        self._served = ", ".join(sorted(methods))

    def unknown(self, path: bytes) -> Fault:
        """What a call of a method that is not served is answered."""
        shown = path[:200].decode(errors="replace")
        return Fault(Code.UNIMPLEMENTED, f"the method {shown} is not served; those of {OIP} are {self._served}")

    def fault(self, error: BaseException, name: str, request_id: bytes) -> Fault:
        """What a call whose method raised is answered; of an unknown error no more than an id to quote."""
        if isinstance(error, Fault):
            return error
        return Fault.of(incident.named(error, request_id.decode(), name))
