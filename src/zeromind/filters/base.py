"""The form of a filter: a plain class with ``side`` and ``apply(value, spec)``.

    class Double:
        side = "input"

        def apply(self, value, spec):
            return [2 * item for item in value]

``side = "input"``: ``apply`` gets the whole value that the client sent for that input (parsed JSON, or ``bytes`` for a file sent as
the body), or the result of the filter before it; the last one's result must fit ``spec``, the input's TensorSpec.
``side = "output"``: ``apply`` gets one sample of the output at a time, a numpy array without the batch dimension.
``side = "both"``: ``apply`` gets one sample at a time on either side.

Constructor parameters are the filter's settings; a task gives them as ``{"filter": id, "parameter": value}``. A constructor
parameter named ``files`` receives a Files, the only door through which a filter may read files.
A class attribute ``media`` lists the content types of whole files that ``apply`` takes as ``bytes``.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from zeromind.config.roots import locate
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

Side = Literal["input", "output", "both"]
_PLACES = Path("/proc/self/fd")
"""Where Linux tells which file a descriptor is of."""


@runtime_checkable
class Filter(Protocol):
    """What every filter has. It is shared by concurrent requests: ``apply`` keeps no state."""

    side: ClassVar[Side]

    def apply(self, value: Any, spec: TensorSpec) -> Any:
        """The filtered value. ValueError and TypeError mean that the value is at fault (the client's error on the input side)."""


class Files:
    """Reads files beneath the pool's roots only; ``trusted`` while it is the operator who names them: then from anywhere."""

    def __init__(self, roots: Sequence[Path], max_bytes: int = 64 << 20, trusted: bool = False) -> None:
        self._roots = list(roots)
        self._max_bytes = max_bytes
        self.trusted = trusted

    def read(self, path: str) -> bytes:
        """The file's bytes. Raises FILTER_FILE, in the same words for absent, outside the roots and not permitted."""
        real = locate(path, self._roots, self.trusted) if isinstance(path, str) else None
        if real is not None:
            with contextlib.suppress(OSError):
                return self._read_regular(real)
        raise ZeroMindError(
            ErrorKind.FILTER_FILE,
            f"the file {path!r} is not readable beneath the roots of this pool: check the path, or extend 'roots'",
            path,
        )

    def _read_regular(self, path: Path) -> bytes:
        # O_NONBLOCK: opening a FIFO must not hang before fstat can tell what it is.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(stream.fileno())
            moved = _PLACES.is_dir() and (_PLACES / str(descriptor)).readlink() != path  # a folder became a link since it was found
            if moved or not stat.S_ISREG(status.st_mode) or status.st_size > self._max_bytes:
                raise OSError("not a regular file of a bearable size")
            return stream.read(self._max_bytes)


def build(cls: Any, identifier: str, settings: dict[str, Any], files: Files) -> Filter:
    """The filter ``cls(**settings)``; ``files`` goes in where the constructor asks for it.

    Raises NOT_A_FILTER or FILTER_PARAMETERS.
    """
    if (
        not inspect.isclass(cls)
        or not callable(getattr(cls, "apply", None))
        or getattr(cls, "side", None) not in ("input", "output", "both")
    ):
        raise ZeroMindError(
            ErrorKind.NOT_A_FILTER,
            f"{identifier!r} is not a filter: it needs a class with side = 'input', 'output' or 'both' and apply(value, spec)",
            identifier,
        )
    make: Any = cls  # for mypy, to which the check above has made ``cls`` a type[object] without parameters
    parameters = inspect.signature(make).parameters
    try:
        made: Filter = make(**settings, files=files) if "files" in parameters else make(**settings)
    except ZeroMindError:
        raise
    except (TypeError, ValueError) as error:
        known = ", ".join(name for name in parameters if name != "files") or "none"
        raise ZeroMindError(
            ErrorKind.FILTER_PARAMETERS, f"filter {identifier!r} cannot take these parameters: {error} (it knows: {known})", identifier
        ) from error
    return made
