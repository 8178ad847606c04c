"""A request's head: which method, in what encoding, until when, and what else its metadata ask for."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from zeromind.grpc.encoding import ENCODINGS
from zeromind.grpc.entrance import Entrance
from zeromind.grpc.fields import Fields
from zeromind.grpc.method import Head, Method
from zeromind.grpc.status import Code, Fault
from zeromind.observe import request_id

_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_KNOWN = frozenset(ENCODINGS.split(b","))


def read(fields: Fields, method: Method | None, unknown: Callable[[bytes], Fault], entrance: Entrance, address: str) -> Head:
    """The head in a request's fields; ``unknown`` tells what is answered, to a path without ``method``."""
    name, path = request_id.own(fields.get(b"x-request-id", b"").decode("latin1")), fields[b":path"].decode("latin1")
    trace = {key.decode(): fields[key].decode("latin1") for key in (b"traceparent", b"tracestate") if key in fields}
    refused = functools.partial(Head, None, address=address, request_id=name, path=path, trace=trace)
    if fields[b":method"] != b"POST" or not fields.get(b"content-type", b"").startswith(b"application/grpc"):
        return refused(None)
    try:
        caller = entrance.enter(fields, method, address)
    except Fault as fault:
        return refused(fault)
    if method is None:
        return refused(unknown(fields[b":path"]))
    encoding = fields.get(b"grpc-encoding", b"identity")
    if encoding not in _KNOWN:
        shown, served = encoding[:50].decode(errors="replace"), ENCODINGS.decode()
        return refused(Fault(Code.UNIMPLEMENTED, f"grpc-encoding {shown!r} is not served: send one of {served}"))
    accepted = [name.strip() for name in fields.get(b"grpc-accept-encoding", b"").split(b",")]
    try:
        return Head(
            method,
            None,
            encoding,
            seconds(fields[b"grpc-timeout"]) if b"grpc-timeout" in fields else None,
            encoding if encoding != b"identity" and encoding in accepted else b"",
            fields.get(b"filters", b"").lower() == b"off",
            fields.get(b"triton_grpc_error", b"").lower() == b"true",
            caller,
            address,
            name,
            path,
            trace,
        )
    except Fault as fault:
        return refused(fault)


def seconds(field: bytes) -> float:
    """The time that the field ``grpc-timeout`` leaves (doc/PROTOCOL-HTTP2.md). Raises Fault for anything else."""
    match = _TIMEOUT.fullmatch(field)
    if match is None:
        raise Fault(Code.INVALID_ARGUMENT, "the field grpc-timeout is up to eight digits and one of H, M, S, m, u, n")
    return int(match[1]) * _UNITS[match[2]]
