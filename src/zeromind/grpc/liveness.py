"""Whether server and models are there, and what the server is."""

from __future__ import annotations

from typing import Any

import zeromind
from zeromind.access.scope import Scope
from zeromind.codecs import oip_model
from zeromind.engine import VERSION, Engine
from zeromind.grpc.entrance import Need
from zeromind.grpc.method import Head
from zeromind.grpc.rpcs import Fields, Rpcs


def serve(engine: Engine, rpcs: Rpcs) -> None:
    """Serve ServerLive, ServerReady, ModelReady and ServerMetadata."""

    def server_live(_: Any, __: Head) -> Fields:
        return {"live": True}

    def server_ready(_: Any, __: Head) -> Fields:
        return {"ready": engine.ready}

    def model_ready(request: Any, _: Head) -> Fields:
        return {"ready": request.version in ("", VERSION) and engine.registry.serves(request.name)}

    def server_metadata(_: Any, __: Head) -> Fields:
        return {"name": "0Mind", "version": zeromind.__version__, "extensions": list(oip_model.EXTENSIONS)}

    rpcs.at_once("ServerLive", server_live, Need(Scope.OPEN))
    rpcs.at_once("ServerReady", server_ready, Need(Scope.OPEN))
    rpcs.at_once("ModelReady", model_ready, Need(Scope.READ, ("name",)))
    rpcs.at_once("ServerMetadata", server_metadata, Need(Scope.READ, some=True))
