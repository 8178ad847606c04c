"""The files that a client sent for a model, in a private folder that goes when the model does."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import ARCHIVES
from zeromind.scratch import Scratch

PREFIX = "file:"
"""What stands before a path where files are sent among other parameters."""
_VERSION = "1"
_CLIENTS = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})
"""What goes wrong because of the paths; anything else is the disk's."""


class Upload:
    """A folder with these files, by their paths in it. It blocks. Raises REQUEST_ATTRIBUTE for a path that cannot be, STORAGE."""

    def __init__(self, files: Mapping[str, bytes], scratch: Scratch) -> None:
        if not 0 < len(files) <= ARCHIVES.files:
            raise _wrong(f"a model may be sent in 1 to {ARCHIVES.files} files, not in {len(files)}")
        self._paths = sorted(_checked(name.removeprefix(PREFIX)) for name in files)
        self.folder = Path()
        try:
            self.folder = scratch.folder("sent-")
            for name, data in files.items():
                path = self.folder / _checked(name.removeprefix(PREFIX))
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    file.write(data)
        except OSError as error:
            self.remove()
            text = f"the model's files cannot be written: {error.strerror}"
            if error.errno in _CLIENTS:
                raise _wrong(f"{text}; no file may be another's folder, or have a longer name than the system takes") from None
            raise ZeroMindError(ErrorKind.STORAGE, f"{text}; see that the pool's folder for temporary files has room") from None

    @property
    def model_file(self) -> str:
        """The path of the model in the folder: the only file, ``1/model.…`` as Triton names it, or the folder of its only version."""
        if len(self._paths) == 1:
            return str(self._paths[0])
        named = [path for path in self._paths if str(path.parent) == _VERSION and path.stem == "model"]
        if len(named) == 1:
            return str(named[0])
        return _VERSION if all(path.parts[0] == _VERSION for path in self._paths) else "."

    def remove(self) -> None:
        """Delete the files."""
        if self.folder.name:
            shutil.rmtree(self.folder, ignore_errors=True)


def _checked(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    plain = name and len(name) <= ARCHIVES.path and name.isprintable() and "\\" not in name and str(path) == name
    if not plain or path.is_absolute() or ".." in path.parts or name == ".":
        raise _wrong(f"{name[: ARCHIVES.path]!r} is no path of a model's file: write it as '{PREFIX}1/model.onnx', in its own folder")
    return path


def _wrong(message: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, message)
