"""The file in which keys are kept: read with suspicion, written whole."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from zeromind.access.keys import Keys, dump, parse

_MOST_BYTES = 8 << 20


def read(path: Path) -> Keys:
    """The keys. Raises OSError for a file that cannot be read, ValueError for one that others may write, or that holds no keys."""
    with path.open("rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError(f"others than its owner may write it (mode {mode & 0o777:o}): chmod 600 {path}")
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES >> 20} MiB")
    return parse(data)


def change(path: Path, change: Callable[[Keys], Keys]) -> None:
    """Change the keys of a file, which is made if it is not there; nobody ever sees half of it. Raises OSError, ValueError."""
    path = path.resolve()  # a link stays one: a server may look at what it leads to
    with _alone(path):
        keys = change(read(path) if path.exists() else Keys())
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(dump(keys))
                stream.flush()
                _keep_owner(path, descriptor)
                os.fsync(stream.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _keep_owner(path: Path, descriptor: int) -> None:
    """Let who could read the file read the new one: root changes it for a server that is not root. Raises OSError."""
    if os.name != "posix" or not path.exists():
        return
    old, new = path.stat(), os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until nobody else changes files in this folder, where the system has a way to say so."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
