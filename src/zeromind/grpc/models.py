"""What models are and what they have done."""

from __future__ import annotations

from typing import Any

from zeromind.access.scope import Scope
from zeromind.codecs import oip_fault, oip_model
from zeromind.codecs.oip_fault import check_version
from zeromind.engine import Engine
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.grpc.entrance import Need
from zeromind.grpc.method import Head
from zeromind.grpc.rpcs import Fields, Rpcs
from zeromind.tensors import Interface


def serve(engine: Engine, rpcs: Rpcs) -> None:
    """Serve ModelMetadata, ModelConfig and ModelStatistics."""

    async def interface(request: Any, head: Head) -> Interface:
        check_version(request.name, request.version)
        found = await engine.interface(request.name)
        return found.bare if head.bare else found

    async def metadata(request: Any, head: Head) -> Fields:
        return oip_model.metadata(request.name, await interface(request, head))

    async def config(request: Any, head: Head) -> Fields:
        offered = await interface(request, head)
        return {"config": oip_model.config(engine.registry.get(request.name).task, offered, Scope.READ in head.caller.scopes)}

    def statistics(request: Any, head: Head) -> Fields:
        try:
            if request.name:
                check_version(request.name, request.version)
            return {"model_stats": [one for one in engine.statistics(request.name) if head.caller.sees(one["name"])]}
        except ZeroMindError as error:
            if error.kind is not ErrorKind.MODEL_NOT_FOUND:
                raise
            raise oip_fault.not_available(request.name, request.version) from None

    rpcs.in_time("ModelMetadata", metadata, Need(Scope.DESCRIBE, ("name",)))
    rpcs.in_time("ModelConfig", config, Need(Scope.DESCRIBE, ("name",)))
    rpcs.at_once("ModelStatistics", statistics, Need(Scope.READ, ("name",), some=True))
