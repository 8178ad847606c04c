"""What goes wrong between a client and its server, one class for each thing that a caller may want to do something about.

ClientError
    InvalidInput        what was sent does not fit the model; nothing is gained by sending it again
    ModelNotFound       no such model is loaded
    AlreadyLoaded       a model of that name is
    LoadFailed          the task that was to be loaded is wrong, or its file is
    Unauthenticated     the server wants a key, or another one
    PermissionDenied    the key does not allow this
    NotSupported        the server does not do this
    Busy                the model's queue is full
    Unavailable         the server cannot be reached, is stopping, or the model's workers keep dying
    DeadlineExceeded    there was no answer in time
    WorkerCrashed       the process that had the request died
    OutOfMemory         the model needs more memory than there is
    PredictionFailed    the model or a filter of its failed
    ServerFailed        the server did, or what answers is no such server
"""

from __future__ import annotations

from typing import Any

from zeromind.errors import ErrorKind, ZeroMindError


class ClientError(ZeroMindError):
    """A request that failed: ``kind`` and ``message`` as the server has them.

    ``request_id`` is what the server's log knows the request by, empty where it told none; ``status`` the HTTP status or the gRPC code,
    None if no server answered. Of a server that cannot be reached the kind is SHUTTING_DOWN.
    """

    def __init__(self, kind: ErrorKind, message: str, *params: Any, request_id: str = "", status: int | None = None) -> None:
        super().__init__(kind, message, *params)
        self.request_id = request_id
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.kind, self.message, *self.params), {"request_id": self.request_id, "status": self.status}


class InvalidInput(ClientError):
    """What was sent does not fit the model; nothing is gained by sending it again."""


class ModelNotFound(ClientError):
    """No such model is loaded."""


class AlreadyLoaded(ClientError):
    """A model of that name is loaded."""


class LoadFailed(ClientError):
    """The task that was to be loaded is wrong, or its file is."""


class Unauthenticated(ClientError):
    """The server wants a key, or another one."""


class PermissionDenied(ClientError):
    """The key, or where the request comes from, does not allow this."""


class NotSupported(ClientError):
    """The server does not do this."""


class Busy(ClientError):
    """The model's queue is full."""


class Unavailable(ClientError):
    """The server cannot be reached, is stopping, or the model's workers keep dying."""


class DeadlineExceeded(ClientError):
    """There was no answer in time."""


class WorkerCrashed(ClientError):
    """The process that had the request died; the request may be why."""


class OutOfMemory(ClientError):
    """The model needs more memory than there is."""


class PredictionFailed(ClientError):
    """The model failed, or one of its filters."""


class ServerFailed(ClientError):
    """The server failed, or what answers is no such server."""


K = ErrorKind
TABLE: dict[ErrorKind, type[ClientError]] = {
    K.TASK_ATTRIBUTE: LoadFailed,
    K.MODEL_TYPE_NOT_ALLOWED: LoadFailed,
    K.MODEL_TYPE_UNKNOWN: LoadFailed,
    K.MODEL_FILE: LoadFailed,
    K.CODE_NOT_ALLOWED: LoadFailed,
    K.MISSING_PACKAGE: LoadFailed,
    K.LOAD_FAILED: LoadFailed,
    K.INPUT_SPEC: LoadFailed,
    K.OUTPUT_SPEC: LoadFailed,
    K.FILE_NAME: LoadFailed,
    K.ENGINE_ATTRIBUTE: LoadFailed,
    K.SPEC_ATTRIBUTE: LoadFailed,
    K.FILTER_SIDE: LoadFailed,
    K.FILTER_PARAMETERS: LoadFailed,
    K.FILTER_FILE: LoadFailed,
    K.FILTER_NOT_FOUND: LoadFailed,
    K.NOT_A_FILTER: LoadFailed,
    K.LOAD_DATA: LoadFailed,
    K.LOAD_CANCELLED: LoadFailed,
    K.LOAD_UNKNOWN: LoadFailed,
    K.FILTER_FAILED: PredictionFailed,
    K.PREDICTION_FAILED: PredictionFailed,
    K.PREDICT_UNKNOWN: PredictionFailed,
    K.NON_FINITE: PredictionFailed,
    K.OUTPUT_ID: PredictionFailed,
    K.OUTPUT_NAME: PredictionFailed,
    K.FILTER_REFUSED: InvalidInput,
    K.INPUT_MISSING: InvalidInput,
    K.INVALID_INPUT: InvalidInput,
    K.REQUEST_ATTRIBUTE: InvalidInput,
    K.CONTENT_TYPE: InvalidInput,
    K.PREDICT_DATA: InvalidInput,
    K.BODY_TOO_LARGE: InvalidInput,
    K.REGION_NOT_FOUND: InvalidInput,
    K.REGION_EXISTS: InvalidInput,
    K.POOL_ID: InvalidInput,
    K.ROUTE_NOT_FOUND: NotSupported,
    K.METHOD_NOT_ALLOWED: NotSupported,
    K.NOT_SUPPORTED: NotSupported,
    K.UNAUTHENTICATED: Unauthenticated,
    K.PERMISSION_DENIED: PermissionDenied,
    K.MODEL_NOT_FOUND: ModelNotFound,
    K.ALREADY_LOADED: AlreadyLoaded,
    K.STORAGE: ServerFailed,
    K.BUSY: Busy,
    K.SHUTTING_DOWN: Unavailable,
    K.MODEL_UNAVAILABLE: Unavailable,
    K.DEADLINE: DeadlineExceeded,
    K.WORKER_CRASHED: WorkerCrashed,
    K.OUT_OF_MEMORY: OutOfMemory,
    K.INTERNAL: ServerFailed,
}
"""The class of each kind."""


def fault(kind: ErrorKind, message: str, request_id: str = "", status: int | None = None) -> ClientError:
    """The fault of a kind, in its class."""
    return TABLE[kind](kind, message, request_id=request_id, status=status)


def named(name: str, otherwise: ErrorKind) -> ErrorKind:
    """The kind of that name; the other one, for a name that a later server may send."""
    return ErrorKind.__members__.get(name, otherwise)


def refused(message: str) -> InvalidInput:
    """What is wrong with what was to be sent, to be raised."""
    return InvalidInput(ErrorKind.INVALID_INPUT, message)


def unreachable(url: str, cause: object) -> Unavailable:
    """Nobody answers, for a reason that is an error or its words; to be raised."""
    import ssl

    rest = url.partition("://")[2]
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = cause.verify_message
        text = f"the certificate of {url} is not trusted here ({why}): SSL_CERT_FILE or verify= names the file of one that is"
    elif isinstance(cause, ssl.SSLError):
        plain = f": ask {url.partition('s://')[0]}://{rest}" if cause.reason == "WRONG_VERSION_NUMBER" else ""
        text = f"{url} does not take part in TLS ({cause.reason}){plain}"
    elif isinstance(cause, ConnectionAbortedError):
        text = f"{url} ended the connection within its answer: ask again"
    elif isinstance(cause, ConnectionResetError) and url.startswith("http://"):
        text = f"{url} ended the connection without an answer; if it uses TLS, ask https://{rest}"
    else:
        text = f"no server answers at {url} ({cause}); start one: zeromind serve"
    return Unavailable(ErrorKind.SHUTTING_DOWN, text)


def closed() -> Unavailable:
    """The client was closed, to be raised."""
    return Unavailable(ErrorKind.SHUTTING_DOWN, "this client is closed: make another")


def late(seconds: float) -> DeadlineExceeded:
    """The deadline has passed, to be raised."""
    return DeadlineExceeded(ErrorKind.DEADLINE, f"no answer within {seconds:g} s: give it a longer timeout_s")


def strange(url: str, reason: object) -> ServerFailed:
    """What answers is no server of ours, to be raised."""
    return ServerFailed(ErrorKind.INTERNAL, f"what answers at {url} is no 0Mind server: {reason}")
