"""The tasks that can be loaded by their name alone: those of the configuration, and the last ones of clients that were dropped."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_MOST_DROPPED = 256
"""Clients invent names without end."""


class Catalogue:
    """Tasks by id. Of two configured ones with the same id it is the first that counts."""

    def __init__(self, configured: Iterable[Mapping[str, Any]] = ()) -> None:
        self._configured: dict[str, Mapping[str, Any]] = {}
        for source in configured:
            if isinstance(source.get("id"), str):
                self._configured.setdefault(source["id"], source)
        self._dropped: dict[str, Mapping[str, Any]] = {}

    def __iter__(self) -> Iterator[str]:
        return itertools.chain(self._configured, (name for name in self._dropped if name not in self._configured))

    def __contains__(self, name: str) -> bool:
        return name in self._configured or name in self._dropped

    def configured(self, name: str) -> Mapping[str, Any] | None:
        """The operator's task of that id."""
        return self._configured.get(name)

    def dropped(self, name: str) -> Mapping[str, Any] | None:
        """The task that a client loaded under that id before it was dropped."""
        return self._dropped.get(name)

    def keep(self, name: str, source: Mapping[str, Any]) -> None:
        """Keep a client's task, which was dropped; of many the oldest goes."""
        self._dropped.pop(name, None)
        self._dropped[name] = source
        if len(self._dropped) > _MOST_DROPPED:
            del self._dropped[next(iter(self._dropped))]

    def forget(self, name: str) -> None:
        """A client's task is loaded, so that it need not be kept."""
        self._dropped.pop(name, None)
