"""Where a framework computes, as a task's ``device`` says it: ``cpu``, ``cuda``, ``cuda:N`` or ``auto``."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from zeromind.errors import ErrorKind, ZeroMindError

_FORM = re.compile(r"(cpu|auto|cuda)|cuda:(\d{1,3})")


class Device(NamedTuple):
    """``auto`` is a GPU where the framework has one, else the processor; ``number`` counts GPUs."""

    kind: Literal["cpu", "cuda", "auto"]
    number: int = 0


def parse(text: str) -> Device:
    """What a task says. Raises TASK_ATTRIBUTE for anything else."""
    match = _FORM.fullmatch(text)
    if not match:
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"device {text!r} is unknown here: write 'cpu', 'cuda:0' or 'auto'", "device")
    return Device(match[1] or "cuda", int(match[2] or 0))  # type: ignore[arg-type]  # the pattern knows no other


def only_cpu(text: str, adapter: str) -> None:
    """Refuse a GPU for a framework that has none. Raises TASK_ATTRIBUTE."""
    if parse(text).kind == "cuda":
        reason = f"the {adapter} adapter computes on the processor only: choose device 'cpu' or 'auto', not {text!r}"
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, reason, "device")


def absent(text: str, framework: str, hint: str) -> ZeroMindError:
    """What to say when the framework cannot use the GPU that a task names."""
    return ZeroMindError(ErrorKind.LOAD_FAILED, f"{framework} cannot use {text}: {hint}, or choose device 'cpu'", text)


def beyond(text: str, framework: str, count: int, remedy: str) -> ZeroMindError:
    """The same where it sees so many GPUs; ``remedy`` is what to do where that is none."""
    seen = f"it sees {count} GPU{'s' if count > 1 else ''}, counted from 0: choose one of them"
    return absent(text, framework, seen if count else f"it sees no GPU; check the driver, {remedy}")
