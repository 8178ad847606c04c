"""The folders from which files may be read, and the one rule by which a path is found in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def locate(path: str, roots: Sequence[Path], trusted: bool = False) -> Path | None:
    """The real path of an ordinary file or folder that is there, looked for beneath each root in turn; None if there is none.

    Symbolic links are followed before the check, so none leads out. ``trusted`` is for paths that the operator wrote: they may
    lie anywhere, and relative ones may also belong to the working directory.
    """
    if not path or "\0" in path:
        return None
    for root in (*roots, Path.cwd()) if trusted else roots:
        try:
            real = (root / path).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):  # absent, not permitted, a name too long, a loop of links, no UTF-8
            continue
        # Nothing else is to be opened: a pipe would wait for ever, a device has no end.
        if (trusted or real.is_relative_to(root.resolve())) and (real.is_file() or real.is_dir()):
            return real
    return None
