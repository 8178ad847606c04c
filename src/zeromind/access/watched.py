"""A file that may change while the pool runs."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

Signature: TypeAlias = "tuple[int, int, int, int] | None"


def signature(path: Path) -> Signature:
    """What is another when the file is another, also one that was put in its place; None without a file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
