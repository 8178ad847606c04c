"""HTTP/2's frames (RFC 9113, 4, 6 and 7): kinds, flags, settings, error codes, and how frames are written."""

from __future__ import annotations

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x1, 0x4, 0x8, 0x20
NO_ERROR, PROTOCOL_ERROR, _, FLOW_CONTROL_ERROR, _, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = range(10)
ENHANCE_YOUR_CALM = 11
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = range(1, 7)

HEAD = struct.Struct(">HBBBI")
SETTING = struct.Struct(">HI")
NUMBER = struct.Struct(">I")


class BrokenError(Exception):
    """The client broke the protocol: the connection ends with this code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def frame_head(kind: int, flags: int, stream_id: int, length: int) -> bytes:
    """The nine bytes before a payload."""
    return HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream_id)


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """A whole frame."""
    return frame_head(kind, flags, stream_id, len(payload)) + payload


def unpadded(payload: bytes) -> bytes:
    """What a frame with the flag PADDED carries. Raises BrokenError."""
    if not payload or payload[0] >= len(payload):
        raise BrokenError(PROTOCOL_ERROR, "a frame that is all padding")
    return payload[1 : len(payload) - payload[0]]
