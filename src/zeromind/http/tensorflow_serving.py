"""TensorFlow Serving's dialect: its REST API under ``/v1/models`` (tensorflow_serving/g3doc/api_rest.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import ClassVar, Protocol

from zeromind.access.scope import Scope
from zeromind.codecs import finite, tensorflow_examples, tensorflow_model, tensorflow_serving
from zeromind.codecs.tensorflow_serving import Encode
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import compression, tensorflow_status
from zeromind.http.handler import Handler, NotFound
from zeromind.http.operation import FINDING, NON_FINITE, PREDICTING, Dialect, Operation, json
from zeromind.repository.lifecycle import State
from zeromind.tensors import InferRequest, Interface

_MODEL = r"(?i)/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_SHOWN = "/v1/models/{model}(|/versions/{version}|/labels/{label})"
_STATES = {
    State.LOADING: "LOADING",
    State.READY: "AVAILABLE",
    State.DROPPING: "UNLOADING",
    State.FAILED: "END",
    State.GONE: "END",
}
_ASKING = (*PREDICTING, ErrorKind.NOT_SUPPORTED)
_DIALECT = Dialect("TensorFlow Serving", "Its REST API.", "Fault", tensorflow_status.HTTP)


class TensorFlowHandler(Handler):
    """A handler of a route under ``/v1``."""

    dialect = _DIALECT

    def status_of(self, error: ZeroMindError) -> int:
        """As TensorFlow Serving answers."""
        return tensorflow_status.status(error)

    def encode_error(self, error: ZeroMindError) -> bytes:
        """``{"error": sentence}``."""
        return tensorflow_status.body(error)


class Status(TensorFlowHandler):
    """Whether a model can be asked."""

    route = _MODEL
    shown = _SHOWN
    summary = "The state of a model's only version, in TensorFlow Serving's words."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation(json("ModelStatus"), faults=(ErrorKind.MODEL_NOT_FOUND,))}

    def get(self, model: str, version: str | None = None, label: str | None = None) -> None:
        """LOADING, AVAILABLE, UNLOADING, or END with the reason for which a configured model is not served."""
        _check_version(model, version, label)
        registry = self.engine.registry
        failed = registry.failed.get(model)
        if failed is not None and all(here.task.id != model for here in registry.models()):
            self.send(tensorflow_model.status("END", tensorflow_status.TABLE[failed.kind], failed.message))
        else:
            self.send(tensorflow_model.status(_STATES[registry.get(model).life.state]))


class Metadata(TensorFlowHandler):
    """A model's interface."""

    route = _MODEL + "/metadata"
    shown = _SHOWN + "/metadata"
    summary = "The inputs and outputs of a model, as TensorFlow Serving writes a signature."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation(json("SignatureMetadata"), faults=FINDING)}

    async def get(self, model: str, version: str | None = None, label: str | None = None) -> None:
        """Names, types and shapes; waits for a model that is loading."""
        _check_version(model, version, label)
        self.send(tensorflow_model.metadata(model, await self.engine.interface(model)))


class _Read(Protocol):
    def __call__(self, body: bytes, interface: Interface, /) -> tuple[InferRequest, Encode]: ...


class _Asking(TensorFlowHandler):
    """Ask a model. ``read`` gives the request in a body, and what writes its answer."""

    read: ClassVar[_Read]

    async def post(self, model: str, version: str | None = None, label: str | None = None) -> None:
        """Answer for every row. The content type does not matter, the body may be compressed with gzip."""
        _check_version(model, version, label)
        self.send(await self.unless_left(self._answer(model)))

    async def _answer(self, model: str) -> bytes:
        body, coding = self.body, self.request.headers.get("Content-Encoding", "")
        if coding:
            body = await asyncio.to_thread(compression.expanded, body, coding, self.engine.config.max_body_bytes)
        encoders: list[Encode] = []
        policy = self.non_finite

        def decode(interface: Interface) -> InferRequest:
            request, encode = self.read(body, interface)
            encoders.append(encode)
            return request

        response = await self.infer(model, decode, len(body))
        return encoders[0](finite.applied(response, policy))


class Predict(_Asking):
    """Tensors in, tensors out."""

    route = _MODEL + ":predict"
    shown = _SHOWN + ":predict"
    summary = "The prediction of a model for TensorFlow Serving's `instances` (row by row) or `inputs` (whole tensors)."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.PREDICT}
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(json("PredictResponse"), (NON_FINITE,), body=json("PredictRequest"), faults=_ASKING)
    }
    read = staticmethod(tensorflow_serving.predict)


class Classify(_Asking):
    """Examples in, labels and scores out."""

    route = _MODEL + ":classify"
    shown = _SHOWN + ":classify"
    summary = "The labels and scores of TensorFlow Serving's `examples`, of a model with an output [rows, classes]."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.PREDICT}
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(json("ClassifyResponse"), body=json("ExamplesRequest"), faults=_ASKING)
    }
    read = staticmethod(tensorflow_examples.classify)


class Regress(_Asking):
    """Examples in, numbers out."""

    route = _MODEL + ":regress"
    shown = _SHOWN + ":regress"
    summary = "A number for each of TensorFlow Serving's `examples`, of a model with an output [rows]."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.PREDICT}
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(json("RegressResponse"), body=json("ExamplesRequest"), faults=_ASKING)
    }
    read = staticmethod(tensorflow_examples.regress)


class TensorFlowNotFound(TensorFlowHandler, NotFound):
    """Any route under ``/v1`` that nobody answers."""

    route = "(?i)/v1(?:/.*)?"


ROUTES: tuple[type[Handler], ...] = (Status, Metadata, Predict, Classify, Regress)


def _check_version(model: str, version: str | None, label: str | None) -> None:
    """Raise MODEL_NOT_FOUND for a version or a label that is not the model's only one."""
    asked = label if version is None else version.lstrip("0") or "0"
    if asked not in (None, tensorflow_model.VERSION):
        which = f"label {label!r}" if version is None else f"version {version}"
        text = f"model {model!r} has no {which}: leave it out, or ask for version {tensorflow_model.VERSION}, the only one"
        raise ZeroMindError(ErrorKind.MODEL_NOT_FOUND, text, model, asked)
