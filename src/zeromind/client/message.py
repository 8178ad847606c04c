"""gRPC's messages that are not about tensors, as the JSON of the other wire has them."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping
from typing import Any, TypeAlias

from zeromind.codecs.protobuf import field, members, varint

Layout: TypeAlias = "Mapping[int, Member]"


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A field: text unless it has a ``layout`` or is a ``number``; ``many`` are a list, those ``keyed`` a mapping."""

    name: str
    layout: Layout | None = None
    number: bool = False
    many: bool = False
    keyed: bool = False


def decode(data: bytes | memoryview, layout: Layout) -> dict[str, Any]:
    """The fields of a message by name, with protobuf's defaults where one lacks. Raises ValueError for what is no such message."""
    found: dict[str, Any] = {member.name: _default(member) for member in layout.values()}
    for number, value in members(data):
        member = layout.get(number)
        if member is None:
            continue
        if member.keyed:
            entry = decode(_bytes(value), {1: Member("key"), 2: dataclasses.replace(member, name="value", keyed=False)})
            found[member.name][entry["key"]] = entry["value"]
        elif member.many:
            found[member.name].append(_value(value, member))
        else:
            found[member.name] = _value(value, member)
    return found


def _default(member: Member) -> Any:
    if member.keyed:
        return {}
    if member.many:
        return []
    if member.layout is not None:
        return decode(b"", member.layout)
    return 0 if member.number else ""


def _value(value: int | memoryview, member: Member) -> Any:
    if member.layout is not None:
        return decode(_bytes(value), member.layout)
    if member.number:
        if not isinstance(value, int):
            raise ValueError(f"{member.name} is no number")
        return value
    return bytes(_bytes(value)).decode()


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number stands where a message should")  # noqa: TRY004 - of what came, not of our own
    return value


def parameter(value: bool | float | str) -> bytes:
    """An ``InferParameter``."""
    if isinstance(value, bool):
        return b"\x08" + varint(value)
    if isinstance(value, int):
        return b"\x28" + varint(value) if value >> 63 > 0 else b"\x10" + varint(value & ((1 << 64) - 1))
    if isinstance(value, float):
        return b"\x21" + struct.pack("<d", value)
    return field(3, value.encode())


_READY: Layout = {1: Member("ready", number=True)}
_SERVER: Layout = {1: Member("name"), 2: Member("version"), 3: Member("extensions", many=True)}
_INDEX: Layout = {1: Member("models", {1: Member("name"), 2: Member("version"), 3: Member("state"), 4: Member("reason")}, many=True)}
_CONFIG: Layout = {1: Member("config", {14: Member("parameters", {1: Member("string_value")}, keyed=True)})}
_DURATION: Layout = {1: Member("count", number=True), 2: Member("ns", number=True)}
_TIMES = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
_BATCH_TIMES = ("compute_input", "compute_infer", "compute_output")
_RESPONSE_TIMES = ("compute_infer", "compute_output", "success", "fail", "empty_response", "cancel")


def _durations(names: tuple[str, ...], first: int = 1) -> Layout:
    return {number: Member(name, _DURATION) for number, name in enumerate(names, first)}


_STATISTICS: Layout = {
    1: Member(
        "model_stats",
        {
            1: Member("name"),
            2: Member("version"),
            3: Member("last_inference", number=True),
            4: Member("inference_count", number=True),
            5: Member("execution_count", number=True),
            6: Member("inference_stats", _durations(_TIMES)),
            7: Member("batch_stats", {1: Member("batch_size", number=True), **_durations(_BATCH_TIMES, 2)}, many=True),
            8: Member("memory_usage", {1: Member("type"), 2: Member("id", number=True), 3: Member("byte_size", number=True)}, many=True),
            9: Member("response_stats", _durations(_RESPONSE_TIMES), keyed=True),
        },
        many=True,
    )
}
LAYOUTS: Mapping[str, Layout] = {
    "ServerReady": _READY,
    "ModelReady": _READY,
    "ServerMetadata": _SERVER,
    "RepositoryIndex": _INDEX,
    "ModelConfig": _CONFIG,
    "ModelStatistics": _STATISTICS,
}
"""The responses of methods."""
