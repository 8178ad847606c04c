"""Everything that can go wrong, named once and without any wire's words.

    ZeroMindError(kind, message, *params)
        kind      an ErrorKind: what happened; every wire has one total table from kind to its own code
        message   what, which, and what to do; safe to show to a client
        params    the values that the message speaks of, for machines
        trace     where in somebody's code it happened, where that is known; for whoever runs the server, never for clients

An exception that is no ZeroMindError is a fault of ours: it is logged, and the client gets a fixed sentence.
"""

from __future__ import annotations

import enum
from typing import Any


class ErrorKind(enum.Enum):
    """What happened, from where the code stands; wires translate it."""

    # the task: what was asked to be served
    TASK_ATTRIBUTE = "task attribute missing or wrong"
    MODEL_TYPE_NOT_ALLOWED = "model type not allowed in this pool"
    MODEL_TYPE_UNKNOWN = "model type unknown"
    MODEL_FILE = "model file unreachable"
    CODE_NOT_ALLOWED = "the format can carry code and the operator has not allowed it"
    MISSING_PACKAGE = "a package that the adapter or filter needs is not installed"
    LOAD_FAILED = "model failed to load"
    INPUT_SPEC = "input specification cannot be read"
    OUTPUT_SPEC = "output specification cannot be read"
    FILE_NAME = "wrong file name format"
    ENGINE_ATTRIBUTE = "engine attribute missing"
    SPEC_ATTRIBUTE = "inputs or outputs entry lacks an attribute"
    # filters
    FILTER_SIDE = "filter used on the wrong side"
    FILTER_PARAMETERS = "filter parameters wrong or missing"
    FILTER_FILE = "a file that a filter needs is unreachable"
    FILTER_NOT_FOUND = "filter not found"
    NOT_A_FILTER = "not a filter"
    FILTER_FAILED = "filter failed while running"
    FILTER_REFUSED = "filter refused the value that the client sent"
    # the request
    INPUT_MISSING = "a model input is missing in the data"
    INVALID_INPUT = "the data does not fit the model"
    REQUEST_ATTRIBUTE = "required request attribute missing"
    CONTENT_TYPE = "wrong content type"
    LOAD_DATA = "load request without readable data"
    PREDICT_DATA = "predict request without readable data"
    BODY_TOO_LARGE = "request body too large"
    ROUTE_NOT_FOUND = "no such route"
    METHOD_NOT_ALLOWED = "method not allowed"
    UNAUTHENTICATED = "the request has no valid API key"
    PERMISSION_DENIED = "the API key, or where the request comes from, does not allow this"
    POOL_ID = "wrong pool id"
    NOT_SUPPORTED = "not supported here"
    REGION_NOT_FOUND = "shared memory region not found"
    REGION_EXISTS = "shared memory region registered already"
    # the pool and its models
    MODEL_NOT_FOUND = "model id not found"
    ALREADY_LOADED = "model id already loaded"
    LOAD_CANCELLED = "the model was dropped while it was loading"
    STORAGE = "the disk is full or may not be written"
    BUSY = "no idle instance"
    SHUTTING_DOWN = "the pool is shutting down"
    DEADLINE = "the deadline passed"
    WORKER_CRASHED = "the worker died"
    OUT_OF_MEMORY = "the model needs more memory than there is"
    MODEL_UNAVAILABLE = "the model's workers keep dying"
    NON_FINITE = "an output has a number that is not finite"
    OUTPUT_ID = "output id not found in the prediction"
    OUTPUT_NAME = "output name not found in the prediction"
    PREDICTION_FAILED = "prediction failed"
    LOAD_UNKNOWN = "unknown load error"
    PREDICT_UNKNOWN = "unknown predict error"
    INTERNAL = "unknown"


DEATHS = frozenset({ErrorKind.WORKER_CRASHED, ErrorKind.OUT_OF_MEMORY})
"""What may end a worker, and not by the fault of each request that it had."""


class ZeroMindError(Exception):
    """A known fault with a kind, a sentence that may be shown to a client, and its parameters."""

    def __init__(self, kind: ErrorKind, message: str, *params: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.params = params
        self.trace = ""
        self.begun = True
        """Of a worker's death: whether it may have begun with what it was asked."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.kind, self.message, *self.params)


class ConfigError(Exception):
    """A configuration that cannot be used: ``key`` names the culprit, the message says what to write instead."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}" if key else message)
        self.key = key
