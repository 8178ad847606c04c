"""The server's side of HTTP/2 (RFC 9113) as far as gRPC needs it: bytes in, calls told; answers in, bytes out. No input or output.

Not the ``h2`` package, for speed alone: that spends ten times as long on a call as all else that the front does. Its companion
``hpack`` (RFC 7541) reads the field blocks; a client's blocks are much alike, and those that were seen since its table last
changed are not read again. What is written uses no table at all, so that answers are made of constants.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import hpack

from zeromind.grpc.call import Call
from zeromind.grpc.fields import Fields, check, literal
from zeromind.grpc.limits import Limits

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x1, 0x4, 0x8, 0x20
NO_ERROR, PROTOCOL_ERROR, _, FLOW_CONTROL_ERROR, _, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = range(10)
ENHANCE_YOUR_CALM = 11
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _MAX_CONCURRENT_STREAMS, _INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE, _MAX_HEADER_LIST_SIZE = range(1, 7)
_MOST_WINDOW = (1 << 31) - 1
_DEFAULT_WINDOW = 65_535
_MOST_BLOCK_FRAMES = 16
_MOST_BLOCKS = 64
_MOST_BLOCK_BYTES = 512

_HEAD = struct.Struct(">HBBBI")
_SETTING = struct.Struct(">HI")
_NUMBER = struct.Struct(">I")
_RESPONSE = b"\x88" + literal(b"content-type", b"application/grpc")  # 0x88: ":status 200" of the static table
_OK = literal(b"grpc-status", b"0")


class BrokenError(Exception):
    """The client broke the protocol: the connection ends with this code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Server(Protocol):
    """Who acts upon what the client says; every method is called at once, in the order of the frames."""

    def head(self, fields: Fields) -> Any:
        """What a request's fields mean; kept for requests with the same fields."""

    def request(self, call: Call, head: Any) -> None:
        """A call begins."""

    def data(self, call: Call, data: bytes) -> None:
        """Some of its message."""

    def ended(self, call: Call) -> None:
        """Its client has said all."""

    def reset(self, call: Call | None) -> None:
        """Its client wants no answer; None: a call had to be refused."""

    def room(self, call: Call | None) -> None:
        """There is room for more of its answer; None: of any answer."""

    def control(self) -> None:
        """A frame that carries nothing of a call."""

    def leave(self) -> None:
        """The client will make no more calls."""


class Http2:
    """One connection. ``out`` gathers what is to be written; ``calls`` are those of which client or server have more to say."""

    def __init__(self, server: Server, limits: Limits) -> None:
        self._server = server
        self._limits = limits
        self._unread = b""
        self._greeted = False
        self.opened = False
        """Whether the client's first SETTINGS have come."""
        self.leaving = False
        """Whether new calls are refused."""
        self.calls: dict[int, Call] = {}
        self.last_id = 0
        self.window = _DEFAULT_WINDOW
        """What the client takes of all answers together."""
        self.frame_bytes = 16_384
        """The largest frame that the client takes."""
        self._initial_window = _DEFAULT_WINDOW
        self._inbound = 16 * limits.window_bytes
        self._block: list[bytes] = []
        self._block_id = 0
        self._block_flags = 0
        self._decoder = hpack.Decoder(max_header_list_size=limits.header_bytes)
        self._heads: dict[bytes, Any] = {}
        self._newest: Any = None
        self._table_update = b""
        own = (_MAX_CONCURRENT_STREAMS, limits.streams), (_INITIAL_WINDOW_SIZE, limits.window_bytes)
        more = (_MAX_FRAME_SIZE, limits.frame_bytes), (_MAX_HEADER_LIST_SIZE, limits.header_bytes)
        self.out: list[bytes | memoryview] = [_frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*item) for item in own + more))]
        self._grant(0, self._inbound - _DEFAULT_WINDOW)

    # what comes

    def receive(self, data: bytes) -> None:
        """Act upon what has come. Raises BrokenError; then ``goodbye`` is the last word."""
        if self._unread:
            data = self._unread + data
        size, at = len(data), 0
        if not self._greeted:
            if data[: len(PREFACE)] != PREFACE[:size]:
                raise BrokenError(PROTOCOL_ERROR, "this port speaks HTTP/2 with prior knowledge")
            if size < len(PREFACE):
                self._unread = data
                return
            self._greeted, at = True, len(PREFACE)
        most = self._limits.frame_bytes
        while at + 9 <= size:
            high, low, kind, flags, stream_id = _HEAD.unpack_from(data, at)
            length = high << 8 | low
            if length > most:
                raise BrokenError(FRAME_SIZE_ERROR, f"a frame has {length} bytes, more than {most}")
            begin, at = at + 9, at + 9 + length
            if at > size:
                at = begin - 9
                break
            self._act(kind, flags, stream_id & _MOST_WINDOW, data[begin:at])
        self._unread = data[at:]

    def _act(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block_id and (kind != CONTINUATION or stream_id != self._block_id):
            raise BrokenError(PROTOCOL_ERROR, "a field block is interrupted")
        if not self.opened and (kind != SETTINGS or flags & ACK):
            raise BrokenError(PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if kind < len(self._kinds):
            on_stream, length, act = self._kinds[kind]
            if on_stream is not None and on_stream != bool(stream_id):
                raise BrokenError(PROTOCOL_ERROR, f"a frame of kind {kind} on stream {stream_id}")
            if length is not None and len(payload) != length:
                raise BrokenError(FRAME_SIZE_ERROR, f"a frame of kind {kind} with {len(payload)} bytes")
            act(self, flags, stream_id, payload)
        else:
            self._server.control()

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        length = len(payload)
        self._inbound -= length
        if self._inbound < 0:
            raise BrokenError(FLOW_CONTROL_ERROR, "more DATA than the connection's window")
        if self._inbound < 8 * self._limits.window_bytes:
            self._grant(0, 16 * self._limits.window_bytes - self._inbound)
            self._inbound = 16 * self._limits.window_bytes
        call = self.calls.get(stream_id)
        if call is None:
            self._check_known(stream_id)
            self._server.control()  # of a call that has ended here already
            return
        if call.ended:
            raise BrokenError(STREAM_CLOSED, "DATA behind the end of a stream")
        call.inbound -= length
        if call.inbound < 0:
            raise BrokenError(FLOW_CONTROL_ERROR, "more DATA than the stream's window")
        if flags & PADDED:
            payload = _unpadded(payload)
        if payload:
            self._server.data(call, payload)
        elif not flags & END_STREAM:
            self._server.control()
        if flags & END_STREAM:
            self._end(call)
        elif call.inbound < self._limits.window_bytes // 2 and stream_id in self.calls:
            self._grant(stream_id, self._limits.window_bytes - call.inbound)
            call.inbound = self._limits.window_bytes

    def _end(self, call: Call) -> None:
        call.ended = True
        if call.stream_id in self.calls:
            self._server.ended(call)

    def _headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id % 2:
            raise BrokenError(PROTOCOL_ERROR, f"a client's stream has the number {stream_id}")
        if flags & PADDED:
            payload = _unpadded(payload)
        if flags & PRIORITISED:
            if len(payload) < 5 or _NUMBER.unpack_from(payload)[0] & _MOST_WINDOW == stream_id:
                raise BrokenError(PROTOCOL_ERROR, "a stream that depends on itself")
            payload = payload[5:]
        if flags & END_HEADERS:
            self._fields(flags, stream_id, payload)
        else:
            self._block, self._block_id, self._block_flags = [payload], stream_id, flags

    def _continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not self._block_id:
            raise BrokenError(PROTOCOL_ERROR, "CONTINUATION of nothing")
        self._block.append(payload)
        if len(self._block) > _MOST_BLOCK_FRAMES or sum(map(len, self._block)) > 2 * self._limits.header_bytes:
            raise BrokenError(ENHANCE_YOUR_CALM, "a field block without end")
        if flags & END_HEADERS:
            self._block_id = 0
            self._fields(self._block_flags, stream_id, b"".join(self._block))

    def _fields(self, flags: int, stream_id: int, block: bytes) -> None:
        head = self._heads.get(block)
        if head is None:
            head = self._read(block)
        call = self.calls.get(stream_id)
        if call is not None:
            if call.ended or not flags & END_STREAM:
                raise BrokenError(PROTOCOL_ERROR, "HEADERS within a stream")
            self._end(call)
        elif stream_id <= self.last_id:
            self._server.control()  # of a call that has ended here already
        else:
            self.last_id = stream_id
            self._begin(flags, stream_id, head)

    def _begin(self, flags: int, stream_id: int, head: Any) -> None:
        if self.leaving or len(self.calls) >= self._limits.streams:
            self.reset(stream_id, REFUSED_STREAM)
            self._server.reset(None)
        elif head is _MALFORMED:
            self.reset(stream_id, PROTOCOL_ERROR)
            self._server.reset(None)
        else:
            call = self.calls[stream_id] = Call(stream_id, self._initial_window, self._limits.window_bytes)
            call.ended = bool(flags & END_STREAM)
            self._server.request(call, head)
            if call.ended:
                self._end(call)

    def _read(self, block: bytes) -> Any:
        """The head in a field block that has not been seen since the client's table changed."""
        try:
            fields: list[tuple[bytes, bytes]] = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except hpack.OversizedHeaderListError as error:
            raise BrokenError(ENHANCE_YOUR_CALM, str(error)) from None
        except hpack.HPACKError as error:
            raise BrokenError(COMPRESSION_ERROR, str(error)) from None
        checked = check(fields)
        head = _MALFORMED if checked is None else self._server.head(checked)
        table = self._decoder.header_table
        newest = (table.maxsize, len(table.dynamic_entries), table.dynamic_entries[0] if table.dynamic_entries else None)
        if newest != self._newest or newest[2] is not self._newest[2] or len(self._heads) >= _MOST_BLOCKS:
            self._heads.clear()
            self._newest = newest
        elif len(block) <= _MOST_BLOCK_BYTES:
            self._heads[block] = head
        return head

    def _reset(self, _: int, stream_id: int, __: bytes) -> None:
        self._check_known(stream_id)
        call = self.calls.get(stream_id)
        if call is not None:
            self._server.reset(call)

    def _settings(self, flags: int, _: int, payload: bytes) -> None:
        if flags & ACK:
            if payload:
                raise BrokenError(FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS with settings")
            return
        if len(payload) % _SETTING.size or len(payload) > 100 * _SETTING.size:
            raise BrokenError(FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
        for key, value in _SETTING.iter_unpack(payload):
            if key == _INITIAL_WINDOW_SIZE:
                delta, self._initial_window = value - self._initial_window, value
                for call in self.calls.values():
                    call.window = _widened(call.window, delta)
                _widened(value, 0)
            elif key == _MAX_FRAME_SIZE:
                if not 1 << 14 <= value < 1 << 24:
                    raise BrokenError(PROTOCOL_ERROR, f"SETTINGS_MAX_FRAME_SIZE {value}")
                self.frame_bytes = value
            elif key == _HEADER_TABLE_SIZE:
                self._table_update = b"\x20"  # our table has no bytes: RFC 7541, 4.2 wants that said once more
            elif key == _ENABLE_PUSH and value > 1:
                raise BrokenError(PROTOCOL_ERROR, f"SETTINGS_ENABLE_PUSH {value}")
        self.opened = True
        self.out.append(_frame(SETTINGS, ACK, 0, b""))
        self._server.control()
        self._server.room(None)

    def _push_promise(self, _: int, __: int, ___: bytes) -> None:
        raise BrokenError(PROTOCOL_ERROR, "a client does not push")

    def _idle(self, _: int, __: int, ___: bytes) -> None:
        self._server.control()

    def _ping(self, flags: int, _: int, payload: bytes) -> None:
        if not flags & ACK:
            self.out.append(_frame(PING, ACK, 0, payload))
            self._server.control()

    def _goaway(self, _: int, __: int, ___: bytes) -> None:
        self._server.leave()

    def _window_update(self, _: int, stream_id: int, payload: bytes) -> None:
        increment = _NUMBER.unpack(payload)[0] & _MOST_WINDOW
        if not increment:
            raise BrokenError(PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
        if not stream_id:
            self.window = _widened(self.window, increment)
            self._server.room(None)
            return
        self._check_known(stream_id)
        call = self.calls.get(stream_id)
        if call is not None:
            call.window = _widened(call.window, increment)
            self._server.room(call)

    def _check_known(self, stream_id: int) -> None:
        if not stream_id % 2 or stream_id > self.last_id:
            raise BrokenError(PROTOCOL_ERROR, f"a frame on stream {stream_id}, which has not begun")

    _kinds: ClassVar[tuple[tuple[bool | None, int | None, Callable[[Http2, int, int, bytes], None]], ...]] = (
        (True, None, _data),
        (True, None, _headers),
        (True, 5, _idle),
        (True, 4, _reset),
        (False, None, _settings),
        (None, None, _push_promise),
        (False, 8, _ping),
        (False, None, _goaway),
        (None, 4, _window_update),
        (True, None, _continuation),
    )
    """By kind of frame: whether it belongs to a stream (None: either), its length (None: any), what to do."""

    # what goes

    def response(self, stream_id: int) -> None:
        """The head of an answer."""
        self.out.append(self._field_frame(END_HEADERS, stream_id, _RESPONSE))

    def send(self, call: Call, data: bytes | memoryview) -> None:
        """Some of an answer, no more than the windows and ``frame_bytes`` have room for."""
        call.window -= len(data)
        self.window -= len(data)
        self.out += (_head(DATA, 0, call.stream_id, len(data)), data)

    def ok(self, stream_id: int) -> None:
        """The end of an answer."""
        self.out.append(self._field_frame(END_HEADERS | END_STREAM, stream_id, _OK))

    def last(self, stream_id: int, fields: list[tuple[bytes, bytes]], status: bytes = b"200") -> None:
        """An answer that is its head and nothing more."""
        block = b"".join(literal(*field) for field in [(b":status", status), *fields])
        self.out.append(self._field_frame(END_HEADERS | END_STREAM, stream_id, block))

    def reset(self, stream_id: int, code: int) -> None:
        """End a stream before its time."""
        self.out.append(_frame(RST_STREAM, 0, stream_id, _NUMBER.pack(code)))

    def ping(self) -> None:
        """Ask whether the client is there."""
        self.out.append(_frame(PING, 0, 0, b"zeromind"))

    def goodbye(self, code: int = NO_ERROR) -> None:
        """Say that calls beyond the present ones are not answered."""
        self.leaving = True
        self.out.append(_frame(GOAWAY, 0, 0, _NUMBER.pack(self.last_id) + _NUMBER.pack(code)))

    def _grant(self, stream_id: int, increment: int) -> None:
        self.out.append(_frame(WINDOW_UPDATE, 0, stream_id, _NUMBER.pack(increment)))

    def _field_frame(self, flags: int, stream_id: int, block: bytes) -> bytes:
        if self._table_update:
            block, self._table_update = self._table_update + block, b""
        return _frame(HEADERS, flags, stream_id, block)


_MALFORMED = object()


def _head(kind: int, flags: int, stream_id: int, length: int) -> bytes:
    return _HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream_id)


def _frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return _head(kind, flags, stream_id, len(payload)) + payload


def _unpadded(payload: bytes) -> bytes:
    if not payload or payload[0] >= len(payload):
        raise BrokenError(PROTOCOL_ERROR, "a frame that is all padding")
    return payload[1 : len(payload) - payload[0]]


def _widened(window: int, increment: int) -> int:
    if window + increment > _MOST_WINDOW:
        raise BrokenError(FLOW_CONTROL_ERROR, "a window of more than 2 GiB")
    return window + increment
