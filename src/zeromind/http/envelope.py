"""0Mind's error envelope and the total table from error kinds to its HTTP status and numeric code."""

from __future__ import annotations

from typing import Any

import orjson

from zeromind.codecs import oip_fault
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import ANSWERS

K = ErrorKind
TABLE: dict[ErrorKind, tuple[int, int]] = {
    K.TASK_ATTRIBUTE: (400, 1),
    K.MODEL_TYPE_NOT_ALLOWED: (403, 2),
    K.MODEL_TYPE_UNKNOWN: (400, 3),
    K.INPUT_MISSING: (400, 4),
    K.MODEL_FILE: (400, 5),
    K.CODE_NOT_ALLOWED: (403, 6),
    K.MISSING_PACKAGE: (422, 6),
    K.LOAD_FAILED: (422, 6),
    K.LOAD_CANCELLED: (409, 6),
    K.OUTPUT_ID: (500, 7),
    K.OUTPUT_NAME: (500, 8),
    K.PREDICTION_FAILED: (500, 9),
    K.INVALID_INPUT: (400, 9),
    K.NON_FINITE: (422, 9),
    K.WORKER_CRASHED: (500, 9),
    K.OUT_OF_MEMORY: (507, 9),
    K.MODEL_UNAVAILABLE: (503, 106),
    K.INPUT_SPEC: (400, 10),
    K.OUTPUT_SPEC: (400, 11),
    K.FILE_NAME: (400, 12),
    K.ENGINE_ATTRIBUTE: (400, 13),
    K.SPEC_ATTRIBUTE: (400, 14),
    K.FILTER_SIDE: (400, 50),
    K.FILTER_PARAMETERS: (400, 51),
    K.FILTER_FILE: (400, 52),
    K.FILTER_NOT_FOUND: (400, 53),
    K.NOT_A_FILTER: (400, 54),
    K.FILTER_FAILED: (500, 55),
    K.FILTER_REFUSED: (400, 55),
    K.REQUEST_ATTRIBUTE: (400, 100),
    K.CONTENT_TYPE: (415, 101),
    K.LOAD_DATA: (400, 102),
    K.ALREADY_LOADED: (409, 103),
    K.LOAD_UNKNOWN: (500, 104),
    K.PREDICT_DATA: (400, 105),
    K.BUSY: (503, 106),
    K.SHUTTING_DOWN: (503, 106),
    K.PREDICT_UNKNOWN: (500, 107),
    K.DEADLINE: (504, 107),
    K.MODEL_NOT_FOUND: (404, 108),
    K.POOL_ID: (400, 109),
    K.NOT_SUPPORTED: (501, 0),
    K.REGION_NOT_FOUND: (404, 0),
    K.REGION_EXISTS: (409, 0),
    K.BODY_TOO_LARGE: (413, 0),
    K.ROUTE_NOT_FOUND: (404, 0),
    K.METHOD_NOT_ALLOWED: (405, 0),
    K.STORAGE: (507, 0),
    K.UNAUTHENTICATED: (401, 0),
    K.PERMISSION_DENIED: (403, 0),
    K.INTERNAL: (500, 0),
}
FIELDS = b"Server: 0Mind\r\nContent-Type: application/json\r\n"
"""The header lines of every JSON answer."""
CHALLENGE = 'Bearer realm="0Mind"'
"""What kind of key is asked for (RFC 6750)."""
RETRY_AFTER_S = 1
RETRYABLE = frozenset({K.BUSY, K.SHUTTING_DOWN, K.MODEL_UNAVAILABLE})


def status(error: ZeroMindError) -> int:
    """The HTTP status of a fault."""
    return TABLE[error.kind][0]


def body(error: ZeroMindError) -> bytes:
    """``{"errors": [{"code", "message", "params"}]}``; parameters that JSON has no form for become text, endless text is cut."""
    return orjson.dumps(_enveloped(error))


def plain(sentence: str) -> bytes:
    """``{"error": sentence}``, as the Open Inference Protocol has it."""
    return orjson.dumps({"error": _text(sentence, ANSWERS.message)})


def refusal(status: int, message: str, max_body_bytes: int) -> bytes:
    """What the transport refuses before a handler sees it, ``message`` being its sentence: in the form of every dialect at once."""
    error = ZeroMindError(ErrorKind.INTERNAL, message)
    if status == 413:
        text = f"the body is larger than {max_body_bytes} bytes: send less, or raise 'max_body_bytes' of the pool"
        error = ZeroMindError(ErrorKind.BODY_TOO_LARGE, text, max_body_bytes)
    return orjson.dumps({**_enveloped(error), "error": error.message})


def _enveloped(error: ZeroMindError) -> dict[str, Any]:
    message, params = _text(error.message, ANSWERS.message), [_plain(param) for param in error.params]
    return {"errors": [{"code": TABLE[error.kind][1], "message": message, "params": params}]}


def _plain(value: Any) -> Any:
    """A parameter as JSON has it; what has no form there, or is long, as text."""
    if isinstance(value, str):
        return _text(value)
    try:
        text = orjson.dumps(value)
    except TypeError:
        return _text(str(value))
    return value if len(text) <= ANSWERS.param else _text(text.decode())


def _text(value: str, most: int = ANSWERS.param) -> str:
    """Text that can be sent: half characters (lone surrogates) replaced, and cut where a client's own data make it endless."""
    value = value if len(value) <= most else value[:most] + " …"
    return value.encode("utf-8", "replace").decode()


def fields(error: ZeroMindError) -> bytes:
    """The header lines of a fault's answer."""
    lines = FIELDS + b"%b: %b\r\n" % (oip_fault.KIND.encode(), error.kind.name.encode())
    if error.kind is ErrorKind.UNAUTHENTICATED:
        return lines + b"WWW-Authenticate: %b\r\n" % CHALLENGE.encode()
    return lines + b"Retry-After: %d\r\n" % RETRY_AFTER_S if error.kind in RETRYABLE else lines
