"""A model's file or folder, looked at from outside: enough of its content to tell what it is, nothing executed."""

from __future__ import annotations

import functools
import itertools
import zipfile
from pathlib import Path
from typing import Any

from zeromind.adapters import archive
from zeromind.errors import ErrorKind, ZeroMindError

_HEAD_BYTES = 1 << 16
_MOST_MEMBERS = 10_000
_MARKS = ("MLmodel", "saved_model.pb", "skill.py")
"""MLflow's, TensorFlow's, and that of a skill in Python."""


class ModelFile:
    """What lies at ``path``. Raises OSError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @functools.cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path.is_dir()

    @functools.cached_property
    def head(self) -> bytes:
        """The first 64 KiB; nothing for a folder."""
        if self.is_folder:
            return b""
        with self.path.open("rb") as stream:
            return stream.read(_HEAD_BYTES)

    @functools.cached_property
    def is_marked(self) -> bool:
        """Whether it is a folder with a file that says whose it is, whatever else lies in it."""
        return any(self.holds(name) for name in _MARKS)

    def holds(self, name: str) -> bool:
        """Whether it is a folder with a file of that name, which may have parts."""
        return self.is_folder and (self.path / name).is_file()

    @functools.cached_property
    def files(self) -> tuple[Path, ...]:
        """The files right within a folder, by name; none for a file."""
        if not self.is_folder:
            return ()
        return tuple(sorted(path for path in itertools.islice(self.path.iterdir(), _MOST_MEMBERS) if path.is_file()))

    def companion(self, name: Any, key: str) -> Path:
        """Another file, which the task names in ``key``: within the model's folder, or beside it. Raises TASK_ATTRIBUTE, MODEL_FILE."""
        folder = self.path if self.is_folder else self.path.parent
        if not isinstance(name, str) or not name or "\0" in name:
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"task key {key!r} must name a file beside the model, not {name!r}", key)
        path = (folder / name).resolve()
        # A link may lead outside, where the one who names it may not look.
        if not path.is_relative_to(folder.resolve()):
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"task key {key!r} names {name!r}, which does not lie beside the model", key)
        if not path.is_file():
            raise ZeroMindError(ErrorKind.MODEL_FILE, f"there is no file {name!r} beside the model, which the task names in {key!r}", name)
        return path

    @functools.cached_property
    def suffix(self) -> str:
        """The extension in lower case, with its dot."""
        return self.path.suffix.lower()

    @functools.cached_property
    def is_hdf5(self) -> bool:
        """Whether it is an HDF5 file."""
        return self.head.startswith(b"\x89HDF\r\n\x1a\n")

    @functools.cached_property
    def zip_names(self) -> frozenset[str]:
        """The members of a zip archive; empty for anything else."""
        if not self.head.startswith(b"PK\x03\x04"):
            return frozenset()
        try:
            with zipfile.ZipFile(self.path) as archive:
                return frozenset(archive.namelist()[:_MOST_MEMBERS])
        except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError):
            return frozenset()

    @functools.cached_property
    def tar_names(self) -> frozenset[str]:
        """The files in a tar archive, compressed or not, without a leading ``./``; empty for anything else."""
        return frozenset() if self.is_folder else archive.names(self.path)
