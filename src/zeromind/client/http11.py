"""HTTP/1.1 as a client speaks it (RFC 9112), without a socket: a request's head, and an answer put together from what comes.

Tensors are received into the memory in which the caller gets them, and a round trip takes less than with tritonclient (docs/client.md has
the figures).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zeromind.client.step import Garbled, Lost, Reply, Request
from zeromind.codecs.oip_raw import LENGTH

BUFFER_BYTES = 65_536
_MOST_HEAD_BYTES = BUFFER_BYTES
_LINE_END = b"\r\n"
_END = 2 * _LINE_END
_ALIGNED = 16
_LENGTH = LENGTH.lower()


def head(request: Request, authority: str, prefix: str, always: str, nbytes: int) -> bytes:
    """The request up to its body of so many bytes; ``always`` are fields as they travel, each with its CR LF."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in request.fields])
    text = f"{request.method} {prefix}{request.target} HTTP/1.1\r\nHost: {authority}\r\n{always}{fields}Content-Length: {nbytes}\r\n\r\n"
    return text.encode("latin1")


def lost(error: BaseException, reader: Reader) -> Lost | None:
    """The connection's failure while a request was sent or an answer read, in the dialogue's terms; None for any other error."""
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return Lost(ConnectionAbortedError(str(error)) if reader.begun else error, sent=True, lasting=reader.begun)
    return None


class Reader:
    """One answer: have what comes written into ``room``, and say how much it was, until it is ``done``.

    The body lies in memory so that what follows a prefix of JSON, which holds tensors, is aligned. ``buffer`` has BUFFER_BYTES and may
    be the next reader's when this one is done.
    """

    __slots__ = ("_buffer", "_chunks", "_have", "_head", "_parts", "_view", "begun", "done", "fields", "keep", "status")

    def __init__(self, buffer: bytearray) -> None:
        self._buffer = buffer
        self._view: memoryview | None = None
        """The body, if its length is known."""
        self._have = 0
        self._head = True
        self._chunks: _Chunks | None = None
        self._parts: list[bytes] = []
        self.begun = False
        """Whether anything has come."""
        self.done = False
        self.keep = False
        """Whether the connection may be used again."""
        self.status = 0
        self.fields: Mapping[str, str] = {}

    @property
    def headed(self) -> bool:
        """Whether the head is complete."""
        return not self._head

    @property
    def waiting(self) -> int:
        """Bytes that ``take`` would give."""
        return sum(map(len, self._parts))

    def room(self) -> memoryview:
        """Where to put what comes next; never empty until it is done."""
        if self._view is not None:
            return self._view[self._have :]
        return memoryview(self._buffer)[self._have :]

    def filled(self, count: int) -> None:
        """So many bytes have come; 0: no more will. Raises Garbled for what is no answer, ConnectionResetError for what ends too early."""
        if count == 0:
            self._ended()
            return
        self.begun = True
        self._have += count
        if self._head:
            self._read_heads(count)
        elif self._view is not None:
            self.done = self._have == len(self._view)
        else:
            self._part(0)

    def take(self) -> bytes:
        """What has come of a body since this was last called; one of known length comes as a whole."""
        if self._view is not None and self.done:
            self._parts, self._view = [bytes(self._view)], memoryview(b"")
        parts, self._parts = self._parts, []
        return b"".join(parts)

    def reply(self) -> Reply:
        """The whole answer."""
        return Reply(self.status, self.fields, memoryview(self.take()) if self._view is None else self._view)

    def _read_heads(self, count: int) -> None:
        """Read the answer's head, which others may come before (1xx), if it is complete."""
        begin, seen = 0, max(0, self._have - count - 3)
        while (end := self._buffer.find(_END, seen, self._have)) >= 0:
            version, status, fields = _parsed(bytes(self._buffer[begin:end]))
            begin = seen = end + len(_END)
            if status == 101:
                raise Garbled("it changes the protocol")
            if status >= 200:
                self._head = False
                self.status, self.fields = status, fields
                connection = fields.get("connection", "").lower()
                self.keep = version == "HTTP/1.1" and "close" not in connection
                self._begin_body(begin)
                return
        self._have -= begin
        self._buffer[: self._have] = self._buffer[begin : begin + self._have]
        if self._have == _MOST_HEAD_BYTES:
            raise Garbled("a head without end")

    def _begin_body(self, begin: int) -> None:
        fields = self.fields
        if self.status in (204, 304):
            self._view, self.done = memoryview(b""), True
        elif "transfer-encoding" in fields:
            if fields["transfer-encoding"].lower() != "chunked":
                raise Garbled(f"its Transfer-Encoding is {fields['transfer-encoding'][:50]!r}")
            self._chunks = _Chunks()
            self._part(begin)
        elif "content-length" in fields:
            length = _number(fields["content-length"])
            prefix = fields.get(_LENGTH, "")
            skip = -int(prefix) % _ALIGNED if prefix.isascii() and prefix.isdigit() and len(prefix) < 10 else 0
            here = min(self._have - begin, length)
            try:
                self._view = view = np.empty(length + skip, np.uint8).data[skip:]
            except (MemoryError, ValueError):
                raise Garbled(f"its {length} bytes are more than there is memory for") from None
            view[:here] = memoryview(self._buffer)[begin : begin + here]
            self.keep = self.keep and self._have - begin <= length
            self._have = here
            self.done = here == length
        else:
            self.keep = False  # its end is the connection's
            self._part(begin)

    def _part(self, begin: int) -> None:
        data = bytes(memoryview(self._buffer)[begin : self._have])
        self._have = 0
        if self._chunks is None:
            self._parts.append(data)
            return
        self._parts += self._chunks.feed(data)
        self.done = self._chunks.done
        self.keep = self.keep and not (self.done and self._chunks.more)

    def _ended(self) -> None:
        self.keep = False
        if self._head or self._view is not None or self._chunks is not None:
            raise ConnectionResetError("the connection ended before the answer" if self._head else "the connection ended within the answer")
        self.done = True


class _Chunks:
    """A body in chunks (RFC 9112, 7.1)."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._left = -1
        """Bytes of the present chunk, with its CR LF; -1 before its size."""
        self._trailers = False
        self.done = False

    @property
    def more(self) -> bool:
        """Whether something came that is of no chunk yet."""
        return bool(self._data)

    def feed(self, data: bytes) -> list[bytes]:
        """What is in the chunks. Raises Garbled."""
        self._data += data
        found: list[bytes] = []
        while not self.done:
            if self._left < 0 or self._trailers:
                end = self._data.find(b"\r\n")
                if end < 0:
                    if len(self._data) > _MOST_HEAD_BYTES:
                        raise Garbled("a chunk's size without end")
                    break
                line = bytes(self._data[:end])
                del self._data[: end + 2]
                if self._trailers:
                    self.done = not line
                    continue
                self._left = _number(line.partition(b";")[0].decode("latin1").strip(), 16)
                self._trailers = self._left == 0
                self._left += 2
            else:
                taken = bytes(self._data[: self._left])
                del self._data[: len(taken)]
                if body := taken[: max(0, self._left - 2)]:
                    found.append(body)
                if not _LINE_END.startswith(taken[len(body) :], 2 - min(2, self._left)):
                    raise Garbled("a chunk is longer than it says")
                self._left -= len(taken)
                if self._left:
                    break
                self._left = -1
        return found


def _parsed(text: bytes) -> tuple[str, int, dict[str, str]]:
    first, *lines = text.decode("latin1").split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest[:3]
    if version not in ("HTTP/1.1", "HTTP/1.0") or not (status.isascii() and status.isdigit() and len(status) == 3):
        raise Garbled(f"it begins with {first[:60]!r}")
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Garbled(f"a field of it is {line[:60]!r}")
        fields[name.lower()] = value.strip()
    return version, int(status), fields


def _number(text: str, base: int = 10) -> int:
    try:
        if text.isascii() and text.isalnum() and len(text) < 19:
            return int(text, base)
    except ValueError:
        pass
    raise Garbled(f"a length of it is {text[:60]!r}")
