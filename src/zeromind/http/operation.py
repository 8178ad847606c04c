"""What a route takes and gives, as its handler declares it; ``http.openapi`` makes a document of that.

    class Area(Handler):
        route = "/area"
        summary = "Width times height."
        operations = {"GET": Operation(json({"type": "number"}), (Parameter("width", "In metres."), Parameter("height", "Too.")))}

A handler that declares nothing is documented by its route, its methods and its docstrings alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from zeromind.codecs import finite
from zeromind.config.task import ID
from zeromind.errors import ErrorKind
from zeromind.http import envelope, oip_status

Schema: TypeAlias = "str | Mapping[str, Any]"
"""A JSON Schema, or the name of one of ``http.schemas``."""
Content: TypeAlias = Mapping[str, Schema]
"""Media type → schema; without any there is no body."""

JSON = "application/json"
NOTHING: Content = {}
NAME: Mapping[str, Any] = {"type": "string", "minLength": 1}
MODEL: Mapping[str, Any] = {"type": "string", "pattern": f"^{ID.pattern}$"}
"""A model's id."""

K = ErrorKind
LOADING = (
    K.TASK_ATTRIBUTE, K.MODEL_TYPE_NOT_ALLOWED, K.MODEL_TYPE_UNKNOWN, K.MODEL_FILE, K.CODE_NOT_ALLOWED, K.MISSING_PACKAGE, K.LOAD_FAILED,
    K.LOAD_CANCELLED, K.INPUT_SPEC, K.OUTPUT_SPEC, K.FILE_NAME, K.ENGINE_ATTRIBUTE, K.SPEC_ATTRIBUTE, K.FILTER_SIDE, K.FILTER_PARAMETERS,
    K.FILTER_FILE, K.FILTER_NOT_FOUND, K.NOT_A_FILTER, K.LOAD_UNKNOWN, K.STORAGE, K.DEADLINE,
)  # fmt: skip
"""What can go wrong with loading a model."""
FINDING = (K.MODEL_NOT_FOUND, *LOADING)
"""What can go wrong with asking for a model that may still be loading: it answers with what its load comes to."""
PREDICTING = (
    *FINDING, K.INPUT_MISSING, K.INVALID_INPUT, K.PREDICT_DATA, K.CONTENT_TYPE, K.BUSY, K.SHUTTING_DOWN, K.MODEL_UNAVAILABLE,
    K.WORKER_CRASHED, K.OUT_OF_MEMORY, K.OUTPUT_ID,
    K.OUTPUT_NAME, K.NON_FINITE, K.PREDICTION_FAILED, K.PREDICT_UNKNOWN, K.FILTER_FAILED, K.FILTER_REFUSED,
)  # fmt: skip
"""What can go wrong with a prediction."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """A query argument or a header field of a request."""

    name: str
    description: str
    schema: Schema = dataclasses.field(default_factory=lambda: NAME)
    place: Literal["query", "header"] = "query"
    required: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """One method of a route.

    ``answer`` is the body of the 200, None where there never is one; ``also`` are further statuses that are no faults of the dialect's
    form: what they mean, and their bodies; ``headers`` are header fields of the 200 with what they mean. ``faults`` are the kinds of
    error that its own code raises; what the transport and the base handler refuse need not be told.
    """

    answer: Content | None = dataclasses.field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    body: Content = dataclasses.field(default_factory=dict)
    needs_body: bool = True
    faults: tuple[ErrorKind, ...] = ()
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    also: Mapping[int, tuple[str, Content]] = dataclasses.field(default_factory=dict)


_STATUSES = {kind: status for kind, (status, _) in envelope.TABLE.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class Dialect:
    """A family of routes: its name, a sentence about it, the schema of its errors and the status of each kind of them."""

    name: str
    description: str
    fault: str = "Errors"
    statuses: Mapping[ErrorKind, int] = dataclasses.field(default_factory=lambda: _STATUSES)


ZEROMIND = Dialect("0Mind", "Its own requests: a model's `id` is a query argument, data go by the names of inputs and outputs.")
OPEN_INFERENCE = Dialect("Open Inference Protocol", "Version 2, as Triton's and KServe's clients speak it.", "Fault", oip_status.TABLE)
OWN = Dialect("Of this pool", "Routes that the pool's operator has added.")
PAGES = Dialect("Pages", "For people, and this document.")


FILTERS = (Parameter("filters", "`off`: the model without its filters.", {"type": "string"}, required=False),)
"""What the Open Inference Protocol's routes take to look past a model's filters."""


NON_FINITE = Parameter(
    finite.HEADER,
    "What becomes of an answer's numbers that are not finite, which JSON has no form for; `error` is 422 in the answer's place.",
    {"type": "string", "enum": [*finite.POLICIES]},
    "header",
    required=False,
)
"""What routes take whose answers have numbers."""


def json(schema: Schema) -> Content:
    """A JSON body."""
    return {JSON: schema}
