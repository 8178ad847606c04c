"""Which messages are logged, and in which form of time: what clients may change of Python's logging while the pool runs.

Logging belongs to the process, so that of several pools in one process each sees what the others have changed.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import time
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from zeromind.errors import ErrorKind, ZeroMindError

_LEVELS = {"log_info": logging.INFO, "log_warning": logging.WARNING, "log_error": logging.ERROR}
_FORMATS = ("default", "ISO8601")
_MOST_VERBOSE = 1 << 31
_ISO = "%Y-%m-%dT%H:%M:%SZ"


@dataclasses.dataclass(frozen=True, slots=True)
class _Wanted:
    log_info: bool = True
    log_warning: bool = True
    log_error: bool = True
    log_verbose_level: int = 0
    log_format: str = "default"

    def passes(self, level: int) -> bool:
        """Whether messages of that level are logged."""
        if level >= logging.ERROR:
            return self.log_error
        if level >= logging.WARNING:
            return self.log_warning
        return self.log_info if level >= logging.INFO else self.log_verbose_level > 0


class _Gate(logging.Filter):
    """Lets pass what is wanted; a logger's level alone cannot leave out warnings and keep the rest."""

    def __init__(self, wanted: _Wanted) -> None:
        super().__init__()
        self.wanted = wanted

    def filter(self, record: logging.LogRecord) -> bool:
        return self.wanted.passes(record.levelno)


class LogSettings:
    """The settings of the logging extension, over Python's logger ``zeromind`` and the handlers that write its messages."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("zeromind")
        self._plain: weakref.WeakKeyDictionary[logging.Handler, logging.Formatter | None] = weakref.WeakKeyDictionary()

    def settings(self) -> dict[str, Any]:
        """What holds now: ``log_file`` (empty: where it is written is the operator's), ``log_info``, … of the extension."""
        return {"log_file": "", **dataclasses.asdict(self._wanted())}

    def change(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Have it so from now on, and give what holds then. Raises REQUEST_ATTRIBUTE; NOT_SUPPORTED for ``log_file``."""
        wanted = dataclasses.replace(self._wanted(), **{key: _checked(key, value) for key, value in changes.items()})
        if changes:
            self._apply(wanted)
        return self.settings()

    def _wanted(self) -> _Wanted:
        for handler in self._handlers():
            for gate in handler.filters:
                if isinstance(gate, _Gate):
                    return gate.wanted
        passes = self._logger.isEnabledFor
        return _Wanted(passes(logging.INFO), passes(logging.WARNING), passes(logging.ERROR), int(passes(logging.DEBUG)))

    def _apply(self, wanted: _Wanted) -> None:
        passing = [level for level in (logging.DEBUG, *_LEVELS.values()) if wanted.passes(level)]
        self._logger.setLevel(min(passing, default=logging.CRITICAL + 1))
        for handler in self._handlers():
            for gate in [gate for gate in handler.filters if isinstance(gate, _Gate)]:
                handler.removeFilter(gate)
            handler.addFilter(_Gate(wanted))
            if wanted.log_format == "ISO8601":
                plain = self._plain.setdefault(handler, handler.formatter)
                handler.setFormatter(_iso(plain))
            elif handler in self._plain:
                handler.setFormatter(self._plain.pop(handler))

    def _handlers(self) -> Iterator[logging.Handler]:
        """Those that write what the pool logs."""
        yield from self._logger.handlers
        if self._logger.propagate:
            yield from logging.getLogger().handlers


def _iso(formatter: logging.Formatter | None) -> logging.Formatter:
    """The same with times of ISO 8601, in UTC."""
    made = copy.copy(formatter) if formatter is not None else logging.Formatter()
    made.datefmt = _ISO
    made.converter = time.gmtime
    return made


def _checked(key: str, value: Any) -> Any:
    if key == "log_file":
        raise ZeroMindError(ErrorKind.NOT_SUPPORTED, "log file location can not be updated through network protocol", key)
    if key in _LEVELS:
        fits, form = isinstance(value, bool), "true or false"
    elif key == "log_verbose_level":
        fits, form = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_VERBOSE, "a whole number of at least 0"
    elif key == "log_format":
        fits, form = value in _FORMATS, "'default' or 'ISO8601'"
    else:
        known = ", ".join((*_LEVELS, "log_verbose_level", "log_format"))
        raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, f"there is no log setting {key!r}; there are {known}", key)
    if not fits:
        raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, f"the log setting {key!r} must be {form}, not {value!r}", key)
    return value
