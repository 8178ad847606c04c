"""Temporary folders that end with their server, however it ends: they lie beneath one that it holds, and the next server sweeps up.

Any number of servers may share the system's folder for temporary files.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import tempfile
import threading
import uuid
from pathlib import Path

from zeromind import claim

PREFIX = "zeromind-pool-"
_TRIES = 3
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What others may have: without a lock on its folder they would take it for a dead server's."""


class Scratch:
    """One server's folder, made when it is first needed."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._root: Path | None = None
        self._descriptor: int | None = None

    def folder(self, prefix: str = "") -> Path:
        """A fresh folder that nobody else may enter, there until it is removed or ``close`` is called. Raises OSError."""
        return Path(tempfile.mkdtemp(prefix=prefix, dir=self.root))

    @property
    def root(self) -> Path:
        """Where they all lie. Raises OSError."""
        with self._guard:
            if self._root is None:
                self._root = self._claimed()
            return self._root

    def close(self) -> None:
        """Remove every folder that was given out."""
        with self._guard:
            root, self._root = self._root, None
            if root is not None:
                remove(root)
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _claimed(self) -> Path:
        for _ in range(_TRIES):
            root = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
            try:
                self._descriptor = claim.hold(root)
            except (BlockingIOError, FileNotFoundError):
                continue  # another server sweeps it away
            except OSError as error:
                if error.errno in _SCARCE:
                    root.rmdir()
                    raise
                # There are no locks, so that nobody can sweep it away either.
            return root
        raise BlockingIOError(errno.EAGAIN, "it is swept away as soon as it is made", tempfile.gettempdir())


def sweep() -> list[Path]:
    """Remove what servers that were killed have left in the system's folder for temporary files, and tell which folders that were."""
    swept = []
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if sys.platform == "win32" or root.lstat().st_uid != os.geteuid():
                continue
            descriptor = claim.hold(root)
            remove(root)
            os.close(descriptor)
            if not root.exists():
                swept.append(root)
    return swept


def remove(folder: Path) -> None:
    """Remove a folder with all in it, as far as that can be done.

    A model may have made folders in folders in it, deeper than Python follows or a path can name.
    """
    if os.open in os.supports_dir_fd:
        with contextlib.suppress(OSError):
            _flatten(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _flatten(folder: Path) -> None:
    """Bring all folders in one to its top."""
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        waiting = _folders(top)
        while waiting:
            with contextlib.suppress(OSError):  # one that its owner may not open
                below = os.open(waiting.pop(), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
                try:
                    for name in _folders(below):
                        waiting.append(uuid.uuid4().hex)
                        os.rename(name, waiting[-1], src_dir_fd=below, dst_dir_fd=top)
                finally:
                    os.close(below)
    finally:
        os.close(top)


def _folders(descriptor: int) -> list[str]:
    with os.scandir(descriptor) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
