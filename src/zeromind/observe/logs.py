"""Logging from a file of the standard library's form: ``{"name": pool's log name, "logger_config": dictConfig}``; as JSON on request."""

from __future__ import annotations

import json
import logging
import logging.config
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zeromind.errors import ConfigError

_LOUD = ("zeromind.http.transport", "zeromind.grpc.connection")
"""Who has a line for each client that is refused, of which there may be any number."""
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_KNOWN = ("request_id", "model")
"""What a record may tell of beside its message."""


class JsonFormatter(logging.Formatter):
    """An object on a line: ``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, and what else is known.

    That may be ``exception``, ``stack``, ``request_id`` and ``model``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, in ASCII."""
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, Any] = {
            "time": f"{second}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:
            entry["exception"] = record.exc_text
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        entry |= {name: getattr(record, name) for name in _KNOWN if hasattr(record, name)}
        return json.dumps(entry, default=str)


class Sparing(logging.Filter):
    """Lets ``most`` records of a logger pass each second, and the first of the next one tell how many it held back."""

    def __init__(self, most: int = 10, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most, self._clock = most, clock
        self._second = self._passed = self._held = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record passes."""
        second = int(self._clock())
        if second != self._second:
            if self._held:
                record.msg, record.args = f"{record.getMessage()} (and {self._held} more that are not told)", ()
            self._second, self._passed, self._held = second, 0, 0
        passes = self._passed < self._most
        self._passed += passes
        self._held += not passes
        return passes


def set_up(file: Path | None, debug: bool = False, log_format: str = "text") -> None:
    """Set logging up from a file, or to standard error. Raises ConfigError if the file cannot be used.

    ``{name}`` in a handler's ``filename`` becomes the file's ``name``; folders of log files are made. With the format ``json`` every
    handler writes JSON, whatever its formatter.
    """
    for name in _LOUD:
        logging.getLogger(name).addFilter(Sparing())
    if file is None:
        logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, format=FORMAT)
    else:
        _from_file(file, debug)
    if log_format == "json":
        for handler in _handlers():
            handler.setFormatter(JsonFormatter())


def _from_file(file: Path, debug: bool) -> None:
    try:
        data = json.loads(file.read_text())
        config = data["logger_config"]
        for handler in _file_handlers(config):
            handler["filename"] = handler["filename"].replace("{name}", str(data.get("name", "zeromind")))
            Path(handler["filename"]).parent.mkdir(parents=True, exist_ok=True)
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **config})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError("logger_config", f"the logging configuration {file} cannot be used: {error}") from None
    if debug:
        logging.getLogger().setLevel(logging.DEBUG)


def _handlers() -> set[logging.Handler]:
    """Those of all loggers."""
    known = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    return {handler for logger in known if isinstance(logger, logging.Logger) for handler in logger.handlers}


def _file_handlers(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (handler for handler in config.get("handlers", {}).values() if "filename" in handler)
