"""The client's side of the Open Inference Protocol over gRPC; the messages are written by hand, as the server's are."""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from zeromind.client import value
from zeromind.client.ask import Terms, options
from zeromind.client.faults import ClientError, fault, named
from zeromind.client.message import LAYOUTS, decode, parameter
from zeromind.client.model import ModelStatus, ServerInfo
from zeromind.client.prediction import Prediction, shown
from zeromind.client.step import Question, Reply, Request
from zeromind.codecs.oip_fault import KIND
from zeromind.codecs.oip_model import INTERFACE
from zeromind.codecs.oip_raw import PLAIN, Bytes, Span, from_raw
from zeromind.codecs.protobuf import field, members, numbers, signed, spans, varint
from zeromind.errors import ErrorKind
from zeromind.tensors import Interface

SERVICE = "/inference.GRPCInferenceService/"
_MOST_FRAMES = 256
_MOST_FRAME_BYTES = 1024
_KINDS = {
    1: ErrorKind.DEADLINE,
    3: ErrorKind.INVALID_INPUT,
    4: ErrorKind.DEADLINE,
    5: ErrorKind.MODEL_NOT_FOUND,
    6: ErrorKind.ALREADY_LOADED,
    7: ErrorKind.PERMISSION_DENIED,
    8: ErrorKind.BODY_TOO_LARGE,
    9: ErrorKind.LOAD_FAILED,
    12: ErrorKind.NOT_SUPPORTED,
    14: ErrorKind.SHUTTING_DOWN,
    16: ErrorKind.UNAUTHENTICATED,
}
"""What a code means where nothing names the kind: of a proxy, of gRPC itself, or of the server before it knows the request."""


class Rpc:
    """Questions to a server, and what its answers mean."""

    replaces = True
    """Whether a task takes the place of a loaded one of its name."""

    def __init__(self) -> None:
        self._frames: dict[tuple[int, bytes], tuple[str, Span]] = {}
        self._begins: dict[int, int] = {}
        """Where the data begin, by a message's length."""

    def predict(
        self, model: str, inputs: tuple[value.Input, ...], terms: Terms, interface: Interface, seconds: float
    ) -> Question[Prediction]:
        """Ask a model; the call's own deadline tells the server how long it has."""
        del seconds
        request = self._infer("ModelInfer", model, inputs, terms, interface)
        return Question(request, lambda reply: self._read(reply.body, reply.fields, model, interface))

    def stream(self, model: str, inputs: Any, terms: Terms, interface: Interface, seconds: float) -> tuple[Request, Responses]:
        """Ask a model for all its answers, and what reads them."""
        del seconds
        request = self._infer("ModelStreamInfer", model, value.tensors(inputs, interface), terms, interface)
        return request, Responses(model, interface)

    def interface(self, model: str) -> Question[Interface]:
        """What a model takes and gives."""
        return _question("ModelConfig", field(1, model.encode()), _interface)

    def models(self) -> Question[tuple[ModelStatus, ...]]:
        """Which models there are."""
        return _question("RepositoryIndex", b"", lambda found: tuple(ModelStatus(**entry) for entry in found["models"]))

    def info(self) -> Question[ServerInfo]:
        """What the server is."""
        return _question("ServerMetadata", b"", lambda found: ServerInfo(found["name"], found["version"], tuple(found["extensions"])))

    def ready(self, model: str | None) -> Question[bool]:
        """Whether the server, or a model, answers."""
        name = "ServerReady" if model is None else "ModelReady"
        return _question(name, field(1, model.encode()) if model else b"", lambda found: bool(found["ready"]))

    def statistics(self, model: str | None) -> Question[list[dict[str, Any]]]:
        """What models have done."""
        return _question("ModelStatistics", field(1, model.encode()) if model else b"", lambda found: list(found["model_stats"]))

    def load(self, task: Mapping[str, Any]) -> Question[None]:
        """Load a task."""
        config = json.dumps({key: entry for key, entry in task.items() if key != "id"})
        entry = field(1, b"config") + field(2, field(3, config.encode()))
        message = field(2, str(task.get("id", "")).encode()) + field(3, entry)
        return Question(Request(f"{SERVICE}RepositoryModelLoad", (message,), repeated=False), lambda _: None)

    def drop(self, model: str) -> Question[None]:
        """Drop a model."""
        return Question(Request(f"{SERVICE}RepositoryModelUnload", (field(2, model.encode()),), repeated=False), lambda _: None)

    def fault(self, reply: Reply) -> ClientError | None:
        """What went wrong; None if nothing did."""
        if reply.status == 0:
            return None
        kind = named(reply.fields.get(KIND.lower(), ""), _KINDS.get(reply.status, ErrorKind.INTERNAL))
        return fault(kind, str(reply.body, "utf-8", "replace"), reply.fields.get("x-request-id", ""), reply.status)

    def _read(self, data: memoryview, fields: Mapping[str, str], model: str, interface: Interface) -> Prediction:
        """A ``ModelInferResponse``; what stands before the numbers of an only output comes again and again, and need not be parsed."""
        known = self._frames.get((len(data), bytes(data[: self._begins.get(len(data), 0)])))
        if known is not None:
            return Prediction({known[0]: known[1].array(data)}, model, "1", fields)
        answer, parameters = _prediction(data, fields, model, interface)
        begin, raws = _raws(data)
        if len(raws) == 1 and not parameters and answer.version == "1" and begin < _MOST_FRAME_BYTES:
            ((name, array),) = answer.items()
            if isinstance(array, np.ndarray) and _datatype(data[:begin]) in PLAIN:
                if len(self._frames) >= _MOST_FRAMES:
                    self._frames.clear()
                    self._begins.clear()
                begin = len(data) - len(raws[0])
                self._frames[len(data), bytes(data[:begin])] = name, Span(array.dtype, array.shape, begin, len(data))
                self._begins[len(data)] = begin
        return answer

    def _infer(self, method: str, model: str, inputs: tuple[value.Input, ...], terms: Terms, interface: Interface) -> Request:
        tensors = tuple([(one.name, one.datatype, one.array.shape) for one in inputs])
        told = options(terms)
        outline = _outline.__wrapped__ if terms.parameters else _outline
        pieces: list[Bytes] = [outline(model, tensors, terms.told(interface), told)]
        for one in inputs:
            raw = one.raw()
            pieces += (b"\x3a" + varint(len(raw)), raw)  # raw_input_contents = 7
        fields = () if terms.filters else (("filters", "off"),)
        if terms.request_id:
            fields = (*fields, ("x-request-id", terms.request_id))
        return Request(SERVICE + method, tuple(pieces), fields)


class Responses:
    """The responses in what comes of a stream: each part a ``ModelStreamInferResponse``."""

    def __init__(self, model: str, interface: Interface) -> None:
        self._model = model
        self._interface = interface

    def feed(self, data: bytes) -> Iterator[Prediction]:
        """The response in a part, if that is more than its end. Raises the fault that one says."""
        sentence, response = "", memoryview(b"")
        for number, found in members(data):
            if number == 1 and not isinstance(found, int):
                sentence = str(found, "utf-8", "replace")
            elif number == 2 and not isinstance(found, int):
                response = found
        answer, parameters = _prediction(response, {}, self._model, self._interface)
        if sentence:
            raise fault(named(str(parameters.get("error_kind", "")), ErrorKind.PREDICTION_FAILED), sentence, status=0)
        if answer:
            yield answer


@functools.lru_cache(1024)
def _outline(
    model: str, tensors: tuple[tuple[str, str, tuple[int, ...]], ...], outputs: tuple[str, ...], told: tuple[tuple[str, Any], ...]
) -> bytes:
    """A ``ModelInferRequest`` up to its tensors' bytes."""
    pieces = [field(1, model.encode())]
    pieces += [field(4, field(1, name.encode()) + field(2, parameter(entry))) for name, entry in told]
    for name, datatype, shape in tensors:
        sizes = b"".join(map(varint, shape))
        pieces.append(field(5, field(1, name.encode()) + field(2, datatype.encode()) + (field(3, sizes) if shape else b"")))
    pieces += [field(6, field(1, name.encode())) for name in outputs]
    return b"".join(pieces)


# --- answers


def _question(method: str, message: bytes, read: Any) -> Question[Any]:
    return Question(Request(SERVICE + method, (message,)), lambda reply: read(decode(reply.body, LAYOUTS[method])))


def _interface(found: Mapping[str, Any]) -> Interface:
    return Interface.from_json(json.loads(found["config"]["parameters"][INTERFACE]["string_value"]))


def _prediction(data: memoryview, fields: Mapping[str, str], model: str, interface: Interface) -> tuple[Prediction, Mapping[str, Any]]:
    """A ``ModelInferResponse``, and its parameters."""
    begin, raws = _raws(data)
    version, tensors, parameters = _head(bytes(data[:begin]))
    outputs = {
        name: shown(name, from_raw(name, datatype, shape, raw), interface)
        for (name, datatype, shape), raw in zip(tensors, raws, strict=True)
    }
    return Prediction(outputs, model, version, fields, parameters), parameters


def _raws(data: memoryview) -> tuple[int, list[memoryview]]:
    """Where the bytes of tensors begin, which stand last, and these."""
    found = spans(data, 6, len(data))
    if not found:
        return len(data), []
    return found[0][0] - len(varint(found[0][1] - found[0][0])) - 1, [data[begin:end] for begin, end in found]


@functools.lru_cache(256)
def _head(data: bytes) -> tuple[str, list[tuple[str, str, list[int]]], dict[str, Any]]:
    """What stands before the tensors' bytes, which comes again and again: version, outputs and parameters; not to be changed."""
    version = ""
    tensors: list[tuple[str, str, list[int]]] = []
    parameters: dict[str, Any] = {}
    for number, found in members(data):
        if isinstance(found, int):
            continue
        if number == 5:
            tensors.append(_tensor(found))
        elif number == 2:
            version = str(found, "utf-8")
        elif number == 4:
            name, entry = _parameter(found)
            parameters[name] = entry
    return version, tensors, parameters


def _tensor(data: memoryview) -> tuple[str, str, list[int]]:
    """Name, datatype and shape of an ``InferOutputTensor``."""
    name = datatype = ""
    shape: list[int] = []
    for number, found in members(data):
        if number == 3:
            shape += [signed(found)] if isinstance(found, int) else numbers(found)
        elif not isinstance(found, int):
            if number == 1:
                name = str(found, "utf-8")
            elif number == 2:
                datatype = str(found, "utf-8")
    return name, datatype, shape


def _datatype(head: memoryview) -> str:
    """That of the only output."""
    return _head(bytes(head))[1][0][1]


def _parameter(data: memoryview) -> tuple[str, Any]:
    """An entry of ``parameters``."""
    name, value = "", memoryview(b"")
    for number, found in members(data):
        if not isinstance(found, int):
            name, value = (str(found, "utf-8"), value) if number == 1 else (name, found)
    for number, entry in members(value):
        if number == 1:
            return name, bool(entry)
        if isinstance(entry, int):
            return name, signed(entry) if number == 2 else entry
        return name, struct.unpack("<d", entry)[0] if number == 4 else str(entry, "utf-8")
    return name, None
