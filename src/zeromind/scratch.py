"""Temporary folders that end with their server, however it ends: they lie beneath one that it holds, and the next server sweeps up.

Who holds such a folder has it locked (flock(2)), and the kernel lets go of that when the process dies: no process id that may have come
to mean another, no clock. Any number of servers may share the system's folder for temporary files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path

PREFIX = "zeromind-pool-"
_TRIES = 3


class Scratch:
    """One server's folder, made when it is first needed."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._root: Path | None = None
        self._descriptor: int | None = None

    def folder(self, prefix: str = "") -> Path:
        """A fresh folder that nobody else may enter, there until it is removed or ``close`` is called. Raises OSError."""
        with self._guard:
            if self._root is None:
                self._root = self._claimed()
            return Path(tempfile.mkdtemp(prefix=prefix, dir=self._root))

    def close(self) -> None:
        """Remove every folder that was given out."""
        with self._guard:
            root, self._root = self._root, None
            if root is not None:
                shutil.rmtree(root, ignore_errors=True)
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _claimed(self) -> Path:
        for _ in range(_TRIES):  # another server may sweep it away before it is locked
            root = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
            self._descriptor = _held(root)
            if self._descriptor is not None:
                break
        return root  # unlocked on a file system that knows no locks: there nobody can sweep it away either


def sweep() -> list[Path]:
    """Remove what servers that were killed have left in the system's folder for temporary files, and tell which folders that were."""
    swept = []
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        descriptor = _held(root) if _ours(root) else None
        if descriptor is not None:
            shutil.rmtree(root, ignore_errors=True)
            os.close(descriptor)
            swept.append(root)
    return swept


def _ours(root: Path) -> bool:
    with contextlib.suppress(OSError):
        return sys.platform == "win32" or root.lstat().st_uid == os.geteuid()
    return False


def _held(root: Path) -> int | None:
    """A descriptor of the folder that locks it; None if another process holds it, or it is no folder, or not there any more."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if root.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
