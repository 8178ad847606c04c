"""A configuration file: JSON, or TOML where its name ends in ``.toml``; its values, and in which line each key stands."""

from __future__ import annotations

import codecs
import dataclasses
import datetime as dt
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zeromind.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MOST_BYTES = 16 << 20
_TASK = re.compile(r"^[ \t]*\[\[[ \t]*tasks[ \t]*\]\]", re.MULTILINE)


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """What a file says: its keys with their values, and the text that they were read from."""

    values: dict[str, Any]
    text: str

    @classmethod
    def read(cls, path: Path) -> File:
        """The file at ``path``. Raises ConfigError if it cannot be read or is no object of keys, with the line where that is known."""
        data = _bytes(path)
        toml = path.suffix.lower() == ".toml"
        try:
            text = data.decode()
            values = _toml(text) if toml else _json(text)
        except (ValueError, RecursionError) as error:
            told = "it is nested too deep" if isinstance(error, RecursionError) else error
            raise ConfigError("", f"the configuration {path} is not {'TOML' if toml else 'JSON'}: {told}") from None
        if not isinstance(values, dict):
            raise ConfigError("", f"the configuration {path} must be a JSON object of keys, not {type(values).__name__}")
        return cls(values, text)

    def line(self, key: str) -> int:
        """The line of the first place that sets a key, from 1; 0 where none is found."""
        return self._line(key, 0, len(self.text))

    def line_in_task(self, number: int, key: str) -> int:
        """The line of a key of a task, counted from 0, or of the task where that has no such key; 0 of one that is not in TOML's form."""
        heads = [found.start() for found in _TASK.finditer(self.text)]
        if number >= len(heads):
            return 0
        begin, end = [*heads, len(self.text)][number : number + 2]
        return (key and self._line(key, begin, end)) or self.text.count("\n", 0, begin) + 1

    def _line(self, key: str, begin: int, end: int) -> int:
        name = re.escape(key)
        place = rf'^\s*(?:\[+\s*(?:tasks\.)?["\']?{name}["\']?\s*\]+|["\']?{name}["\']?\s*[=.])|"{name}"\s*:'
        found = re.compile(place, re.MULTILINE).search(self.text, begin, end)
        return self.text.count("\n", 0, found.end()) + 1 if found else 0


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError("", f"there is no configuration {path}: check the path, or write one with 'zeromind init'") from None
    except OSError as error:
        raise ConfigError("", f"the configuration {path} cannot be read: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise ConfigError("", f"the configuration {path} is larger than {_MOST_BYTES >> 20} MiB")
    return data.removeprefix(codecs.BOM_UTF8)  # which some editors write


def _json(text: str) -> Any:
    from zeromind import strictjson

    return strictjson.loads(text)


def _toml(text: str) -> dict[str, Any]:
    values = tomllib.loads(text, parse_float=_finite)
    for key, value in values.items():
        for inner in _within(value):
            if isinstance(inner, (dt.date, dt.time)):  # a datetime is a date
                raise ValueError(f"{key!r} holds the date or time {inner}: write it as text, in quotes")  # noqa: TRY004 - as of any other slip
    return values


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number that can be used here")
    return number


def _within(value: Any) -> Iterator[Any]:
    """A value and all that is in it."""
    yield value
    if isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _within(inner)
