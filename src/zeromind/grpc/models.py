"""What models are and what they have done."""

from __future__ import annotations

from typing import Any

from zeromind.codecs import oip_grpc as codec
from zeromind.engine import VERSION, Engine
from zeromind.grpc.inference import check_version
from zeromind.grpc.method import Head
from zeromind.grpc.rpcs import Fields, Rpcs


def serve(engine: Engine, rpcs: Rpcs) -> None:
    """Serve ModelMetadata, ModelConfig and ModelStatistics."""

    async def metadata(request: Any, head: Head) -> Fields:
        check_version(request.name, request.version)
        interface = await engine.interface(request.name)
        described = codec.describe(interface.bare if head.bare else interface)
        return {"name": request.name, "versions": [VERSION], **described}

    def statistics(request: Any, _: Head) -> Fields:
        check_version(request.name, request.version)
        return {"model_stats": engine.statistics(request.name)}

    rpcs.in_time("ModelMetadata", metadata)
    rpcs.at_once("ModelStatistics", statistics)
