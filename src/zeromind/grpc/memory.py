"""Shared memory: the system's, which clients register, and a GPU's, of which there is none here."""

from __future__ import annotations

from typing import Any

from zeromind.access.scope import Scope
from zeromind.engine import Engine
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.grpc.entrance import Need
from zeromind.grpc.method import Head
from zeromind.grpc.rpcs import Fields, Rpcs


def serve(engine: Engine, rpcs: Rpcs) -> None:
    """Serve SystemSharedMemoryStatus, -Register and -Unregister, and the same of CudaSharedMemory."""

    def status(request: Any, _: Head) -> Fields:
        return {"regions": {region["name"]: region for region in engine.regions.status(request.name)}}

    def register(request: Any, _: Head) -> Fields:
        engine.regions.register(request.name, request.key, request.offset, request.byte_size)
        return {}

    def unregister(request: Any, _: Head) -> Fields:
        engine.regions.unregister(request.name)
        return {}

    rpcs.at_once("SystemSharedMemoryStatus", status, Need(Scope.READ))
    rpcs.at_once("SystemSharedMemoryRegister", register, Need(Scope.MANAGE))
    rpcs.at_once("SystemSharedMemoryUnregister", unregister, Need(Scope.MANAGE))
    rpcs.at_once("CudaSharedMemoryStatus", _cuda_status, Need(Scope.READ))
    rpcs.at_once("CudaSharedMemoryRegister", _cuda_register, Need(Scope.MANAGE))
    rpcs.at_once("CudaSharedMemoryUnregister", lambda _request, _head: {}, Need(Scope.MANAGE))


def _cuda_status(request: Any, _: Head) -> Fields:
    if request.name:
        raise ZeroMindError(ErrorKind.REGION_NOT_FOUND, f"Unable to find cuda shared memory region: '{request.name}'", request.name)
    return {"regions": {}}


def _cuda_register(request: Any, _: Head) -> Fields:
    text = f"failed to register CUDA shared memory region '{request.name}': the server holds no GPU memory; register system shared memory"
    raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, text)
