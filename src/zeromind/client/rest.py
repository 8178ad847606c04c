"""The client's side of the server's REST dialects: the Open Inference Protocol with tensors as bytes, and 0Mind's own for tasks."""

from __future__ import annotations

import functools
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from zeromind import datatypes
from zeromind.client import value
from zeromind.client.ask import Terms, microseconds, options
from zeromind.client.events import Events
from zeromind.client.faults import ClientError, fault, named
from zeromind.client.model import ModelStatus, ServerInfo
from zeromind.client.prediction import Prediction, shown
from zeromind.client.step import Garbled, Question, Reply, Request
from zeromind.codecs.oip_fault import KIND
from zeromind.codecs.oip_model import INTERFACE
from zeromind.codecs.oip_raw import LENGTH, Bytes, from_raw, to_objects
from zeromind.errors import ErrorKind
from zeromind.tensors import Interface, Tensor

_ALIGNED = 8
_JOINED = 65_536
_JSON = (("Content-Type", "application/json"),)
_Told: TypeAlias = "tuple[tuple[str, Any], ...]"
_KINDS = {
    401: ErrorKind.UNAUTHENTICATED,
    403: ErrorKind.PERMISSION_DENIED,
    404: ErrorKind.MODEL_NOT_FOUND,
    405: ErrorKind.METHOD_NOT_ALLOWED,
    408: ErrorKind.DEADLINE,
    409: ErrorKind.ALREADY_LOADED,
    413: ErrorKind.BODY_TOO_LARGE,
    429: ErrorKind.BUSY,
    501: ErrorKind.NOT_SUPPORTED,
    502: ErrorKind.SHUTTING_DOWN,
    503: ErrorKind.BUSY,
    504: ErrorKind.DEADLINE,
    507: ErrorKind.OUT_OF_MEMORY,
}
"""What a status means where nothing names the kind: of a proxy, or of the transport before it knows the request."""


class Rest:
    """Questions to a server, and what its answers mean."""

    replaces = False
    """Whether a task takes the place of a loaded one of its name."""

    def predict(
        self, model: str, inputs: tuple[value.Input, ...], terms: Terms, interface: Interface, seconds: float
    ) -> Question[Prediction]:
        """Ask a model."""
        raws = [one.raw() for one in inputs]
        tensors = tuple([(one.name, one.datatype, one.array.shape, len(raw)) for one, raw in zip(inputs, raws, strict=True)])
        own = {"binary_data_output": True, "timeout": microseconds(seconds)}
        told = options(terms, **own) if terms.filters else options(terms, **own, filters=False)
        # 1, 1.0 and True are one to a cache, and not to a model.
        outline = _outline.__wrapped__ if terms.parameters else _outline
        text = outline(tensors, terms.told(interface), told)
        pieces: tuple[Bytes, ...] = (text, *raws)
        if sum(map(len, raws)) < _JOINED:
            pieces = (b"".join(pieces),)
        fields = (("Content-Type", "application/octet-stream"), (LENGTH, str(len(text))), *_identity(terms))
        return Question(Request(f"{_model(model)}/infer", pieces, fields), lambda reply: _prediction(reply, model, interface))

    def stream(self, model: str, inputs: Any, terms: Terms, interface: Interface, seconds: float) -> tuple[Request, Events]:
        """Ask a model for all its answers, and what reads them."""
        told = dict(options(terms, timeout=microseconds(seconds)))
        body = json.dumps({**value.plain(inputs, interface), "parameters": told}).encode()
        query = "" if terms.filters else "?filters=off"
        fields = (*_JSON, ("Non-Finite", "string"), *_identity(terms))
        return Request(f"{_model(model)}/generate_stream{query}", (body,), fields), Events(model, interface, terms.told(interface))

    def interface(self, model: str) -> Question[Interface]:
        """What a model takes and gives."""
        return Question(Request(f"{_model(model)}/config", method="GET"), _interface)

    def models(self) -> Question[tuple[ModelStatus, ...]]:
        """Which models there are."""
        return Question(Request("/v2/repository/index", (b"{}",), _JSON), lambda reply: tuple(map(_status, _list(reply))))

    def info(self) -> Question[ServerInfo]:
        """What the server is."""
        return Question(Request("/v2", method="GET"), lambda reply: _server(_object(reply)))

    def ready(self, model: str | None) -> Question[bool]:
        """Whether the server, or a model, answers."""
        return Question(Request("/v2/health/ready" if model is None else f"{_model(model)}/ready", method="GET"), lambda _: True)

    def statistics(self, model: str | None) -> Question[list[dict[str, Any]]]:
        """What models have done."""
        path = "/v2/models" if model is None else _model(model)
        return Question(Request(f"{path}/stats", method="GET"), lambda reply: list(_object(reply)["model_stats"]))

    def load(self, task: Mapping[str, Any]) -> Question[None]:
        """Load a task."""
        return Question(Request("/model/load", (json.dumps(task).encode(),), _JSON, repeated=False), lambda _: None)

    def drop(self, model: str) -> Question[None]:
        """Drop a model."""
        return Question(Request(f"/model/drop?id={_quoted(model)}", repeated=False), lambda _: None)

    def fault(self, reply: Reply) -> ClientError | None:
        """What went wrong; None if nothing did."""
        if reply.status == 200:
            return None
        kind = ErrorKind.INVALID_INPUT if 400 <= reply.status < 500 else ErrorKind.INTERNAL
        kind = named(reply.fields.get(KIND.lower(), ""), _KINDS.get(reply.status, kind))
        return fault(kind, _sentence(reply), reply.fields.get("x-request-id", ""), reply.status)


@functools.lru_cache(1024)
def _outline(tensors: tuple[tuple[str, str, tuple[int, ...], int], ...], outputs: tuple[str, ...], told: _Told) -> bytes:
    """The JSON before a request's bytes, so long that these are aligned."""
    inputs = [
        {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}
        for name, datatype, shape, size in tensors
    ]
    wanted = {"outputs": [{"name": name} for name in outputs]} if outputs else {}
    text = json.dumps({"inputs": inputs, **wanted, "parameters": dict(told)}, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % _ALIGNED)


def _model(name: str) -> str:
    return f"/v2/models/{_quoted(name)}"


def _quoted(name: str) -> str:
    return name if name.isascii() and name.isalnum() else urllib.parse.quote(name, safe="")


def _identity(terms: Terms) -> tuple[tuple[str, str], ...]:
    return (("X-Request-Id", terms.request_id),) if terms.request_id else ()


# --- answers


@functools.lru_cache(256)
def _read(text: bytes) -> Any:
    """The JSON before an answer's bytes, which comes again and again; not to be changed."""
    return json.loads(text)


def _prediction(reply: Reply, model: str, interface: Interface) -> Prediction:
    length = reply.fields.get(LENGTH.lower())
    size = len(reply.body) if length is None else int(length)
    text, at = bytes(reply.body[:size]), size
    answer = json.loads(text) if length is None else _read(text)
    outputs: dict[str, Any] = {}
    for entry in answer["outputs"]:
        nbytes = (entry.get("parameters") or {}).get("binary_data_size")
        data = None if nbytes is None else reply.body[at : at + nbytes]
        at += nbytes or 0
        outputs[entry["name"]] = shown(entry["name"], _array(entry, data), interface)
    return Prediction(outputs, model, answer.get("model_version", ""), reply.fields, answer.get("parameters") or {})


def _array(entry: Mapping[str, Any], data: memoryview | None) -> Tensor:
    if data is not None:
        return from_raw(entry["name"], entry["datatype"], entry["shape"], data)
    if entry["datatype"] == "BYTES":
        return to_objects([str(item).encode() for item in entry["data"]], tuple(entry["shape"]))
    return np.array(entry["data"], datatypes.NUMPY_OF[entry["datatype"]]).reshape(entry["shape"])


def _interface(reply: Reply) -> Interface:
    return Interface.from_json(json.loads(_object(reply)["parameters"][INTERFACE]["string_value"]))


def _server(found: Mapping[str, Any]) -> ServerInfo:
    return ServerInfo(found["name"], found["version"], tuple(found["extensions"]))


def _status(entry: Mapping[str, Any]) -> ModelStatus:
    return ModelStatus(entry["name"], entry.get("version", ""), entry.get("state", ""), entry.get("reason", ""))


def _object(reply: Reply) -> dict[str, Any]:
    found = json.loads(bytes(reply.body))
    if not isinstance(found, dict):
        raise Garbled("it answers no JSON object")
    return found


def _list(reply: Reply) -> list[Any]:
    found = json.loads(bytes(reply.body))
    if not isinstance(found, list):
        raise Garbled("it answers no JSON list")
    return found


def _sentence(reply: Reply) -> str:
    """What a fault's answer says, in whichever dialect."""
    try:
        found = json.loads(bytes(reply.body))
        return "; ".join(entry["message"] for entry in found["errors"]) if "errors" in found else str(found["error"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {reply.status}, as no 0Mind server does: check the address, or the proxy on the way"
