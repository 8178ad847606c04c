"""Folders that one process holds: locked by flock(2), of which the kernel lets go when the process ends, however it ends.

Nothing has to be written for it, no process id can have come to mean another, and no clock is asked.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def hold(folder: Path) -> int:
    """A descriptor that locks a folder until it is closed.

    Raises BlockingIOError if somebody else holds it, and OSError where it is no folder or the system has no such locks.
    """
    if sys.platform == "win32":
        raise OSError("there are no such locks on Windows")
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.stat().st_ino != os.fstat(descriptor).st_ino:
            raise FileNotFoundError(folder)  # removed by whoever held it before
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
