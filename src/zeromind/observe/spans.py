"""Traces for OpenTelemetry: a span for a request, and below it one for each stage of its prediction.

Spans are made when a request has been answered, of times that were taken on its way; those of the stages are the worker's. Nothing here
is imported unless a pool sends traces, and nothing is shared between pools.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import random
import threading
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

from zeromind.errors import ConfigError
from zeromind.observe.timing import Work

_log = logging.getLogger(__name__)
_PATH = "/v1/traces"
_MOST_TEXT = 1000
"""Of what a client has made up, in characters: thousands of spans may wait."""
_CLOSE_S = 3.0
"""How long a collector that does not answer may hold up a pool that ends."""


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """A request that was answered: when it came and when that was, on the monotonic clock in seconds, and what is known of it.

    ``parent`` holds the client's ``traceparent`` and ``tracestate``, ``failed`` says in a word why it was no success, if it was none.
    """

    name: str
    came: float
    ended: float
    attributes: Mapping[str, Any]
    parent: Mapping[str, str] = dataclasses.field(default_factory=dict)
    failed: str = ""
    error: BaseException | None = None
    model: str = ""
    waited_s: float = 0.0
    work: Work | None = None


class Spans:
    """Sends the spans of one pool to a collector.

    Requests without a trace begin one at ``ratio``; None leaves that to the variable OTEL_TRACES_SAMPLER. Raises ConfigError if the
    packages for that are missing.
    """

    def __init__(self, endpoint: str, ratio: float | None = 1.0) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider, sampling
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ModuleNotFoundError as error:
            text = f"traces need the package {error.name}, which is not installed: pip install 'zeromind[otel]'"
            raise ConfigError("otlp_endpoint", text) from None
        from zeromind import __version__

        # What is not worth a span is not worth a decision of the SDK's either: it is left out before.
        self._ratio = 1.0 if ratio is None else ratio
        sampler = None if ratio is None else sampling.ParentBased(sampling.ALWAYS_ON)
        named = "OTEL_SERVICE_NAME" in os.environ or "service.name" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        resource = Resource.create({"service.version": __version__, **({} if named else {"service.name": "zeromind"})})
        self._provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=_url(endpoint))))
        self._tracer = self._provider.get_tracer("zeromind", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._trace = trace
        self._complained = False

    def wants(self, traceparent: str) -> bool:
        """Whether a request is to be recorded: as its client's trace says, else by chance."""
        if len(traceparent) == 55:  # version 00 (W3C Trace Context), whose flags are last
            return traceparent[-1] in "13579bdf"
        return random.random() < self._ratio  # noqa: S311 - no secret

    def record(self, served: Served) -> None:
        """Make the spans of a request. What goes wrong with that is told once, and concerns nobody who is served."""
        try:
            self._record(served)
        except Exception:
            if not self._complained:
                self._complained = True
                _log.exception("a request's spans could not be made; more of that is not told")

    def _record(self, served: Served) -> None:
        offset_ns = time.time_ns() - time.monotonic_ns()
        trace = self._trace
        parent = self._propagator.extract(served.parent)
        told = {name: value[:_MOST_TEXT] if isinstance(value, str) else value for name, value in served.attributes.items()}
        span = self._tracer.start_span(served.name, parent, trace.SpanKind.SERVER, told, start_time=_ns(served.came, offset_ns))
        if span.is_recording():
            if served.failed:
                span.set_attribute("error.type", served.failed)
                span.set_status(trace.Status(trace.StatusCode.ERROR, str(served.error or "")))
                if served.error is not None:
                    span.record_exception(served.error, timestamp=_ns(served.ended, offset_ns))
            if served.work is not None:
                self._stages(trace.set_span_in_context(span), served, served.work, offset_ns)
        span.end(_ns(served.ended, offset_ns))

    def _stages(self, parent: Any, served: Served, work: Work, offset_ns: int) -> None:
        attributes: dict[str, Any] = {"zeromind.model": served.model}
        begun, input_s, model_s, output_s, rows, worker = work
        ran = {**attributes, "zeromind.batch_size": rows, "process.pid": worker.pid or os.getpid()}
        arrived = begun + input_s + model_s + output_s
        at = max(begun - served.waited_s, served.came)  # a worker may run while the rest of its batch is handed over: that counts twice
        stages = ("queue", served.waited_s), ("input", input_s), ("model", model_s), ("output", output_s)
        for name, seconds in stages:
            begun = _ns(at, offset_ns)
            span = self._tracer.start_span(name, parent, attributes=attributes, start_time=begun)
            at = min(at + seconds, arrived)
            span.end(_ns(at, offset_ns))
            attributes = ran

    def close(self) -> None:
        """Send what waits, within seconds."""
        ending = threading.Thread(target=self._shut_down, name="traces", daemon=True)
        ending.start()
        ending.join(_CLOSE_S)

    def _shut_down(self) -> None:
        with contextlib.suppress(Exception):  # there is no collector any more; the SDK's log has told
            self._provider.shutdown()


def _url(endpoint: str) -> str:
    """Where traces go: to the path of a URL, else to the usual one, as with OTEL_EXPORTER_OTLP_ENDPOINT."""
    return endpoint if urllib.parse.urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + _PATH


def _ns(seconds: float, offset_ns: int) -> int:
    return int(seconds * 1e9) + offset_ns
