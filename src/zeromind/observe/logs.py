"""Logging from a file of the standard library's form: ``{"name": pool's log name, "logger_config": dictConfig}``."""

from __future__ import annotations

import json
import logging
import logging.config
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zeromind.errors import ConfigError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up(file: Path | None, debug: bool = False) -> None:
    """Set logging up from a file, or to standard error. Raises ConfigError if the file cannot be used.

    ``{name}`` in a handler's ``filename`` becomes the file's ``name``; folders of log files are made.
    """
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
