"""A request's inputs by name, as every wire checks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import TENSORS
from zeromind.tensors import Interface, TensorSpec, Value, find


def named(name: str, interface: Interface, given: Mapping[str, Value]) -> TensorSpec:
    """The input of that name. Raises INVALID_INPUT if the model has none, or it is among the ``given`` already."""
    spec = find(interface.spec.inputs, name)
    if spec is None:
        names = ", ".join(repr(spec.name) for spec in interface.spec.inputs)
        raise refused(f"the model has no input {name!r}; its inputs are {names}", name)
    return once(spec, given)


def once(spec: TensorSpec, given: Mapping[str, Value]) -> TensorSpec:
    """The input itself. Raises INVALID_INPUT if it is among the ``given`` already."""
    if spec.name in given:
        raise refused(f"input {spec.name!r} is given twice", spec.name)
    return spec


def complete(inputs: dict[str, Value], interface: Interface) -> dict[str, Value]:
    """The inputs in the model's order. Raises INPUT_MISSING naming those that lack."""
    if len(interface.spec.inputs) == 1 and inputs:
        return inputs
    missing = [spec.name for spec in interface.spec.inputs if spec.name not in inputs]
    if missing:
        raise ZeroMindError(ErrorKind.INPUT_MISSING, f"the data lacks the input {', '.join(map(repr, missing))}", *missing)
    return {spec.name: inputs[spec.name] for spec in interface.spec.inputs}


def check_id(request_id: str) -> None:
    """Raise INVALID_INPUT for an id of a request that goes into no log line."""
    if len(request_id) > TENSORS.request_id or "\0" in request_id:
        raise refused(f"the id of a request may have {TENSORS.request_id} characters, and NUL is none of them", request_id[:64])


def refused(message: str, *params: Any) -> ZeroMindError:
    """INVALID_INPUT, to be raised."""
    return ZeroMindError(ErrorKind.INVALID_INPUT, message, *params)
