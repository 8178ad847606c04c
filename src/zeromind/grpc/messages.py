"""The messages of our ``.proto`` files, from the descriptors that ``make proto`` compiles them to.

Descriptors and not generated code, for two reasons: generated code refuses every protobuf older than the compiler that made it,
and it enters its names into the process's one pool, where those of ``tritonclient`` (in a skill, in a test) are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeromind import importing

FILE = Path(__file__).parent / "proto" / "messages.binpb"


def load() -> Mapping[str, Any]:
    """The message classes by full name, such as ``inference.ModelInferRequest``, in a pool of their own.

    Raises MISSING_PACKAGE without protobuf.
    """
    wanted_by = "the gRPC service ('grpc_port')"
    descriptor_pb2 = importing.require("google.protobuf.descriptor_pb2", "grpc", wanted_by)
    pools = importing.require("google.protobuf.descriptor_pool", "grpc", wanted_by)
    factory = importing.require("google.protobuf.message_factory", "grpc", wanted_by)
    files = descriptor_pb2.FileDescriptorSet.FromString(FILE.read_bytes())
    classes: Mapping[str, Any] = factory.GetMessageClassesForFiles([file.name for file in files.file], _pool(pools, files))
    return classes


def _pool(pools: Any, files: Any) -> Any:
    pool = pools.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool
