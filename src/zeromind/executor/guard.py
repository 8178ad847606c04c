"""Code that is not ours, called: whatever it raises becomes a known fault."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from zeromind.errors import ErrorKind, ZeroMindError

_log = logging.getLogger(__name__)


def guarded(kind: ErrorKind, sentence: str, call: Callable[..., Any], *args: Any) -> Any:
    """The call's result; an unknown fault in it is logged and becomes ``kind``, with its text where it is the data's."""
    try:
        return call(*args)
    except ZeroMindError:
        raise
    except (ValueError, TypeError) as error:
        if kind is ErrorKind.PREDICTION_FAILED:
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"the model refused this input: {first_line(error)}") from error
        raise ZeroMindError(kind, f"{sentence}: {first_line(error)}") from error
    except MemoryError as error:
        raise ZeroMindError(ErrorKind.OUT_OF_MEMORY, f"{sentence}: there is not enough memory for it") from error
    except (Exception, SystemExit) as error:
        _log.exception(sentence)
        detail = f": {type(error).__name__}: {first_line(error)}" if kind is not ErrorKind.PREDICTION_FAILED else "; see the server's log"
        raise ZeroMindError(kind, sentence + detail) from error


def first_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:500]
