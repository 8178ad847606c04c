"""The messages of our ``.proto`` files, from the descriptors that ``make proto`` compiles them to.

Descriptors and not generated code, for two reasons: generated code refuses every protobuf older than the compiler that made it,
and it enters its names into the process's one pool, where those of ``tritonclient`` (in a skill, in a test) are the same.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeromind import importing
from zeromind.grpc.status import Code, Fault

FILE = Path(__file__).parent / "proto" / "messages.binpb"


class Messages:
    """The message classes by full name, such as ``inference.ModelInferRequest``, in a pool of their own.

    protobuf is imported when the first is asked for: a server that nobody speaks gRPC with does without.
    """

    def __getitem__(self, name: str) -> Any:
        return self._classes[name]

    def parse(self, name: str, data: bytes) -> Any:
        """The message in its bytes. Raises Fault."""
        try:
            return self._classes[name].FromString(data)
        except Exception:  # protobuf's DecodeError
            raise Fault(Code.INVALID_ARGUMENT, f"the message is no {name}") from None

    def write(self, name: str, fields: Mapping[str, Any]) -> bytes:
        """The bytes of a message with these fields, in the form of protobuf's JSON; what it has no field for is left out."""
        parse = importing.load("google.protobuf.json_format:ParseDict")
        data: bytes = parse(fields, self._classes[name](), ignore_unknown_fields=True).SerializeToString()
        return data

    @functools.cached_property
    def _classes(self) -> Mapping[str, Any]:
        return load()


def load() -> Mapping[str, Any]:
    """Make the classes."""
    files = importing.load("google.protobuf.descriptor_pb2:FileDescriptorSet").FromString(FILE.read_bytes())
    pool = importing.load("google.protobuf.descriptor_pool:DescriptorPool")()
    for file in files.file:
        pool.Add(file)
    names = [file.name for file in files.file]
    classes: Mapping[str, Any] = importing.load("google.protobuf.message_factory:GetMessageClassesForFiles")(names, pool)
    return classes
