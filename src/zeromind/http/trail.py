"""What is told of each request that was answered: a line to the access log, spans to the traces."""

from __future__ import annotations

import time

from zeromind.http.exchange import Exchange
from zeromind.observe.access import AccessLog
from zeromind.observe.line import Line


class Trail:
    """Whoever is told; it is made only where somebody is."""

    def __init__(self, access: AccessLog | None = None) -> None:
        self._access = access

    def answered(self, exchange: Exchange, received: int) -> None:
        """The answer of a request is complete, or will never be; ``received`` bytes of its body have come."""
        now = time.monotonic()
        head, timing = exchange.head, exchange.timing
        if exchange.read_finished and head.length is not None:
            received = head.length
        if self._access is not None:
            method, target, version = exchange.start_line
            self._access.note(
                (
                    now,
                    now - exchange.began,
                    exchange.context.remote_ip,
                    exchange.who,
                    method,
                    target,
                    version,
                    exchange.status,
                    received,
                    exchange.sent,
                    exchange.request_id,
                    exchange.model,
                    None if timing is None else timing[:4],
                )
            )

    def refused(self, status: int, address: str, request_id: bytes) -> None:
        """Something was refused that is no request, or whose head never came."""
        if self._access is not None:
            self._access.note(Line(time.monotonic(), 0.0, address, request_id=request_id, status=status))
