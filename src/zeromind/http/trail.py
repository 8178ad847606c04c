"""What is told of each request that was answered: a line to the access log, spans to the traces."""

from __future__ import annotations

import time
from typing import Any

from zeromind.http.exchange import Exchange
from zeromind.observe.access import AccessLog
from zeromind.observe.line import Line, without_secrets
from zeromind.observe.spans import Served, Spans

LEFT = 499
"""The status that logs have for a client who did not wait for an answer; nginx's."""
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))


class Trail:
    """Whoever is told; it is made only where somebody is."""

    def __init__(self, access: AccessLog | None, spans: Spans | None = None) -> None:
        self._access = access
        self._spans = spans

    def answered(self, exchange: Exchange, status: int, received: int) -> None:
        """The answer of a request is complete, or will never be; ``received`` bytes of its body have come."""
        now = time.monotonic()
        head = exchange.head
        if exchange.read_finished and head.length is not None:
            received = head.length
        if self._access is not None:
            name = head.request_id or exchange.number
            self._access.note(
                (
                    exchange.began, now, exchange.context.remote_ip, exchange.who, head.start_line, status, exchange.model,
                    received, exchange.sent, name, exchange.waited_s, exchange.work,
                )
            )  # fmt: skip
        if self._spans is not None and self._spans.wants(head.fields.get("Traceparent", "")):
            self._spans.record(_served(exchange, status, now, received))
        exchange.fault = None  # which knows the exchange, by way of its traceback

    def refused(self, status: int, address: str, request_id: bytes) -> None:
        """Something was refused that is no request, or whose head never came."""
        if self._access is not None:
            now = time.monotonic()
            self._access.note(Line(now, now, address, status=status, request_id=request_id))


def _served(exchange: Exchange, status: int, ended: float, received: int) -> Served:
    """A request as a trace has it (opentelemetry.io/docs/specs/semconv/http/http-spans)."""
    method, target, version = exchange.start_line
    fields, route = exchange.head.fields, exchange.route
    shown = method if method in _METHODS else "_OTHER"
    path, separator, query = target.partition("?")
    attributes: dict[str, Any] = {
        "http.request.method": shown,
        "url.scheme": exchange.context.protocol,
        "url.path": path,
        "client.address": exchange.context.remote_ip,
        "network.protocol.version": version.partition("/")[2],
        "http.request.body.size": received,
        "http.response.body.size": exchange.sent,
        "zeromind.request_id": exchange.request_id.decode(),
    }
    more = {
        "url.query": without_secrets(separator + query)[1:],
        "http.route": route,
        "user_agent.original": fields.get("User-Agent"),
        "server.address": fields.get("Host", "").rpartition(":")[0] or fields.get("Host"),
        "http.response.status_code": status if status != LEFT else None,
        "zeromind.model": exchange.model,
    }
    attributes |= {name: value for name, value in more.items() if value}
    failed = "client_left" if status == LEFT else _kind(exchange.fault, status) if status >= 500 else ""
    parent = {name: fields[field] for name, field in (("traceparent", "Traceparent"), ("tracestate", "Tracestate")) if field in fields}
    name = f"{shown} {route}" if route else shown
    return Served(name, exchange.began, ended, attributes, parent, failed, exchange.fault, exchange.model, exchange.waited_s, exchange.work)


def _kind(fault: BaseException | None, status: int) -> str:
    """Why a request failed, in a word."""
    kind = getattr(fault, "kind", None)
    return str(status) if kind is None else kind.name
