"""What a worker writes to its standard error: line by line into the server's log, and the last lines kept for when it dies."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import os
import re
import time
from collections.abc import Callable, Sequence

from zeromind.executor.diary import MOST_LINES

_log = logging.getLogger(__name__)

KEPT_LINES = 20
_MOST_BYTES = 4096
"""Of a line; what comes beyond is another one."""
_LINES_PER_S = 100
"""How many lines of one worker reach the log in a second: a model that prints at every request must not fill the disk."""
_READ_BYTES = 1 << 14
"""At a time: whoever writes without end must not keep the event loop from others."""
_MOST_READS = 64
"""At the end. A pipe holds no more, unless somebody goes on filling it."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_UNFIT = (*range(9), *range(10, 32), *range(127, 160), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Control characters, and what ends lines or turns them round."""
_SHOWN = {code: f"\\x{code:02x}" for code in _UNFIT}


class Words:
    """Reads the descriptor of a pipe until it is closed. ``last`` holds the lines that came last, ``heard`` is told of them."""

    def __init__(
        self,
        name: str,
        descriptor: int,
        clock: Callable[[], float] = time.monotonic,
        heard: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        os.set_blocking(descriptor, False)
        self._name = name
        self._clock = clock
        self._heard = heard
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._second = 0
        self._lines = 0
        self.last: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        self._loop.add_reader(descriptor, self._readable)

    def close(self) -> None:
        """Read what there is, and let go; whatever the worker started may still hold the other end."""
        if self._descriptor < 0:
            return
        for _ in range(_MOST_READS):
            if not self._readable():
                break
        self._hear(b"\n" if self._rest else b"")
        self._let_go()

    def _readable(self) -> bool:
        """Take what has come; whether more may come."""
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._descriptor, _READ_BYTES)
            if not data:
                self._loop.remove_reader(self._descriptor)
        self._hear(data)
        return bool(data)

    def _hear(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MOST_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        parts = [line[start : start + _MOST_BYTES] for line in lines if line.strip() for start in range(0, len(line), _MOST_BYTES)]
        if parts:
            for part in parts[: self._told(len(parts))]:
                _log.info("%s: %s", self._name, _text(part), extra={"model": self._name})
            texts = [_text(part) for part in parts[-MOST_LINES:]]
            self.last.extend(texts[-KEPT_LINES:])
            if self._heard is not None:
                self._heard(texts)

    def _told(self, count: int) -> int:
        """How many of so many lines more may reach the log."""
        second = int(self._clock())
        if second != self._second:
            if self._lines > _LINES_PER_S:
                _log.warning("%s: %d more lines were left out", self._name, self._lines - _LINES_PER_S)
            self._second, self._lines = second, 0
        before, self._lines = self._lines, self._lines + count
        return max(0, _LINES_PER_S - before)

    def _let_go(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1


def _text(line: bytes) -> str:
    """What a terminal would show of it, and nothing that would move its cursor: models print what clients have sent."""
    text = line.decode(errors="replace").rstrip().rpartition("\r")[2]
    if text.isprintable():
        return text
    return _COLOUR.sub("", text).translate(_SHOWN)
