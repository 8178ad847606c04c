"""What is known of models that are not here any more, or never came to be: why, since when, and what their workers said."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from zeromind.errors import ZeroMindError
from zeromind.executor.diary import Diary

_MOST = 256
"""Clients invent names without end."""


@dataclasses.dataclass(frozen=True, slots=True)
class Remains:
    """Of one model: its task as far as it is known, since when it is not here (seconds since 1970), and its diary."""

    source: Mapping[str, Any]
    since: float
    diary: Diary


class Past:
    """The last model of each id; of many the oldest is forgotten."""

    def __init__(self) -> None:
        self._remains: dict[str, Remains] = {}

    def get(self, name: str) -> Remains | None:
        """What is known of a model."""
        return self._remains.get(name)

    def keep(self, name: str, source: Mapping[str, Any], diary: Diary) -> None:
        """A model has gone, or has failed to come."""
        self._remains.pop(name, None)
        self._remains[name] = Remains(source, diary.now(), diary)
        if len(self._remains) > _MOST:
            del self._remains[next(iter(self._remains))]

    def refused(self, name: str, source: Mapping[str, Any], error: ZeroMindError) -> None:
        """A task was not even tried, or has failed so; what its workers said is known already."""
        known = self._remains.get(name)
        if known is None or known.diary.fault is None or known.diary.fault.error is not error:
            diary = Diary()
            diary.failed(error)
            self.keep(name, source, diary)
