"""What the Open Inference Protocol's parameters mean, on both of its wires, from plain values by name."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

from zeromind.codecs.inputs import refused
from zeromind.limits import TENSORS
from zeromind.tensors import Interface, Parameter, TensorSpec, find

_RESERVED = "triton_"
_HEADERS = "headers"
_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
_REGION, _SIZE, _OFFSET = "shared_memory_region", "shared_memory_byte_size", "shared_memory_offset"
_PASSED_ON = (bool, int, float, str)
_EMPTY: Mapping[str, Any] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Bytes of a shared memory region."""

    region: str
    byte_size: int
    offset: int


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """An output that a request asks for: as bytes or not, its ``top`` classes instead of it, or put into shared memory."""

    spec: TensorSpec
    binary: bool
    top: int = 0
    region: str = ""
    region_bytes: int = 0
    region_offset: int = 0


def request_fields(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an InferRequest that a request's parameters set: priority, timeout_s, filters, and those for the model.

    Raises INVALID_INPUT for a value that none may have, for too much of them, and for the names that are the server's own; what a wire
    itself takes of those has to be taken out before.
    """
    fields: dict[str, Any] = {}
    kept: dict[str, Parameter] = {}
    size = 0
    for name, value in parameters.items():
        if name.startswith(_RESERVED) or name == _HEADERS:
            raise refused(f"parameter {name!r} is reserved: {_HEADERS!r} and names that begin with {_RESERVED!r} are the server's", name)
        if name == "priority":
            fields["priority"] = _integer("request", parameters, name)
        elif name == "timeout":
            fields["timeout_s"] = _integer("request", parameters, name) / 1e6
        elif name == "filters":
            fields["filters"] = has_filters(parameters)
        elif name == "binary_data_output":
            flag("request", parameters, name, False)
        else:
            kept[name] = _passed_on(name, value)
            size += len(name) + (len(value) if isinstance(value, str) else 8)
            if size > TENSORS.parameters:
                raise refused(f"the parameters for the model have more than {TENSORS.parameters} characters: send much data as inputs")
    if kept:
        fields["parameters"] = kept
    return fields


def asked_of(interface: Interface, parameters: Mapping[str, Any], bare: bool) -> tuple[Interface, dict[str, Any]]:
    """What a request is asked of, the model with or without its filters, and the arguments that ``request_fields`` gives.

    ``bare`` asks for the model without, as the parameters may. Raises as ``request_fields``.
    """
    fields = request_fields(parameters)
    filters = fields.pop("filters", True) and not bare
    return (interface, fields) if filters or not interface.filtered else (interface.bare, {**fields, "filters": False})


def has_filters(parameters: Mapping[str, Any]) -> bool:
    """Whether a request is for the model with its filters. Raises INVALID_INPUT for a value that says neither."""
    value = parameters.get("filters", True)
    known = {True: True, "on": True, "true": True, False: False, "off": False, "false": False}
    if not isinstance(value, (bool, str)) or value not in known:
        raise refused(f"parameter 'filters' is {_shown(value)}: true or false is expected", "filters")
    return known[value]


def wanted(name: str, parameters: Mapping[str, Any], interface: Interface, binary_default: bool) -> Wanted:
    """The output of that name as a request asks for it. Raises INVALID_INPUT for what cannot be."""
    spec = find(interface.spec.outputs, name)
    if spec is None:
        names = ", ".join(repr(spec.name) for spec in interface.spec.outputs)
        raise refused(f"the model has no output {name!r}; its outputs are {names}", name)
    if not parameters:
        return Wanted(spec, binary_default)
    owner = f"output {name!r}"
    found = place(owner, parameters)
    top = _integer(owner, parameters, "classification") if "classification" in parameters else 0
    explicit = flag(owner, parameters, "binary_data", False)
    if top and found:
        raise refused(f"{owner} cannot go to shared memory as classes: ask for 'classification' or {_REGION!r}", name)
    if explicit and found:
        raise refused(f"{owner} cannot be both in shared memory and in the answer: ask for 'binary_data' or {_REGION!r}", name)
    if top and (spec.datatype in ("BYTES", "BOOL") or spec.name in interface.filtered_outputs):
        kind = "has filters" if spec.name in interface.filtered_outputs else f"is {spec.datatype}"
        raise refused(f"{owner} has no classes, since it {kind}: 'classification' needs numbers", name)
    binary = flag(owner, parameters, "binary_data", binary_default)
    if found is None:
        return Wanted(spec, binary, top)
    return Wanted(spec, False, top, found.region, found.byte_size, found.offset)


def selection(outputs: Iterable[tuple[str, Mapping[str, Any]]], interface: Interface, binary_default: bool) -> tuple[Wanted, ...]:
    """What a request asks for by names and parameters, in its order; all outputs if it names none. Raises as ``wanted``."""
    chosen: dict[str, Wanted] = {}
    for name, parameters in outputs:
        one = wanted(name, parameters, interface, binary_default)
        if one.spec.name in chosen:
            raise refused(f"output {one.spec.name!r} is asked for twice", one.spec.name)
        chosen[one.spec.name] = one
    return tuple(chosen.values()) or tuple(Wanted(spec, binary_default) for spec in interface.spec.outputs)


def place(owner: str, parameters: Mapping[str, Any] = _EMPTY) -> Place | None:
    """Where in shared memory a tensor's parameters say that it is; None if they do not. Raises INVALID_INPUT for half of it."""
    region = parameters.get(_REGION)
    if region is None:
        return None
    if not isinstance(region, str) or not region:
        raise refused(f"{owner} has the {_REGION!r} {_shown(region)}: the name of a registered region is expected", _REGION)
    if _SIZE not in parameters:
        raise refused(f"{owner} is in shared memory and lacks {_SIZE!r}", _SIZE)
    offset = _integer(owner, parameters, _OFFSET) if _OFFSET in parameters else 0
    return Place(region, _integer(owner, parameters, _SIZE), offset)


def flag(owner: str, parameters: Mapping[str, Any], name: str, default: bool) -> bool:
    """A parameter that is true or false. Raises INVALID_INPUT if it is something else."""
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise refused(f"parameter {name!r} of {owner} is {_shown(value)}: true or false is expected", name)
    return value


def size(owner: str, parameters: Mapping[str, Any], name: str) -> int | None:
    """A parameter that is a count of bytes; None if there is none. Raises INVALID_INPUT if it is something else."""
    return _integer(owner, parameters, name) if name in parameters else None


def _integer(owner: str, parameters: Mapping[str, Any], name: str) -> int:
    value = parameters[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise refused(f"parameter {name!r} of {owner} is {_shown(value)}: a whole number from 0 on is expected", name)
    return value


def _passed_on(name: str, value: Any) -> Parameter:
    if not isinstance(value, _PASSED_ON) or (isinstance(value, int) and not _LEAST <= value <= _MOST):
        raise refused(f"parameter {name!r} is {_shown(value)}: true or false, a number of 64 bits or text is expected", name)
    return value


def _shown(value: Any) -> str:
    """A client's value, not too much of it; an integer may be too long to be written at all."""
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of more than 64 bits"
    return reprlib.repr(value)[:100]
