"""The client's side: what asks a running server. ``Client`` and ``AsyncClient`` are for programs, the rest is for ``zeromind bench``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zeromind.client.asynchronous import AsyncClient, AsyncStream
    from zeromind.client.faults import (
        AlreadyLoaded,
        Busy,
        ClientError,
        DeadlineExceeded,
        InvalidInput,
        LoadFailed,
        ModelNotFound,
        NotSupported,
        OutOfMemory,
        PermissionDenied,
        PredictionFailed,
        ServerFailed,
        Unauthenticated,
        Unavailable,
        WorkerCrashed,
    )
    from zeromind.client.model import ModelInfo, ModelStatus, ServerInfo, TensorInfo
    from zeromind.client.prediction import Prediction
    from zeromind.client.synchronous import Client, Stream
    from zeromind.client.value import Picture

__all__ = [
    "AlreadyLoaded",
    "AsyncClient",
    "AsyncStream",
    "Busy",
    "Client",
    "ClientError",
    "DeadlineExceeded",
    "InvalidInput",
    "LoadFailed",
    "ModelInfo",
    "ModelNotFound",
    "ModelStatus",
    "NotSupported",
    "OutOfMemory",
    "PermissionDenied",
    "Picture",
    "Prediction",
    "PredictionFailed",
    "ServerFailed",
    "ServerInfo",
    "Stream",
    "TensorInfo",
    "Unauthenticated",
    "Unavailable",
    "WorkerCrashed",
]

_HOMES = {
    **dict.fromkeys(("AsyncClient", "AsyncStream"), "asynchronous"),
    **dict.fromkeys(("Client", "Stream"), "synchronous"),
    **dict.fromkeys(("ModelInfo", "ModelStatus", "ServerInfo", "TensorInfo"), "model"),
    "Picture": "value",
    "Prediction": "prediction",
}
"""The modules of the names above; those of errors are in ``faults``."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'faults')}"), name)
