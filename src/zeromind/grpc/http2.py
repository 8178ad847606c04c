"""The server's side of HTTP/2 (RFC 9113) as far as gRPC needs it: bytes in, calls told. No input or output.

Not the ``h2`` package, for speed alone: that spends ten times as long on a call as all else that the front does. Its companion
``hpack`` (RFC 7541) reads the field blocks; a client's blocks are much alike, and those that were seen since its table last
changed are not read again. What is written uses no table at all, so that answers are made of constants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import hpack

from zeromind.grpc.call import Call
from zeromind.grpc.fields import Fields, check
from zeromind.grpc.frame import (
    ACK,
    COMPRESSION_ERROR,
    CONTINUATION,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEAD,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    NO_ERROR,
    NUMBER,
    PADDED,
    PING,
    PREFACE,
    PRIORITISED,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    SETTING,
    SETTINGS,
    STREAM_CLOSED,
    BrokenError,
    unpadded,
)
from zeromind.grpc.sender import Sender
from zeromind.limits import GrpcLimits

_MOST_WINDOW = (1 << 31) - 1
_DEFAULT_WINDOW = 65_535
_MOST_BLOCK_FRAMES = 16
_MOST_BLOCKS = 64
_MOST_BLOCK_BYTES = 512


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
    """One connection. ``calls`` are those of which client or server have more to say."""

    def __init__(self, server: Server, limits: GrpcLimits) -> None:
        self._server = server
        self._limits = limits
        self._unread = b""
        self.greeted = False
        self.opened = False
        """Whether the client's first SETTINGS have come."""
        self.leaving = False
        """Whether new calls are refused."""
        self.calls: dict[int, Call] = {}
        self.last_id = 0
        self._initial_window = _DEFAULT_WINDOW
        self._inbound = 16 * limits.window_bytes
        self._block: list[bytes] = []
        self._block_id = 0
        self._block_flags = 0
        self._decoder = hpack.Decoder(max_header_list_size=limits.header_bytes)
        self._heads: dict[bytes, Any] = {}
        self._newest: Any = None
        own = (MAX_CONCURRENT_STREAMS, limits.streams), (INITIAL_WINDOW_SIZE, limits.window_bytes)
        more = (MAX_FRAME_SIZE, limits.frame_bytes), (MAX_HEADER_LIST_SIZE, limits.header_bytes)
        self.sender = Sender((*own, *more), _DEFAULT_WINDOW, limits.window_bytes)
        self.sender.grant(0, self._inbound - _DEFAULT_WINDOW)

    def forget(self) -> None:
        """Have every head read anew."""
        self._heads.clear()

    # what comes

    def receive(self, data: bytes) -> None:
        """Act upon what has come. Raises BrokenError; then ``goodbye`` is the last word."""
        if self._unread:
            data = self._unread + data
        size, at = len(data), 0
        if not self.greeted:
            if data[: len(PREFACE)] != PREFACE[:size]:
                raise BrokenError(PROTOCOL_ERROR, "this port speaks HTTP/2 with prior knowledge")
            if size < len(PREFACE):
                self._unread = data
                return
            self.greeted, at = True, len(PREFACE)
        most = self._limits.frame_bytes
        while at + 9 <= size:
            high, low, kind, flags, stream_id = HEAD.unpack_from(data, at)
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
            self.sender.grant(0, 16 * self._limits.window_bytes - self._inbound)
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
            payload = unpadded(payload)
        if payload:
            self._server.data(call, payload)
        elif not flags & END_STREAM:
            self._server.control()
        if flags & END_STREAM:
            self._end(call)
        elif not call.choked and stream_id in self.calls:
            self.sender.admit(call)

    def _end(self, call: Call) -> None:
        call.ended = True
        if call.stream_id in self.calls:
            self._server.ended(call)

    def _headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id % 2:
            raise BrokenError(PROTOCOL_ERROR, f"a client's stream has the number {stream_id}")
        if flags & PADDED:
            payload = unpadded(payload)
        if flags & PRIORITISED:
            if len(payload) < 5 or NUMBER.unpack_from(payload)[0] & _MOST_WINDOW == stream_id:
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
            self.sender.reset(stream_id, REFUSED_STREAM)
            self._server.reset(None)
        elif head is _MALFORMED:
            self.sender.reset(stream_id, PROTOCOL_ERROR)
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
        if len(payload) % SETTING.size or len(payload) > 100 * SETTING.size:
            raise BrokenError(FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
        for key, value in SETTING.iter_unpack(payload):
            if key == INITIAL_WINDOW_SIZE:
                delta, self._initial_window = value - self._initial_window, value
                for call in self.calls.values():
                    call.window = _widened(call.window, delta)
                _widened(value, 0)
            elif key == MAX_FRAME_SIZE:
                if not 1 << 14 <= value < 1 << 24:
                    raise BrokenError(PROTOCOL_ERROR, f"SETTINGS_MAX_FRAME_SIZE {value}")
                self.sender.frame_bytes = value
            elif key == HEADER_TABLE_SIZE:
                self.sender.smaller_table()
            elif key == ENABLE_PUSH and value > 1:
                raise BrokenError(PROTOCOL_ERROR, f"SETTINGS_ENABLE_PUSH {value}")
        self.opened = True
        self.sender.acknowledge(SETTINGS)
        self._server.control()
        self._server.room(None)

    def _push_promise(self, _: int, __: int, ___: bytes) -> None:
        raise BrokenError(PROTOCOL_ERROR, "a client does not push")

    def _idle(self, _: int, __: int, ___: bytes) -> None:
        self._server.control()

    def _ping(self, flags: int, _: int, payload: bytes) -> None:
        if not flags & ACK:
            self.sender.acknowledge(PING, payload)
            self._server.control()

    def _goaway(self, _: int, __: int, ___: bytes) -> None:
        self._server.leave()

    def _window_update(self, _: int, stream_id: int, payload: bytes) -> None:
        increment = NUMBER.unpack(payload)[0] & _MOST_WINDOW
        if not increment:
            raise BrokenError(PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
        if not stream_id:
            self.sender.window = _widened(self.sender.window, increment)
            self._server.room(None)
            return
        self._check_known(stream_id)
        call = self.calls.get(stream_id)
        if call is not None:
            call.window = _widened(call.window, increment)
            self._server.room(call)

    def goodbye(self, code: int = NO_ERROR) -> None:
        """Say that calls beyond the present ones are not answered."""
        self.leaving = True
        self.sender.goodbye(self.last_id, code)

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


_MALFORMED = object()


def _widened(window: int, increment: int) -> int:
    if window + increment > _MOST_WINDOW:
        raise BrokenError(FLOW_CONTROL_ERROR, "a window of more than 2 GiB")
    return window + increment
