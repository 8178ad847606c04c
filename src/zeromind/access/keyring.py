"""The keys of a running pool, which follow their file."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

from zeromind.access import key_file
from zeromind.access.keys import Key, Keys
from zeromind.access.scope import Caller
from zeromind.access.watched import Signature, signature
from zeromind.errors import ConfigError, ErrorKind, ZeroMindError

_log = logging.getLogger("zeromind.guard")


class Keyring:
    """Who has which key. ``clock`` is the wall clock, which only the expiry of keys is about.

    A file that has become unreadable, or is gone, leaves no valid key until it is mended: nobody gets in by breaking it.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._seen: Signature = signature(path)
        try:
            self._keys = key_file.read(path)
        except FileNotFoundError:
            raise ConfigError("keys_file", f"there is no {path}: make it with 'zeromind keys add NAME --file {path}'") from None
        except (OSError, ValueError) as error:
            raise ConfigError("keys_file", f"{path} cannot be used: {_reason(error)}") from None
        self._valid: frozenset[Key] = frozenset()
        self._next_expiry = 0.0
        self._sort_out()
        if not self._valid:
            _log.warning("%s has no valid key: nobody can ask for anything; make one with 'zeromind keys add'", path)

    def caller(self, key: str) -> Caller:
        """Who has this key. Raises UNAUTHENTICATED if nobody has, or no longer."""
        found = self._keys.find(key)
        if found is None:
            raise ZeroMindError(ErrorKind.UNAUTHENTICATED, "the API key is not known here, or was revoked: ask the operator for one")
        if found.expired(self._clock()):
            text = f"the API key {found.name!r} has expired: ask the operator for a new one ('zeromind keys add')"
            raise ZeroMindError(ErrorKind.UNAUTHENTICATED, text)
        return found.caller

    def holds(self, caller: Caller) -> bool:
        """Whether a caller of before is still one."""
        return caller in self._callers

    def look(self) -> bool:
        """Look whether the file has changed or a key has expired; whether what was decided with the keys has to be decided anew."""
        now, before = signature(self._path), self._valid
        if now == self._seen and self._clock() < self._next_expiry:
            return False
        if now != self._seen:
            self._seen = now
            self._read()
        self._sort_out()
        return self._valid != before

    def _read(self) -> None:
        self._keys = Keys()
        try:
            self._keys = key_file.read(self._path)
        except (OSError, ValueError) as error:
            _log.error("keys_file: %s cannot be used (%s): every key is refused until it can", self._path, _reason(error))
        else:
            _log.info("%s was read anew: %d keys", self._path, len(self._keys.all))

    def _sort_out(self) -> None:
        """Which keys are valid, and until when that holds."""
        now = self._clock()
        self._valid = frozenset(key for key in self._keys.all if not key.expired(now))
        self._callers = frozenset(key.caller for key in self._valid)
        self._next_expiry = min((key.expires.timestamp() for key in self._valid if key.expires), default=math.inf)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
