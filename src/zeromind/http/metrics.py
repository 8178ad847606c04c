"""Metrics for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from zeromind.access.scope import Scope
from zeromind.http import compression
from zeromind.http.handler import Handler
from zeromind.http.operation import Operation
from zeromind.observe.metrics import OPENMETRICS

_TEXT: Mapping[str, Any] = {"type": "string", "description": "docs/metrics.md tells of each"}


class Metrics(Handler):
    """What there is to measure."""

    route = "/metrics"
    summary = "Metrics of the pool and of each model for Prometheus, under names of ours and of Triton's."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    for_some_models = True
    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation({"text/plain": _TEXT, OPENMETRICS: _TEXT})}

    async def get(self) -> None:
        """The text format of Prometheus, or OpenMetrics for who asks for that; a key for some models sees nothing of the rest."""
        kind, page = await self.engine.view.metrics(self.caller, self.request.headers.get("Accept", ""), self.engine.ready)
        coding = compression.chosen(self.request.headers.get("Accept-Encoding", ""))
        if coding:
            page = await asyncio.to_thread(compression.packed, page, coding)
            self.set_header("Content-Encoding", coding)
        self.set_header("Content-Type", kind)
        self.set_header("Vary", "Accept, Accept-Encoding")
        self.finish(page)


class TensorFlowMetrics(Metrics):
    """The same where TensorFlow Serving has its own."""

    route = "/monitoring/prometheus/metrics"
    summary = "The same as `/metrics`, where TensorFlow Serving has its own."


ROUTES: tuple[type[Handler], ...] = (Metrics, TensorFlowMetrics)
