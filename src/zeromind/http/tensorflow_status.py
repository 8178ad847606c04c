"""TensorFlow Serving's form of a fault: the total table from error kinds to its HTTP status and the name of its code, and its body."""

from __future__ import annotations

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import envelope

STATUSES = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""HTTP statuses by code, as tensorflow_serving/model_servers/http_server.cc has them."""

K = ErrorKind
TABLE: dict[ErrorKind, str] = {
    # the task, which clients of this dialect do not send: they meet what came of it
    **dict.fromkeys((K.TASK_ATTRIBUTE, K.MODEL_TYPE_UNKNOWN, K.MODEL_FILE, K.MISSING_PACKAGE, K.LOAD_FAILED), "FAILED_PRECONDITION"),
    **dict.fromkeys((K.INPUT_SPEC, K.OUTPUT_SPEC, K.FILE_NAME, K.ENGINE_ATTRIBUTE, K.SPEC_ATTRIBUTE), "FAILED_PRECONDITION"),
    **dict.fromkeys((K.FILTER_SIDE, K.FILTER_PARAMETERS, K.FILTER_NOT_FOUND, K.NOT_A_FILTER), "FAILED_PRECONDITION"),
    **dict.fromkeys((K.MODEL_TYPE_NOT_ALLOWED, K.CODE_NOT_ALLOWED, K.PERMISSION_DENIED), "PERMISSION_DENIED"),
    K.UNAUTHENTICATED: "UNAUTHENTICATED",
    **dict.fromkeys((K.ALREADY_LOADED, K.REGION_EXISTS), "ALREADY_EXISTS"),
    K.LOAD_CANCELLED: "ABORTED",
    # the request
    **dict.fromkeys((K.INPUT_MISSING, K.INVALID_INPUT, K.REQUEST_ATTRIBUTE, K.CONTENT_TYPE), "INVALID_ARGUMENT"),
    **dict.fromkeys((K.LOAD_DATA, K.PREDICT_DATA, K.FILTER_REFUSED, K.FILTER_FILE, K.POOL_ID), "INVALID_ARGUMENT"),
    **dict.fromkeys((K.MODEL_NOT_FOUND, K.ROUTE_NOT_FOUND, K.REGION_NOT_FOUND), "NOT_FOUND"),
    **dict.fromkeys((K.METHOD_NOT_ALLOWED, K.NOT_SUPPORTED), "UNIMPLEMENTED"),
    **dict.fromkeys((K.BODY_TOO_LARGE, K.OUT_OF_MEMORY), "RESOURCE_EXHAUSTED"),
    K.STORAGE: "RESOURCE_EXHAUSTED",
    K.NON_FINITE: "OUT_OF_RANGE",
    # the pool
    **dict.fromkeys((K.BUSY, K.SHUTTING_DOWN, K.MODEL_UNAVAILABLE), "UNAVAILABLE"),
    K.DEADLINE: "DEADLINE_EXCEEDED",
    **dict.fromkeys((K.WORKER_CRASHED, K.OUTPUT_ID, K.OUTPUT_NAME, K.PREDICTION_FAILED, K.FILTER_FAILED), "INTERNAL"),
    **dict.fromkeys((K.LOAD_UNKNOWN, K.PREDICT_UNKNOWN, K.INTERNAL), "UNKNOWN"),
}
_OF_HTTP = {K.METHOD_NOT_ALLOWED: 405, K.NON_FINITE: 422, K.BODY_TOO_LARGE: 413, K.STORAGE: 507, K.OUT_OF_MEMORY: 507}
"""What HTTP has a status of its own for."""
HTTP = {kind: _OF_HTTP.get(kind) or STATUSES[code] for kind, code in TABLE.items()}
"""The HTTP status of each kind."""


def status(error: ZeroMindError) -> int:
    """The HTTP status of a fault."""
    return HTTP[error.kind]


def body(error: ZeroMindError) -> bytes:
    """``{"error": sentence}``; of a model that is not there in the words that are known to clients of TensorFlow Serving."""
    text = error.message
    if error.kind is K.MODEL_NOT_FOUND and error.params:
        wanted = "Latest({})" if len(error.params) == 1 else "Specific({}, {})"
        text = f"Servable not found for request: {wanted.format(*error.params)}: {text}"
    return envelope.plain(text)
