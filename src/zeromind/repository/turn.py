"""The turns of one id: what is asked of it happens one after the other, in the order in which it came."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.repository.model import Model


class Load:
    """One load of an id, from when it is asked for to its end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._given_up = False
        self.model: Model | None = None
        """What it loads, from when it has begun."""

    def give_up(self) -> bool:
        """Do not load it, unless that is almost done: then whoever wants it gone drops it. Whether nobody had wanted that before."""
        first, self._given_up = not self._given_up, True
        if self.model is not None:
            self.model.cancel()
        return first

    def check(self) -> None:
        """Raise LOAD_CANCELLED if it was given up before it began."""
        if self._given_up:
            text = f"model {self._name!r} was dropped before its turn to be loaded had come"
            raise ZeroMindError(ErrorKind.LOAD_CANCELLED, text, self._name)


class Turn:
    """Who waits for an id, and whose turn it is. A drop gives up the loads that came before it, instead of waiting until they are done."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.loads: list[Load] = []

    @contextlib.asynccontextmanager
    async def load(self, name: str) -> AsyncIterator[Load]:
        """Wait for the turn, and have it. Raises LOAD_CANCELLED if a drop has come meanwhile."""
        load = Load(name)
        self.loads.append(load)
        try:
            async with self.lock:
                load.check()
                yield load
        finally:
            self.loads.remove(load)

    def overtake(self) -> bool:
        """Give up the loads that have come; whether there were any that no other drop had given up."""
        return sum(load.give_up() for load in self.loads) > 0
