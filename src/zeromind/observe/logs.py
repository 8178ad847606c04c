"""Logging from a file of the standard library's form: ``{"name": pool's log name, "logger_config": dictConfig}``."""

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


def set_up(file: Path | None, debug: bool = False) -> None:
    """Set logging up from a file, or to standard error. Raises ConfigError if the file cannot be used.

    ``{name}`` in a handler's ``filename`` becomes the file's ``name``; folders of log files are made.
    """
    for name in _LOUD:
        logging.getLogger(name).addFilter(Sparing())
    if file is None:
        logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, format=FORMAT)
        return
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


def _file_handlers(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (handler for handler in config.get("handlers", {}).values() if "filename" in handler)
