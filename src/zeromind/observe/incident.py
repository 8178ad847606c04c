"""Faults of ours: clients hear a fixed sentence and the name of their request, under which the log has the rest."""

from __future__ import annotations

import logging

from zeromind.errors import ErrorKind, ZeroMindError

_log = logging.getLogger(__name__)
_UNKNOWN = frozenset((ErrorKind.INTERNAL, ErrorKind.LOAD_UNKNOWN, ErrorKind.PREDICT_UNKNOWN))


def named(error: BaseException, request_id: str, call: str, model: str = "") -> ZeroMindError:
    """What a client is told of an error in answering ``call``: a known one as it is, of others what to quote."""
    if not isinstance(error, ZeroMindError):
        _note(error, request_id, call, model)
        return ZeroMindError(ErrorKind.INTERNAL, f"an unknown error; the server's log tells more under {request_id}", request_id)
    if error.kind not in _UNKNOWN or request_id in error.params:
        return error
    _note(error, request_id, call, model)  # behind what those have logged who met it
    return ZeroMindError(error.kind, f"{error.message} under {request_id}", *error.params, request_id)


def _note(error: BaseException, request_id: str, call: str, model: str) -> None:
    extra = {"request_id": request_id, **({"model": model} if model else {})}
    _log.error("unknown error %s answering %s", request_id, call, exc_info=error, extra=extra)
