"""What a server tells of a model that it serves."""

from __future__ import annotations

import dataclasses
import json
import urllib.parse
from collections.abc import Collection, Mapping
from typing import Any

from zeromind import datatypes
from zeromind.bench.reply import Reply
from zeromind.bench.tally import message
from zeromind.client.address import Address
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """A model, its inputs, and the names of those that have filters."""

    model: str
    inputs: tuple[TensorSpec, ...]
    filtered: frozenset[str] = frozenset()

    @property
    def predict(self) -> str:
        """The path of 0Mind's own route for it."""
        return f"/model/predict?id={urllib.parse.quote(self.model, safe='')}"

    @property
    def infer(self) -> str:
        """The path of the Open Inference Protocol's route for it."""
        return f"/v2/models/{urllib.parse.quote(self.model, safe='')}/infer"


def look(address: Address, model: str, headers: Mapping[str, str], timeout_s: float) -> Served:
    """What the server tells of a model: 0Mind's own routes are asked first, then the Open Inference Protocol's.

    Raises MODEL_NOT_FOUND in the server's words, INPUT_SPEC for inputs of no form or type that is known here, ROUTE_NOT_FOUND where
    neither dialect is spoken, OSError or HTTPException where nobody answers, or not with HTTP.
    """
    name = urllib.parse.quote(model, safe="")

    def get(path: str) -> Reply:
        return Reply.to(address, path, headers, timeout_s)

    own = get(f"/model/info?id={name}")
    if inputs := _fields(own).get("inputs"):
        specs = _specs(model, inputs.values(), "type")
        return Served(model, specs, _filtered(specs, _fields(get(f"/info/task?id={name}")).get("input_filters") or {}))
    ids = _fields(get("/model/list")).get("models") if "errors" in _fields(own) else None
    if ids is not None:
        raise ZeroMindError(
            ErrorKind.MODEL_NOT_FOUND, f"{message(own.body).partition(';')[0]}; it serves {', '.join(ids) or 'no models yet'}", model
        )
    other = get(f"/v2/models/{name}")
    if inputs := _fields(other).get("inputs"):
        return Served(model, _specs(model, inputs, "datatype"))
    if "error" in _fields(other):
        raise ZeroMindError(ErrorKind.MODEL_NOT_FOUND, message(other.body), model)
    raise ZeroMindError(
        ErrorKind.ROUTE_NOT_FOUND,
        f"what answers at {address.url} ({own.status} to /model/info, {other.status} to /v2/models) knows neither 0Mind's "
        "routes nor the Open Inference Protocol's: give the address that 'zeromind serve' prints, without a path",
        address.url,
    )


def _fields(reply: Reply) -> dict[str, Any]:
    """The JSON object of an answer; empty for any other answer."""
    try:
        data = json.loads(reply.body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _specs(model: str, entries: Collection[Any], type_key: str) -> tuple[TensorSpec, ...]:
    try:
        shapes = [tuple(None if size in (None, -1) else int(size) for size in entry["shape"]) for entry in entries]
        return tuple(
            TensorSpec(entry["name"], datatypes.parse_datatype(entry[type_key]), shape)
            for entry, shape in zip(entries, shapes, strict=True)
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ZeroMindError(
            ErrorKind.INPUT_SPEC, f"what the server tells of the inputs of {model!r} cannot be read: {error}", model
        ) from None


def _filtered(specs: tuple[TensorSpec, ...], filters: Mapping[str, Any]) -> frozenset[str]:
    """The inputs with filters. A task may name an input by an alias, which only the server can resolve unless there is one input."""
    used = {name for name, uses in filters.items() if uses}
    if used and len(specs) == 1:
        used = {specs[0].name}
    return frozenset(used)
