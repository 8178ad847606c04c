"""What a client has sent and nobody has read: heads and bodies, one after the other."""

from __future__ import annotations

from zeromind.http.head import Head
from zeromind.http.parser import HEAD_END, Parser
from zeromind.http.site import Site


class Inbox:
    """The bytes of one connection; ``head`` and ``body`` raise Refused, after which it is only good to be cleared."""

    __slots__ = ("_most", "_site", "_start", "data", "parser", "searched")

    def __init__(self, site: Site) -> None:
        self.parser = Parser(site.limits)
        self.data = b""
        """Empty when everything has been read, else with bytes before those that have not."""
        self._site = site
        self._most = site.limits.piece_bytes
        self._start = 0  # of what is unread: slicing at each of a thousand pipelined requests would be quadratic
        self.searched = 0
        """How many bytes of what is unread were found to hold no end of a head."""

    def __len__(self) -> int:
        return len(self.data) - self._start

    def add(self, data: bytes) -> None:
        """More has come."""
        self.data = self.data[self._start :] + data if self.data else data
        self._start = 0

    def startswith(self, data: bytes) -> bool:
        """Whether what is unread begins like that."""
        return self.data.startswith(data, self._start)

    def rest(self) -> bytes:
        """All that is unread."""
        return self.data[self._start :]

    def clear(self) -> None:
        """Forget what is unread."""
        self.data, self._start = b"", 0

    def close(self) -> None:
        """Nothing more will be read."""
        self.clear()
        self.parser.close()

    def head(self) -> Head | None:
        """The next head, with which the next request begins; None while it is not complete."""
        data, start, searched = self.data, self._start, self.searched
        end = data.find(HEAD_END, start + max(0, searched - 3)) + len(HEAD_END)
        if end < len(HEAD_END):
            self.parser.early(data[start:] if start else data, searched)
            self.searched = len(data) - start
            return None
        self.searched = 0
        head = self._site.head(data[start:end], self.parser)
        self._read(end)
        return head

    def whole(self, head: Head, data: bytes, start: int) -> None:
        """The next request has this head, and all its body has come: that is ``data`` from ``start`` on."""
        if head.length:
            self.parser.begin(head)
            self.data, self._start = data, start

    def body(self, limit: int) -> bytes:
        """The next piece of the request's body, of which ``limit`` bytes are accepted; empty where only framing has come."""
        parser, data, start = self.parser, self.data, self._start
        if parser.length is None:
            self._read(parser.body(data, start, limit))
            piece = parser.parts[0] if len(parser.parts) == 1 else b"".join(parser.parts)
            parser.parts.clear()
        else:
            piece = data[start : start + min(parser.length - parser.received, self._most)]
            parser.received += len(piece)
            parser.complete = parser.received == parser.length
            self._read(start + len(piece))
        return piece

    def _read(self, end: int) -> None:
        self._start = end
        if end >= len(self.data):
            self.data, self._start = b"", 0
