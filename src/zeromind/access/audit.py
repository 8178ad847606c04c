"""The audit log: who had what done, from where, and with which result; also what was refused.

One line of JSON for each deed, through the logger ``zeromind.audit`` and, if there is one, into a file of its own. What clients send can
neither fill the disk, nor hold the server up: values are cut, lines have a rate, the file is rotated and written by a thread.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import logging
import logging.handlers
import os
import queue
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zeromind.allowance import Allowance
from zeromind.errors import ConfigError

MOST_VALUE = 200
FILE_BYTES = 10 << 20
FILES = 5
_MOST_WAITING = 1000
_log = logging.getLogger("zeromind.audit")


@dataclasses.dataclass(frozen=True, slots=True)
class Deed:
    """Who (the name of a key) asked from which address for what: a route or method, a model, and what the client calls the request."""

    who: str
    address: str
    call: str
    model: str = ""
    request: str = ""


class Audit:
    """The log of one pool. Deeds that were refused have a rate of their own, so that they cannot crowd out the others."""

    def __init__(self, file: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._allowances = {True: Allowance(50, clock()), False: Allowance(5, clock())}
        self._left_out = 0
        self._listener: logging.handlers.QueueListener | None = None
        self._waiting: queue.Queue[Any] = queue.Queue(_MOST_WAITING)
        if file is not None:
            try:
                self._listener = _Listener(self._waiting, _File(file))
            except OSError as error:
                raise ConfigError("audit_file", f"{file} cannot be written: {error.strerror}") from None
            self._listener.start()

    def record(self, deed: Deed, result: str | int, *, done: bool, ms: float) -> None:
        """Note a deed, the status of its answer, and whether it was let in at all."""
        if not self._allowances[done].spend(self._clock()):
            self._left_out += 1
            return
        entry: dict[str, Any] = {"time": dt.datetime.now(dt.timezone.utc).isoformat(timespec="milliseconds")}
        for name, value in dataclasses.asdict(deed).items():
            entry["from" if name == "address" else name] = value[:MOST_VALUE]
        entry |= {"result": result, "ms": round(ms, 1)}
        if self._left_out:
            entry["left_out"], self._left_out = self._left_out, 0
        line = json.dumps(entry)  # ASCII: no line break of any alphabet gets through
        _log.info("%s", line)
        if self._listener is not None:
            try:
                self._waiting.put_nowait(logging.LogRecord(_log.name, logging.INFO, "", 0, line, None, None))
            except queue.Full:  # the disk is slower than the deeds
                self._left_out += 1

    def close(self) -> None:
        """Write what waits, and close the file."""
        if self._listener is not None:
            self._listener.stop()
            for handler in self._listener.handlers:
                with contextlib.suppress(OSError):  # the disk is full: it was told already
                    handler.close()


class _Listener(logging.handlers.QueueListener):
    """The thread that writes; it can be told to end also when much waits."""

    def enqueue_sentinel(self) -> None:
        """Have it end behind what waits."""
        self.queue.put(self._sentinel, timeout=5)  # type: ignore[attr-defined]  # the stubs leave it out


class _File(logging.handlers.RotatingFileHandler):
    """Lines in a file that its owner alone may read, ten MB in each of five."""

    _complained = False

    def __init__(self, file: Path) -> None:
        super().__init__(file, maxBytes=FILE_BYTES, backupCount=FILES - 1, encoding="ascii")

    def _open(self) -> Any:
        return os.fdopen(os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="ascii")

    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say once that the disk is full, or gone; the lines are in the other log."""
        if not self._complained:
            self._complained = True
            logging.getLogger("zeromind.guard").error(
                "the audit log %s cannot be written: its lines are in the log alone", self.baseFilename
            )
