"""Bytes to requests: llhttp with the few refusals that it leaves to its caller.

llhttp (through httptools) cannot be paused, so it is never fed past the end of a message: a head ends at its first empty line, and a
chunked body is fed chunk by chunk and its trailers to their empty line. A body of known length is none of its business.
"""

from __future__ import annotations

import functools
import re

import httptools
from tornado.httputil import RequestStartLine

from zeromind.http.fields import canonical
from zeromind.http.head import Head
from zeromind.limits import HttpLimits

HEAD_END = b"\r\n\r\n"

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/1\.([01])\r\n")
_ABSOLUTE_FORM = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://([^/?#@]+)(.*)")
_TOKEN_START = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]|\r(?:\n|$)")


class Refused(Exception):  # noqa: N818 - an answer, not a fault of ours
    """A request that is answered by the transport itself: its status and a sentence for the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Parser:
    """One connection's parser; ``read`` and ``body`` raise Refused, after which it is spent."""

    __slots__ = (
        "_chunks",
        "_in_body",
        "_keep_alive",
        "_last",
        "_limits",
        "_line",
        "_llhttp",
        "_pairs",
        "_raw",
        "_rest",
        "_trailers",
        "complete",
        "expects_continue",
        "length",
        "parts",
        "received",
    )

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._pairs: list[tuple[str, str]] = []
        self._in_body = self._keep_alive = False
        self._line = b""
        self._last = False
        self._raw = self._rest = self._chunks = self._trailers = 0
        self.length: int | None = 0
        """Body bytes that the head announces; None when the body is chunked."""
        self.expects_continue = False
        """Whether the client waits for 100 Continue."""
        self.complete = False
        """Whether the request has been read to its end."""
        self.received = 0
        """Body bytes so far, after chunked decoding."""
        self.parts: list[bytes] = []
        """Chunked body that ``body`` has decoded and nobody has taken."""
        self._llhttp = httptools.HttpRequestParser(self)

    def close(self) -> None:
        """Let go of llhttp, which holds this object's methods."""
        del self._llhttp

    def read(self, data: bytes) -> Head:
        """The head whose bytes are ``data``, to its empty line; it is the one to ``begin`` with."""
        if data[:1] == b"\r":  # RFC 9112 section 2.2: one empty line before a request is forgiven
            data = data[2:]
        if len(data) > self._limits.head_bytes:
            raise Refused(431, f"the request head has more than {self._limits.head_bytes} bytes")
        lines = data.count(b"\r\n")
        if data.count(b"\n") != lines or data.count(b"\r") != lines:
            raise Refused(400, "a line of the request head does not end in CR LF")
        if lines - 2 > self._limits.header_count:
            raise Refused(431, f"the request has more than {self._limits.header_count} header fields")
        start_line = _start_line(data[: data.find(b"\r\n") + 2])
        if start_line is None:
            raise Refused(400, "the request line is not METHOD TARGET HTTP/1.1")
        self._in_body, self._pairs = False, []
        upgrade = self._feed(data)
        self._in_body = True
        pairs = self._pairs
        fields = dict(pairs)
        if len(fields) != len(pairs):
            _check_once([name for name, _ in pairs])
        version = start_line.version
        if "Host" not in fields and version == "HTTP/1.1":
            raise Refused(400, "the Host header field is missing")
        length = _length(version, fields)
        if length or upgrade:  # whether the protocol changes is the application's affair: the body is read in any case
            self._restart(length)
        if length is None:
            self._line, self._last = b"", False
            self._raw = self._rest = self._chunks = self._trailers = 0
        if start_line.path[0] != "/":
            start_line, pairs = _origin_form(start_line, pairs)
            fields = dict(pairs)
        expects_continue = "Expect" in fields and fields["Expect"].lower() == "100-continue" and version == "HTTP/1.1"
        return Head(start_line, pairs, fields, length, self._keep_alive, expects_continue)

    def begin(self, head: Head) -> None:
        """The request has this head."""
        self.length = head.length
        self.expects_continue = head.expects_continue
        self.complete = head.length == 0
        self.received = 0

    def early(self, data: bytes, searched: int) -> None:
        """Refuse the beginning of a head, of which ``searched`` bytes were looked at before, if no continuation can save it."""
        if len(data) > self._limits.head_bytes:
            raise Refused(431, f"the request head has more than {self._limits.head_bytes} bytes")
        if not _TOKEN_START.match(data):
            raise Refused(400, "this is not HTTP")
        fresh = data[searched:]
        if b"\n" not in fresh:
            return
        across = fresh[0] == 10 and data[searched - 1 : searched] == b"\r"
        if fresh.count(b"\n") != fresh.count(b"\r\n") + across:
            raise Refused(400, "a line of the request head does not end in CR LF")
        start = 2 * data.startswith(b"\r\n")
        if b"\n" in data[start:] and not _REQUEST_LINE.match(data, start):
            raise Refused(400, "the request line is not METHOD TARGET HTTP/1.1")

    def body(self, data: bytes, start: int, limit: int) -> int:
        """Decode chunks from ``data[start:]`` into ``parts``: the position after them. At most ``limit`` body bytes are accepted."""
        limits = self._limits
        end = self._chunked(data, start, min(len(data), start + limits.piece_bytes))
        if self.received > limit:
            raise Refused(413, f"the request body has more than {limit} bytes")
        if self._chunks > limits.chunk_count:
            raise Refused(413, f"the request body has more than {limits.chunk_count} chunks")
        if self._trailers > limits.header_count or self._raw - self.received > limits.head_bytes + 16 * self._chunks:
            raise Refused(400, "the chunks of the request body carry too many extensions or trailers")
        return end

    def _chunked(self, data: bytes, start: int, stop: int) -> int:
        view = memoryview(data)
        while start < stop and not self.complete:
            if self._rest:  # of a chunk, with the CR LF behind it
                end = min(stop, start + self._rest)
                self._rest -= end - start
                self._feed(view[start:end])
            elif self._last:
                end = self._seam(data, start)
                self._feed(view[start:end])
                self._line = (self._line + data[start:end])[-3:]
            else:
                end = data.find(b"\n", start) + 1 or len(data)
                self._feed(view[start:end])  # first, so that what is read as a number below has been found to be one
                self._line += data[start:end]
                if data[end - 1] == 10:
                    size = int(self._line.partition(b";")[0], 16)
                    self._rest, self._last = (size + 2, False) if size else (0, True)
                    self._line = self._line[-3:] if self._last else b""
            self._raw += end - start
            start = end
        return start

    def _seam(self, data: bytes, start: int) -> int:
        """Behind the next empty line in what was fed (its end is in ``_line``) and ``data[start:]``; or the end of the data."""
        across = (self._line + data[start : start + 3]).find(HEAD_END)
        if across >= 0:
            return start + across + len(HEAD_END) - len(self._line)
        end = data.find(HEAD_END, start)
        return end + len(HEAD_END) if end >= 0 else len(data)

    def _feed(self, data: bytes | memoryview) -> bool:
        """Whether the client asks for another protocol."""
        try:
            self._llhttp.feed_data(data)
        except httptools.HttpParserUpgrade:
            return True
        except httptools.HttpParserInvalidMethodError:
            return self._feed_renamed(bytes(data))
        except httptools.HttpParserError as error:
            raise Refused(400, f"the request is malformed: {error}") from None
        return False

    def _feed_renamed(self, head: bytes) -> bool:
        """As ``_feed`` of a head whose method llhttp does not know; which methods there are is the application's affair."""
        if head.startswith(b"POST "):
            raise Refused(400, "the request is malformed")
        self._llhttp = httptools.HttpRequestParser(self)
        return self._feed(b"POST" + head[head.find(b" ") :])

    def _restart(self, length: int | None) -> None:
        """A fresh llhttp: it stands before a head, or within a chunked body."""
        self._llhttp = httptools.HttpRequestParser(self)
        if length is None:
            self._feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked" + HEAD_END)

    # what llhttp calls; nothing here may raise

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or a trailer."""
        if self._in_body:
            self._trailers += 1
        else:
            self._pairs.append((canonical(name), value.decode("latin1").strip(" \t")))

    def on_headers_complete(self) -> None:
        """The head is complete; only now does llhttp know whether the connection lives on."""
        if not self._in_body:
            self._keep_alive = self._llhttp.should_keep_alive()

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self._chunks += 1

    def on_body(self, part: bytes) -> None:
        """Bytes of the body."""
        self.received += len(part)
        self.parts.append(part)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self.complete = True


@functools.lru_cache(1024)
def _start_line(line: bytes) -> RequestStartLine | None:
    """The three parts of a request line; the same ones come again and again."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        return None
    return RequestStartLine(match[1].decode("ascii"), match[2].decode("ascii"), "HTTP/1.1" if match[3] == b"1" else "HTTP/1.0")


def _length(version: str, fields: dict[str, str]) -> int | None:
    """Content-Length, 0 without a body, None for a chunked one (RFC 9112 section 6.3, and nothing that it merely tolerates)."""
    coding, length = fields.get("Transfer-Encoding"), fields.get("Content-Length")
    if coding is None:
        if length is not None and not (length.isascii() and length.isdigit()):
            raise Refused(400, "Content-Length is no number")
        return int(length or 0)
    if length is not None:
        raise Refused(400, "the request has both Content-Length and Transfer-Encoding")
    if version == "HTTP/1.0" or coding.lower() != "chunked":
        raise Refused(400, "the only transfer coding is chunked, in HTTP/1.1")
    return None


def _check_once(names: list[str]) -> None:
    for name in ("Host", "Content-Length", "Transfer-Encoding"):
        if names.count(name) > 1:
            raise Refused(400, f"the {name} header field stands there more than once")


def _origin_form(start_line: RequestStartLine, pairs: list[tuple[str, str]]) -> tuple[RequestStartLine, list[tuple[str, str]]]:
    """The path of an absolute-form target, whose host then replaces the Host field (RFC 9112 section 3.2.2)."""
    absolute = _ABSOLUTE_FORM.fullmatch(start_line.path)
    if absolute is None:
        return start_line, pairs
    path = absolute[2] if absolute[2].startswith("/") else "/" + absolute[2]
    return start_line._replace(path=path), [("Host", absolute[1]), *[pair for pair in pairs if pair[0] != "Host"]]
