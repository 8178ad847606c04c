"""The access log: a line for each answered request, of HTTP and of gRPC.

Whoever answers only notes a tuple; a thread makes lines of them and writes these together. What waits is bounded, and a disk that is
slow, full or gone costs lines, which are counted, and nothing else.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from zeromind.errors import ConfigError
from zeromind.observe.line import Json, Line, Text, cut

_MOST_WAITING = 1 << 16
_MOST_WHOLE = 1 << 10
"""So many wait as they came; of more, long parts are cut: a request's line may have tens of thousands of bytes."""
_TOGETHER = 256
"""Lines that are made at once: for so long the thread keeps the others from running."""
_PAUSE_S, _SHORT_S = 0.1, 0.005
"""How often it is seen whether something waits, and if it did: what waits together holds others up together."""
_LOOK_S = 1.0
"""How often it is seen whether the file was renamed."""
_TELL_S = 10.0
"""How often the log tells of lines that were lost, at most."""
_CLOSE_S = 5.0
_log = logging.getLogger(__name__)

Noted: TypeAlias = "Line | tuple[Any, ...]"
"""A line, or the tuple of what one has: that is made faster."""


class AccessLog:
    """Lines in a file, or for ``-`` on standard output: as JSON, or as text. Raises ConfigError if the file cannot be opened."""

    def __init__(self, file: str, as_json: bool = False, prefix: bytes = b"", most_waiting: int = _MOST_WAITING) -> None:
        """``prefix`` stands before the numbers of requests."""
        self._line: Callable[[Any, float], bytes] = Json(prefix) if as_json else Text(prefix)
        self._sink = _Sink(None if file == "-" else Path(file))
        self._most_waiting = most_waiting
        self._waiting: collections.deque[Noted] = collections.deque()
        self._crowded = self._lost = 0  # by whoever notes, and by the thread: each counts for itself
        self._told, self._told_at = 0, -_TELL_S
        self._closing = threading.Event()
        try:
            self._sink.open()
        except OSError as error:
            raise ConfigError("access_log", f"{file} cannot be written: {error.strerror}") from None
        self._thread = threading.Thread(target=self._run, name="access log", daemon=True)
        self._thread.start()

    def note(self, line: Noted) -> None:
        """Have a line written, soon; never waits."""
        waiting = len(self._waiting)
        if waiting < _MOST_WHOLE:
            self._waiting.append(line)
        elif waiting < self._most_waiting:
            self._waiting.append(cut(line))
        else:
            self._crowded += 1

    @property
    def dropped(self) -> int:
        """Lines that were lost, since the disk was too slow for them or took them not."""
        return self._crowded + self._lost

    def reopen(self) -> None:
        """Go on in the file of that name: the present one was renamed."""
        self._sink.looked_at = -_LOOK_S

    def close(self) -> None:
        """Write what waits, within seconds."""
        self._closing.set()
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        closing, pause_s = False, _PAUSE_S
        while not closing:
            closing = self._closing.wait(pause_s)
            self._sink.look()
            pause_s = _SHORT_S if self._waiting else _PAUSE_S
            offset_s = time.time() - time.monotonic()
            while self._waiting:
                lines = self._lines(offset_s)
                self._lost += self._sink.write(lines)
            self._tell(closing)
        self._sink.close()

    def _lines(self, offset_s: float) -> list[bytes]:
        """The next lines, as far as they can be made."""
        lines: list[bytes] = []
        for _ in range(min(_TOGETHER, len(self._waiting))):
            noted = self._waiting.popleft()
            try:
                lines.append(self._line(noted, offset_s))
            except Exception:  # a fault of ours, which must not end the log
                self._lost += 1
                _log.exception("a line of the access log cannot be made")
        return lines

    def _tell(self, closing: bool) -> None:
        now = time.monotonic()
        dropped = self.dropped
        if dropped > self._told and (closing or now - self._told_at >= _TELL_S):
            why = self._sink.trouble or "the disk is too slow for them"
            _log.error("%d lines of the access log were lost: %s", dropped - self._told, why)
            self._told, self._told_at, self._sink.trouble = dropped, now, ""


class _Sink:
    """Where the lines go; the thread alone writes."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._descriptor = -1
        self._torn = False
        """Whether the last line is there in part."""
        self.looked_at = 0.0
        self.trouble = ""

    def open(self) -> None:
        """Raises OSError."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.dup(1) if self._file is None else os.open(self._file, flags, 0o640)

    def close(self) -> None:
        """Write no more."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def look(self) -> None:
        """Open the file anew if it was renamed or removed."""
        now = time.monotonic()
        if self._file is None or now - self.looked_at < _LOOK_S:
            return
        self.looked_at = now
        try:
            there, ours = self._file.stat(), os.fstat(self._descriptor)
            if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino):
                return
        except OSError:
            pass
        old = self._descriptor
        try:
            self.open()
        except OSError as error:  # the old one still takes lines
            self.trouble = f"{self._file}: {error.strerror}"
            return
        self._torn = False
        with contextlib.suppress(OSError):
            os.close(old)

    def write(self, lines: list[bytes]) -> int:
        """How many lines were lost."""
        mended = b"\n" if self._torn else b""
        data, written = mended + b"".join(lines), 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:] if written else data)
        except OSError as error:
            self.trouble = f"{self._file or 'standard output'}: {error.strerror}"
            if written:
                self._torn = data[written - 1 : written] != b"\n"
            return data.count(b"\n", max(written, len(mended)))
        self._torn = False
        return 0
