"""An end that leaves nothing behind."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def unwind() -> None:
    """Let the first signal to end unwind the stack, and later ones not disturb that: what was started gets ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)


def _leave(number: int, _: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)
