"""A timer for an event loop whose own count in milliseconds: what is due in between would be late by design."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable

_MONOTONIC = 1
_ABSOLUTE = 1


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Spec(ctypes.Structure):
    _fields_ = (("interval", _Time), ("value", _Time))


class Alarm:
    """Calls ``ring`` once at a time of ``time.monotonic``: to some microseconds on Linux (timerfd), elsewhere as the loop can."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None
        self._descriptor = -1
        if sys.platform == "linux":
            library = ctypes.CDLL(None, use_errno=True)
            self._set = library.timerfd_settime
            self._spec = _Spec()
            self._reference = ctypes.byref(self._spec)
            # The flags are those of open(2), which timerfd_create(2) says.
            self._descriptor = library.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
            if self._descriptor >= 0:
                loop.add_reader(self._descriptor, self._elapsed)

    def set(self, when: float) -> None:
        """Ring at ``when``, and not at the time that was set before; at once if that is past."""
        if self._descriptor >= 0:
            value = self._spec.value
            value.seconds = seconds = int(when)
            value.nanoseconds = int((when - seconds) * 1e9)
            self._set(self._descriptor, _ABSOLUTE, self._reference, None)
            return
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_later(max(0.0, when - time.monotonic()), self._ring)

    def close(self) -> None:
        """Ring no more."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        if self._handle is not None:
            self._handle.cancel()

    def _elapsed(self) -> None:
        # Between the loop's look and this one it may have been set anew.
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, 8)
            self._ring()
