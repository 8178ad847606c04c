"""gRPC's status codes, the total table from error kinds to them, and how a fault's sentence travels."""

from __future__ import annotations

import enum
import urllib.parse

from zeromind.codecs import oip_fault
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import ANSWERS


class Code(enum.IntEnum):
    """The codes of gRPC (github.com/grpc/grpc, doc/statuscodes.md)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


K = ErrorKind
TABLE: dict[ErrorKind, Code] = {
    K.TASK_ATTRIBUTE: Code.INVALID_ARGUMENT,
    K.MODEL_TYPE_NOT_ALLOWED: Code.PERMISSION_DENIED,
    K.MODEL_TYPE_UNKNOWN: Code.INVALID_ARGUMENT,
    K.MODEL_FILE: Code.INVALID_ARGUMENT,
    K.CODE_NOT_ALLOWED: Code.PERMISSION_DENIED,
    K.MISSING_PACKAGE: Code.FAILED_PRECONDITION,
    K.LOAD_FAILED: Code.FAILED_PRECONDITION,
    K.INPUT_SPEC: Code.INVALID_ARGUMENT,
    K.OUTPUT_SPEC: Code.INVALID_ARGUMENT,
    K.FILE_NAME: Code.INVALID_ARGUMENT,
    K.ENGINE_ATTRIBUTE: Code.INVALID_ARGUMENT,
    K.SPEC_ATTRIBUTE: Code.INVALID_ARGUMENT,
    K.FILTER_SIDE: Code.INVALID_ARGUMENT,
    K.FILTER_PARAMETERS: Code.INVALID_ARGUMENT,
    K.FILTER_FILE: Code.INVALID_ARGUMENT,
    K.FILTER_NOT_FOUND: Code.INVALID_ARGUMENT,
    K.NOT_A_FILTER: Code.INVALID_ARGUMENT,
    K.FILTER_FAILED: Code.INTERNAL,
    K.FILTER_REFUSED: Code.INVALID_ARGUMENT,
    K.INPUT_MISSING: Code.INVALID_ARGUMENT,
    K.INVALID_INPUT: Code.INVALID_ARGUMENT,
    K.REQUEST_ATTRIBUTE: Code.INVALID_ARGUMENT,
    K.CONTENT_TYPE: Code.INVALID_ARGUMENT,
    K.LOAD_DATA: Code.INVALID_ARGUMENT,
    K.PREDICT_DATA: Code.INVALID_ARGUMENT,
    K.BODY_TOO_LARGE: Code.RESOURCE_EXHAUSTED,
    K.ROUTE_NOT_FOUND: Code.UNIMPLEMENTED,
    K.METHOD_NOT_ALLOWED: Code.UNIMPLEMENTED,
    K.UNAUTHENTICATED: Code.UNAUTHENTICATED,
    K.PERMISSION_DENIED: Code.PERMISSION_DENIED,
    K.NOT_SUPPORTED: Code.UNIMPLEMENTED,
    K.POOL_ID: Code.INVALID_ARGUMENT,
    K.REGION_NOT_FOUND: Code.NOT_FOUND,
    K.REGION_EXISTS: Code.ALREADY_EXISTS,
    K.MODEL_NOT_FOUND: Code.NOT_FOUND,
    K.ALREADY_LOADED: Code.ALREADY_EXISTS,
    K.LOAD_CANCELLED: Code.ABORTED,
    K.STORAGE: Code.RESOURCE_EXHAUSTED,
    K.BUSY: Code.UNAVAILABLE,
    K.SHUTTING_DOWN: Code.UNAVAILABLE,
    K.DEADLINE: Code.DEADLINE_EXCEEDED,
    # Not UNAVAILABLE, upon which clients try again by themselves: this request may be what kills the worker.
    K.WORKER_CRASHED: Code.INTERNAL,
    K.OUT_OF_MEMORY: Code.RESOURCE_EXHAUSTED,
    K.MODEL_UNAVAILABLE: Code.UNAVAILABLE,
    K.NON_FINITE: Code.OUT_OF_RANGE,  # never: tensors carry every number
    K.OUTPUT_ID: Code.INTERNAL,
    K.OUTPUT_NAME: Code.INTERNAL,
    K.PREDICTION_FAILED: Code.INTERNAL,
    K.LOAD_UNKNOWN: Code.INTERNAL,
    K.PREDICT_UNKNOWN: Code.INTERNAL,
    K.INTERNAL: Code.INTERNAL,
}


class Fault(Exception):  # noqa: N818 - it is what a call is answered with, no error of ours
    """The end of a call that is not OK: its code, its sentence, and the name of its ErrorKind where it has one."""

    def __init__(self, code: Code, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.kind = kind

    @classmethod
    def of(cls, error: ZeroMindError) -> Fault:
        """A known fault of the pool in gRPC's terms."""
        return cls(TABLE[error.kind], oip_fault.sentence(error), error.kind.name)


def quoted(message: str) -> bytes:
    """A sentence as the field ``grpc-message``: percent-encoded UTF-8 (doc/PROTOCOL-HTTP2.md), cut where it is endless."""
    for most in (ANSWERS.message, ANSWERS.message // 12):  # a character may take twelve bytes, and clients bound a head to 8 KiB
        text = message if len(message) <= most else message[:most] + " …"
        data = urllib.parse.quote(text.encode("utf-8", "replace"), safe=_PLAIN).encode()
        if len(data) <= ANSWERS.message:
            break
    return data


_PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
