"""The Open Inference Protocol's form of a fault: the total table from error kinds to its HTTP status, and its body.

The statuses are those that Triton's HTTP server gives its own codes: 404 for what is not found, 501 for what is not supported, 503 for
what is not available, 500 for its own faults, 400 for everything that the client got wrong.
"""

from __future__ import annotations

from zeromind.codecs import oip_fault
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import envelope

K = ErrorKind
TABLE: dict[ErrorKind, int] = {
    **{kind: status for kind, (status, _) in envelope.TABLE.items()},
    K.ALREADY_LOADED: 400,
    K.LOAD_CANCELLED: 400,
    K.LOAD_FAILED: 400,
    K.MISSING_PACKAGE: 400,
    K.REGION_EXISTS: 400,
}


def status(error: ZeroMindError) -> int:
    """The HTTP status of a fault."""
    return TABLE[error.kind]


def body(error: ZeroMindError) -> bytes:
    """``{"error": sentence}``."""
    return envelope.plain(oip_fault.sentence(error))
