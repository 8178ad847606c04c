"""The writing side of HTTP/2 (RFC 9113): answers and signals as frames. No input or output."""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence

from zeromind.grpc.call import Call
from zeromind.grpc.encoding import PREFIX_BYTES
from zeromind.grpc.fields import literal, sized
from zeromind.grpc.frame import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    NO_ERROR,
    NUMBER,
    PING,
    RST_STREAM,
    SETTING,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    frame_head,
)

_RESPONSE = b"\x88" + literal(b"content-type", b"application/grpc") + b"\0\x0cx-request-id"  # 0x88: ":status 200" of the static table
_OK = literal(b"grpc-status", b"0")
_OK_HEAD = frame_head(HEADERS, END_HEADERS | END_STREAM, 0, len(_OK))[:5]
_PREFIX = struct.Struct(">BI")


class Sender:
    """Frames of one connection; ``out`` gathers what is to be written. Its window and its largest frame are the client's word."""

    def __init__(self, own: Sequence[tuple[int, int]], window: int, inbound: int) -> None:
        """``own`` are our settings, ``window`` what the client takes of all answers together, ``inbound`` what it may send of a call."""
        self.window = window
        self._inbound = inbound
        self.frame_bytes = 16_384
        """The largest frame that the client takes."""
        self._table_update = b""
        self.out: list[bytes | memoryview] = [frame(SETTINGS, 0, 0, b"".join(SETTING.pack(*item) for item in own))]

    def smaller_table(self) -> None:
        """The client has said how large our table may be: it has no bytes, and RFC 7541, 4.2 wants that said once more."""
        self._table_update = b"\x20"

    def acknowledge(self, kind: int, payload: bytes = b"") -> None:
        """Say that SETTINGS or a PING have come."""
        self.out.append(frame(kind, ACK, 0, payload))

    def whole(self, call: Call, pieces: Sequence[bytes]) -> bool:
        """A small answer from its head to its end; False, and nothing is said, where that takes more than one frame, or room."""
        size = sum(map(len, pieces))
        room = size + PREFIX_BYTES
        if room > call.window or room > self.window or room > self.frame_bytes or self._table_update:
            return False
        self.window -= room
        number = NUMBER.pack(call.stream_id)
        data = frame_head(DATA, 0, call.stream_id, room), _PREFIX.pack(0, size), *pieces
        call.sent += room
        head, opening = _opening(len(call.request_id))
        self.out += (head, number, opening, call.request_id, *data, _OK_HEAD, number, _OK)
        return True

    def response(self, call: Call) -> None:
        """The head of an answer."""
        call.started = True
        encoding = call.head.answer_encoding
        block = _opening(len(call.request_id))[1] + call.request_id
        if encoding:
            block += literal(b"grpc-encoding", encoding)
        self.out.append(self._field_frame(END_HEADERS, call.stream_id, block))

    def send(self, call: Call, data: bytes | memoryview) -> None:
        """Some of an answer, no more than the windows and ``frame_bytes`` have room for."""
        call.window -= len(data)
        call.sent += len(data)
        self.window -= len(data)
        self.out += (frame_head(DATA, 0, call.stream_id, len(data)), data)

    def ok(self, stream_id: int) -> None:
        """The end of an answer."""
        self.out.append(self._field_frame(END_HEADERS | END_STREAM, stream_id, _OK))

    def last(self, stream_id: int, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """The end of an answer, which may be all there is of it."""
        block = b"".join(literal(*field) for field in fields)
        self.out.append(self._field_frame(END_HEADERS | END_STREAM, stream_id, block))

    def reset(self, stream_id: int, code: int) -> None:
        """End a stream before its time."""
        self.out.append(frame(RST_STREAM, 0, stream_id, NUMBER.pack(code)))

    def ping(self) -> None:
        """Ask whether the client is there."""
        self.out.append(frame(PING, 0, 0, b"zeromind"))

    def goodbye(self, last_id: int, code: int = NO_ERROR) -> None:
        """Say that calls beyond the present ones are not answered."""
        self.out.append(frame(GOAWAY, 0, 0, NUMBER.pack(last_id) + NUMBER.pack(code)))

    def grant(self, stream_id: int, increment: int) -> None:
        """Let the client send more, of a call or (0) of all together."""
        self.out.append(frame(WINDOW_UPDATE, 0, stream_id, NUMBER.pack(increment)))

    def admit(self, call: Call) -> None:
        """Let its client send on, once it has used half of what it may."""
        if call.inbound < self._inbound // 2:
            self.grant(call.stream_id, self._inbound - call.inbound)
            call.inbound = self._inbound

    def _field_frame(self, flags: int, stream_id: int, block: bytes) -> bytes:
        if self._table_update:
            block, self._table_update = self._table_update + block, b""
        return frame(HEADERS, flags, stream_id, block)


@functools.lru_cache(128)
def _opening(size: int) -> tuple[bytes, bytes]:
    """The head of an answer whose name has ``size`` bytes: how its frame begins, to the stream's number, and its fields up to the name."""
    block = _RESPONSE + sized(size)
    return frame_head(HEADERS, END_HEADERS, 0, len(block) + size)[:5], block
