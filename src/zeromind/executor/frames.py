"""What front and worker say to each other outside of predictions: JSON behind its length; never pickle."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

from zeromind.errors import ErrorKind, ZeroMindError

if TYPE_CHECKING:  # a process is confined before it imports numpy, which starts threads
    from zeromind.tensors import Run

PREFIX = struct.Struct("<I")
"""Every frame begins with the length of the rest, little-endian."""
MOST_BYTES = 64 << 20
_MOST_S = 1e9
MOST_WORDS = 1 << 16
"""Of a fault's message, and of its traceback, in characters: they are kept."""


class FrameError(Exception):
    """Bytes that are no frame: the other side is broken."""


def pack(message: dict[str, Any]) -> bytes:
    """A message as one frame."""
    text = json.dumps(message, separators=(",", ":")).encode()
    return PREFIX.pack(len(text)) + text


def unpack(text: bytes | bytearray | memoryview) -> dict[str, Any]:
    """The message in a frame without its prefix. Raises FrameError for anything else than a JSON object."""
    try:
        said = bytes(text).decode()
        message = json.loads(said)
        if "\\u" in said:  # perhaps half a pair, which could be told to nobody
            message = json.loads(json.dumps(message, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a message is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise FrameError(f"a message is {type(message).__name__}, not an object")
    return message


def unpack_prefix(prefix: bytes | bytearray | memoryview) -> int:
    """The length of the rest of a frame. Raises FrameError beyond the bound."""
    (size,) = PREFIX.unpack(prefix)
    if size > MOST_BYTES:
        raise FrameError(f"a frame announces {size} bytes")
    return int(size)


def check_run(run: Run) -> None:
    """Raise FrameError for times that none can be: sums are made of them."""
    _, infer_s, input_s, output_s = run
    if not (0.0 <= infer_s <= _MOST_S and 0.0 <= input_s <= _MOST_S and 0.0 <= output_s <= _MOST_S):
        raise FrameError(f"a run of {infer_s} s, with {input_s} s before it and {output_s} s behind it")


class Stream:
    """Cuts what a socket gives into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def cut(self, data: bytes) -> list[bytes]:
        """The frames that are complete with ``data``, each with its prefix. Raises FrameError beyond the bound."""
        if not self._rest and len(data) > PREFIX.size and len(data) == PREFIX.size + unpack_prefix(data[: PREFIX.size]):
            return [data]
        rest = self._rest
        rest += data
        found = []
        at = 0
        while len(rest) - at >= PREFIX.size:
            end = at + PREFIX.size + unpack_prefix(rest[at : at + PREFIX.size])
            if end > len(rest):
                break
            found.append(bytes(rest[at:end]))
            at = end
        del rest[:at]
        return found


def fault_to_json(error: ZeroMindError) -> dict[str, Any]:
    """A known fault in plain values; parameters that JSON has no form for become text."""
    params: list[Any] = json.loads(json.dumps(error.params, default=str, skipkeys=True))
    return {"kind": error.kind.name, "message": error.message, "params": params}


def fault_from_json(entry: dict[str, Any]) -> ZeroMindError:
    """The fault that ``fault_to_json`` wrote. Raises FrameError for anything else."""
    try:
        return ZeroMindError(ErrorKind[entry["kind"]], str(entry["message"])[:MOST_WORDS], *entry["params"])
    except (KeyError, TypeError) as error:
        raise FrameError(f"a message holds no fault: {error!r}") from None
