"""What is told of each call that has ended: a line to the access log, spans to the traces."""

from __future__ import annotations

import time
from typing import Any

from zeromind.grpc.call import Call
from zeromind.grpc.status import Code
from zeromind.observe.access import AccessLog
from zeromind.observe.spans import Served, Spans

_FAILED = (Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS)
"""What is a server's fault (opentelemetry.io/docs/specs/semconv/rpc/grpc)."""


class Trail:
    """Whoever is told; it is made only where somebody is."""

    def __init__(self, access: AccessLog | None, spans: Spans | None = None) -> None:
        self._access = access
        self._spans = spans

    def answered(self, call: Call) -> None:
        """A call has its answer, or its client does not wait for one."""
        now = time.monotonic()
        head = call.head
        if self._access is not None:
            asked = "POST", head.path, "gRPC"
            who = head.address, head.caller.known
            sizes = call.received, call.sent
            self._access.note((call.came, now, *who, asked, int(call.code), call.model, *sizes, call.request_id, call.waited_s, call.work))
        if self._spans is not None and self._spans.wants(head.trace.get("traceparent", "")):
            self._spans.record(_served(call, now))


def _served(call: Call, ended: float) -> Served:
    """A call as a trace has it (opentelemetry.io/docs/specs/semconv/rpc/rpc-spans)."""
    head, code, fault = call.head, call.code, call.fault
    name = head.path.lstrip("/") if head.method is not None else "_OTHER"  # what clients make up is not for names
    attributes: dict[str, Any] = {
        "rpc.system.name": "grpc",
        "rpc.method": name,
        "rpc.response.status_code": code.name,
        "client.address": head.address,
        "zeromind.request_id": call.request_id.decode(),
    }
    if call.model:
        attributes["zeromind.model"] = call.model
    failed = (fault.kind if fault is not None and fault.kind else code.name) if code in _FAILED else ""
    return Served(name, call.came, ended, attributes, head.trace, failed, fault, call.model, call.waited_s, call.work)
