"""Which of a file's signatures, as TensorFlow calls a named set of inputs and outputs, a task means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zeromind.errors import ErrorKind, ZeroMindError

HELP = "Which of the file's signatures to serve; without it 'serving_default', or the only one."
_DEFAULT = "serving_default"


def choose(asked: Any, known: Sequence[str]) -> str:
    """The one that the task key ``signature`` names, else the default one or the only one; empty if there is none.

    Raises TASK_ATTRIBUTE for one that the file lacks, or where the task has to choose.
    """
    if asked is None and (not known or _DEFAULT in known or len(known) == 1):
        return _DEFAULT if _DEFAULT in known else next(iter(known), "")
    if asked in known:
        return str(asked)
    names = f"one of {', '.join(repr(name) for name in known)}" if known else "nothing, the file has no signatures"
    said = "which signature to serve" if asked is None else f"a signature of the file, not {asked!r}"
    raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"task key 'signature' must say {said}: {names}", "signature")
