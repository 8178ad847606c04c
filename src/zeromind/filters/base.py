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

import inspect
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

Side = Literal["input", "output", "both"]


@runtime_checkable
class Filter(Protocol):
    """What every filter has. It is shared by concurrent requests: ``apply`` keeps no state."""

    side: ClassVar[Side]

    def apply(self, value: Any, spec: TensorSpec) -> Any:
        """The filtered value. ValueError and TypeError mean that the value is at fault (the client's error on the input side)."""


class Files:
    """Reads files beneath the pool's roots only; relative paths resolve against the first root that has them."""

    def __init__(self, roots: Sequence[Path], max_bytes: int = 64 << 20) -> None:
        self._roots = [root.resolve() for root in roots]
        self._max_bytes = max_bytes

    def read(self, path: str) -> bytes:
        """The file's bytes. Raises FILTER_FILE, in the same words for absent, outside the roots and not permitted."""
        refusal = ZeroMindError(
            ErrorKind.FILTER_FILE, f"the file {path!r} is not readable beneath the roots of this pool: check the path, or extend 'roots'", path
        )
        if not isinstance(path, str) or not path or "\0" in path:
            raise refusal
        for root in self._roots:
            try:
                real = (root / path).resolve(strict=True)
                if real.is_relative_to(root):
                    return self._read_regular(real)
            except (OSError, RuntimeError, ValueError):
                continue
        raise refusal

    def _read_regular(self, path: Path) -> bytes:
        # O_NONBLOCK: opening a FIFO must not hang before fstat can tell what it is.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > self._max_bytes:
                raise OSError("not a regular file of a bearable size")
            return stream.read(self._max_bytes)


def build(cls: Any, identifier: str, settings: dict[str, Any], files: Files) -> Filter:
    """The filter ``cls(**settings)``; ``files`` goes in where the constructor asks for it.

    Raises NOT_A_FILTER or FILTER_PARAMETERS.
    """
    if not inspect.isclass(cls) or not callable(getattr(cls, "apply", None)) or getattr(cls, "side", None) not in ("input", "output", "both"):
        raise ZeroMindError(
            ErrorKind.NOT_A_FILTER,
            f"{identifier!r} is not a filter: it needs a class with side = 'input', 'output' or 'both' and apply(value, spec)",
            identifier,
        )
    parameters = inspect.signature(cls).parameters
    try:
        made: Filter = cls(**settings, files=files) if "files" in parameters else cls(**settings)
    except ZeroMindError:
        raise
    except (TypeError, ValueError) as error:
        known = ", ".join(name for name in parameters if name != "files") or "none"
        raise ZeroMindError(
            ErrorKind.FILTER_PARAMETERS, f"filter {identifier!r} cannot take these parameters: {error} (it knows: {known})", identifier
        ) from error
    return made
