"""The files that a client sent for a model, in a private folder that goes when the model does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import ARCHIVES

PREFIX = "file:"
"""What stands before a path where files are sent among other parameters."""
_VERSION = "1"


class Upload:
    """A folder with these files, by their paths in it. It blocks. Raises REQUEST_ATTRIBUTE for a path that cannot be."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        if not 0 < len(files) <= ARCHIVES.files:
            raise _wrong(f"a model may be sent in 1 to {ARCHIVES.files} files, not in {len(files)}")
        self._paths = sorted(_checked(name.removeprefix(PREFIX)) for name in files)
        self.folder = Path(tempfile.mkdtemp(prefix="zeromind-")).resolve()  # which nobody else may enter
        try:
            for name, data in files.items():
                path = self.folder / _checked(name.removeprefix(PREFIX))
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    file.write(data)
        except OSError as error:
            self.remove()
            raise _wrong(f"the model's files cannot be written: {error.strerror}; no file may be another's folder") from None

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
        shutil.rmtree(self.folder, ignore_errors=True)


def _checked(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    plain = name and len(name) <= ARCHIVES.path and name.isprintable() and "\\" not in name and str(path) == name
    if not plain or path.is_absolute() or ".." in path.parts or name == ".":
        raise _wrong(f"{name[: ARCHIVES.path]!r} is no path of a model's file: write it as '{PREFIX}1/model.onnx', in its own folder")
    return path


def _wrong(message: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, message)
