"""The names of an output's classes, as a task gives them: listed, or in a file with one on each line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.filters.base import Files
from zeromind.tensors import TensorSpec, find


def labels_of(labels: Mapping[str, list[str] | str], outputs: Sequence[TensorSpec], files: Files) -> dict[str, tuple[str, ...]]:
    """The labels by output. Raises TASK_ATTRIBUTE for an output that the model lacks or a file that is no text, FILTER_FILE."""
    found = {}
    for name, given in labels.items():
        spec = find(outputs, name)
        if spec is None:
            names = ", ".join(repr(spec.name) for spec in outputs)
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"'labels' names {name!r}, but the model's outputs are {names}", "labels")
        found[spec.name] = tuple(_read(given, files) if isinstance(given, str) else given)
    return found


def _read(path: str, files: Files) -> list[str]:
    try:
        return files.read(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"the labels in {path!r} are no UTF-8 text", "labels") from None
