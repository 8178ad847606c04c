"""The language between front and worker: a JSON header and raw buffers in one frame; never pickle.

Layout, little-endian: u32 length of the header, u32 number of buffers, u64 length of each buffer, the header, the buffers.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Encoded, InferRequest, InferResponse, Tensor, Value

Buffer: TypeAlias = "bytes | memoryview"
Answer: TypeAlias = "InferResponse | ZeroMindError"

PREFIX = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
MOST_HEADER_BYTES = 64 << 20
MOST_BUFFERS = 1 << 20


class FrameError(Exception):
    """Bytes that are no frame: the other side is broken."""


def pack(header: dict[str, Any], buffers: Sequence[Buffer] = ()) -> list[Buffer]:
    """The parts of one frame, to be written in order; big buffers are not copied."""
    text = json.dumps(header, separators=(",", ":")).encode()
    lengths = struct.pack(f"<{len(buffers)}Q", *(_size(buffer) for buffer in buffers))
    return [PREFIX.pack(len(text), len(buffers)) + lengths + text, *buffers]


def unpack_prefix(prefix: bytes | bytearray) -> tuple[int, int]:
    """The header's length and the number of buffers. Raises FrameError beyond the bounds."""
    header_bytes, count = PREFIX.unpack(prefix)
    if header_bytes > MOST_HEADER_BYTES or count > MOST_BUFFERS:
        raise FrameError(f"a frame announces {header_bytes} header bytes and {count} buffers")
    return header_bytes, count


def unpack_lengths(data: bytes | bytearray) -> tuple[int, ...]:
    """The buffers' lengths in bytes."""
    return struct.unpack(f"<{len(data) // 8}Q", data)


def unpack_header(text: bytes) -> dict[str, Any]:
    """The header's JSON object. Raises FrameError for anything else."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a frame's header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise FrameError(f"a frame's header is {type(header).__name__}, not an object")
    return header


def pack_requests(requests: Sequence[InferRequest]) -> list[Buffer]:
    """A batch as one frame."""
    buffers: list[Buffer] = []
    entries = [_pack_values(request.inputs, buffers) for request in requests]
    return pack({"op": "run", "requests": entries}, buffers)


def unpack_requests(header: dict[str, Any], buffers: Sequence[Buffer]) -> list[InferRequest]:
    """The batch that ``pack_requests`` wrote; arrays are views of the buffers."""
    rest = iter(buffers)
    return [InferRequest({entry["name"]: _unpack_value(entry, next(rest)) for entry in entries}) for entries in header["requests"]]


def pack_answers(answers: Sequence[Answer]) -> list[Buffer]:
    """A batch's answers as one frame."""
    buffers: list[Buffer] = []
    entries = [
        error_to_json(answer)
        if isinstance(answer, ZeroMindError)
        else {"outputs": _pack_values(answer.outputs, buffers), "model_time": answer.model_time}
        for answer in answers
    ]
    return pack({"op": "done", "answers": entries}, buffers)


def unpack_answers(header: dict[str, Any], buffers: Sequence[Buffer], count: int) -> list[Answer]:
    """The ``count`` answers that ``pack_answers`` wrote; arrays are views of the buffers. Raises FrameError for anything else."""
    try:
        answers = _unpack_answers(header, buffers)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration, struct.error) as error:
        raise FrameError(f"a frame holds no answers: {type(error).__name__}: {error}") from error
    if len(answers) != count:
        raise FrameError(f"a frame holds {len(answers)} answers for {count} requests")
    return answers


def _unpack_answers(header: dict[str, Any], buffers: Sequence[Buffer]) -> list[Answer]:
    rest = iter(buffers)
    answers: list[Answer] = []
    for entry in header["answers"]:
        if "error" in entry:
            answers.append(error_from_json(entry))
        else:
            outputs = {item["name"]: _unpack_value(item, next(rest)) for item in entry["outputs"]}
            answers.append(InferResponse(outputs, entry["model_time"]))
    return answers


def error_to_json(error: ZeroMindError) -> dict[str, Any]:
    """A known fault in plain values; parameters that JSON has no form for become text."""
    params: list[Any] = json.loads(json.dumps(error.params, default=str, skipkeys=True))
    return {"error": error.kind.name, "message": error.message, "params": params}


def error_from_json(entry: dict[str, Any]) -> ZeroMindError:
    """The fault that ``error_to_json`` wrote."""
    return ZeroMindError(ErrorKind[entry["error"]], entry["message"], *entry["params"])


def _size(buffer: Buffer) -> int:
    return buffer.nbytes if isinstance(buffer, memoryview) else len(buffer)


def _pack_values(values: dict[str, Value], buffers: list[Buffer]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Encoded):
            entries.append({"name": name, "media": value.media})
            buffers.append(value.data)
        else:
            datatype = datatypes.datatype_of(value.dtype)
            entries.append({"name": name, "datatype": datatype, "shape": list(value.shape)})
            buffers.append(_pack_tensor(value, datatype))
    return entries


def _pack_tensor(array: Tensor, datatype: str) -> Buffer:
    if datatype == "BYTES":
        items = datatypes.as_bytes(array).reshape(-1).tolist()
        return b"".join(part for item in items for part in (_LENGTH.pack(len(item)), item))
    if array.size == 0:
        return b""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data.cast("B")


def _unpack_value(entry: dict[str, Any], buffer: Buffer) -> Value:
    if "media" in entry:
        return Encoded(entry["media"], bytes(buffer))
    shape = entry["shape"]
    if entry["datatype"] == "BYTES":
        return _unpack_bytes(bytes(buffer)).reshape(shape)
    return np.frombuffer(buffer, datatypes.NUMPY_OF[entry["datatype"]]).reshape(shape)


def _unpack_bytes(data: bytes) -> Tensor:
    items, at = [], 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        items.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    out = np.empty(len(items), np.object_)
    out[:] = items
    return out
