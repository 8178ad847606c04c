"""TensorFlow Serving's predict API (tensorflow_serving/g3doc/api_rest.md): tensors row by row, or each as one column."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import orjson

from zeromind.codecs import arrays
from zeromind.codecs import tensorflow_values as values
from zeromind.codecs.inputs import complete, named, refused
from zeromind.codecs.tensorflow_values import Node
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface, Value, find

Encode: TypeAlias = Callable[[InferResponse], bytes]

SIGNATURE = "serving_default"
"""The only signature of every model."""
_SPACE = rb"[ \t\r\n]*"
_NAMED = rb'"signature_name"%b:%b"(?:serving_default)?"%b' % (_SPACE, _SPACE, _SPACE)
_HEAD = re.compile(rb'%b\{%b(?:%b,%b)?"(instances|inputs)"%b:%b(?=\[)' % (_SPACE, _SPACE, _NAMED, _SPACE, _SPACE, _SPACE))
_TAIL = re.compile(rb"%b(?:,%b%b)?\}%b" % (_SPACE, _SPACE, _NAMED, _SPACE))


def predict(body: bytes, interface: Interface) -> tuple[InferRequest, Encode]:
    """The request in a body, and what writes its answer: ``predictions`` to ``instances``, ``outputs`` to ``inputs``.

    Raises PREDICT_DATA if the body is no request, INPUT_MISSING, or INVALID_INPUT naming what does not fit.
    """
    quick = _quick(body, interface)
    if quick is not None:
        return quick
    fields = values.body(body)
    check_signature(fields)
    if ("instances" in fields) == ("inputs" in fields):
        raise ZeroMindError(
            ErrorKind.PREDICT_DATA, "the body must have one of 'instances' (a list, row by row) and 'inputs' (whole tensors)"
        )
    by_rows = "instances" in fields
    given = _by_rows(fields["instances"], interface) if by_rows else _by_columns(fields["inputs"], interface)
    inputs: dict[str, Value] = {}
    for name, node in given.items():
        spec = named(name, interface, inputs)
        inputs[spec.name] = values.value(node, spec, interface)
    return InferRequest(complete(inputs, interface)), functools.partial(_encode_rows if by_rows else _encode_columns, interface)


def check_signature(fields: Mapping[str, Node]) -> None:
    """Raise INVALID_INPUT for a signature that no model has."""
    name = values.plain(fields["signature_name"]) if "signature_name" in fields else ""
    if name not in ("", SIGNATURE):
        raise refused(f"there is no signature {name!r}: every model has one, {SIGNATURE!r}; leave 'signature_name' out", name)


def columns(rows: list[dict[str, Node]], what: str) -> dict[str, Node]:
    """The list of each name's values in objects that have the same names. Raises INVALID_INPUT, calling a row ``what``."""
    if not rows:
        raise refused(f"there is no {what}")
    first = rows[0]
    for at, row in enumerate(rows):
        if len(row) != len(first) or row.keys() != first.keys():
            name = next(iter(sorted(row.keys() ^ first.keys())))
            has = "has no" if name in first else "has a"
            raise refused(f"{what} {at} {has} {name!r}, other than {what} 0: each needs the same names", name)
    return {name: values.listed([row[name] for row in rows]) for name in first}


def _quick(body: bytes, interface: Interface) -> tuple[InferRequest, Encode] | None:
    """The usual request: numbers in lists for the only input, read in one go; None for any other."""
    inputs = interface.spec.inputs
    if len(inputs) != 1 or interface.filtered_inputs:
        return None
    head = _HEAD.match(body)
    end = body.rfind(b"]") + 1
    if head is None or _TAIL.fullmatch(body, end) is None:
        return None
    array = arrays.nested(body[head.end() : end], inputs[0])
    if array is None:
        return None
    encode = _encode_rows if head[1] == b"instances" else _encode_columns
    return InferRequest({inputs[0].name: array}), functools.partial(encode, interface)


def _by_rows(node: Node, interface: Interface) -> dict[str, Node]:
    """A list for each input that the rows are about."""
    only = interface.spec.inputs[0].name if len(interface.spec.inputs) == 1 else ""
    if not values.is_list(node):
        raise refused("'instances' must be a list")
    first = values.first_of(node)
    if first is None:
        raise refused("'instances' holds no rows")
    if not values.is_object(first):
        if not only:
            raise refused(f"the model has {len(interface.spec.inputs)} inputs: each of 'instances' must be an object of input name → value")
        return {only: node}
    rows = values.items(node, "'instances'")
    if only and _is_bare(values.members(rows[0], "instance 0"), interface):
        return {only: node}
    return columns(values.objects(node, "'instances'"), "instance")


def _by_columns(node: Node, interface: Interface) -> dict[str, Node]:
    """The value of each input."""
    only = interface.spec.inputs[0].name if len(interface.spec.inputs) == 1 else ""
    if not values.is_object(node):
        if not only:
            raise refused(f"the model has {len(interface.spec.inputs)} inputs: 'inputs' must be an object of input name → tensor")
        return {only: node}
    fields = values.members(node, "'inputs'")
    return {only: node} if only and _is_bare(fields, interface) else fields


def _is_bare(fields: Mapping[str, Node], interface: Interface) -> bool:
    """Whether an object is a value for the only input, not one that names it."""
    spec = interface.spec.inputs[0]
    if len(fields) == 1 and find((spec,), next(iter(fields))) is not None:
        return False
    return spec.name in interface.filtered_inputs or fields.keys() == {"b64"}


def _encode_rows(interface: Interface, response: InferResponse) -> bytes:
    """``{"predictions": [row, …]}``, a row being the output's, or an object of all outputs'."""
    specs = interface.spec.outputs
    for spec in specs:
        value = response.outputs[spec.name]
        if not isinstance(value, Encoded) and not value.ndim:
            raise refused(f"output {spec.name!r} is one number, not one for each row: ask with 'inputs'", spec.name)
    if len(specs) == 1:
        return b'{"predictions":%b}' % values.text(response.outputs[specs[0].name], specs[0].name)
    names = [orjson.dumps(spec.name) + b":" for spec in specs]
    rows = [values.rows(response.outputs[spec.name], spec.name) for spec in specs]
    if len({len(column) for column in rows}) > 1:
        counts = ", ".join(f"{len(column)} of {spec.name!r}" for spec, column in zip(specs, rows, strict=True))
        raise refused(f"the outputs have different numbers of rows ({counts}): ask with 'inputs'")
    objects = (b"{" + b",".join(map(bytes.__add__, names, row)) + b"}" for row in zip(*rows, strict=True))
    return b'{"predictions":[%b]}' % b",".join(objects)


def _encode_columns(interface: Interface, response: InferResponse) -> bytes:
    """``{"outputs": tensor}``, or an object of all outputs."""
    specs = interface.spec.outputs
    texts = [values.text(response.outputs[spec.name], spec.name) for spec in specs]
    if len(specs) == 1:
        return b'{"outputs":%b}' % texts[0]
    return b'{"outputs":{%b}}' % b",".join(orjson.dumps(spec.name) + b":" + text for spec, text in zip(specs, texts, strict=True))
