"""A pool's metrics for Prometheus: read when somebody asks, so that they cost nothing until then.

The operator's own are beside them, such as those of a request handler:

    self.engine.metrics.own(prometheus_client.Counter, "greetings", "How often somebody said hello.").inc()
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from zeromind.errors import ErrorKind
from zeromind.observe.families import FAMILIES, Family
from zeromind.observe.histogram import COARSE, Histogram, quantile
from zeromind.observe.reading import HostReading, ModelReading, PoolReading
from zeromind.observe.statistics import CANCELLED

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric
    from prometheus_client.samples import Sample

T = TypeVar("T")
OPENMETRICS = "application/openmetrics-text"
STATES = ("READY", "LOADING", "UNLOADING", "UNAVAILABLE")
WORKERS = ("ready", "starting", "waiting")
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
_SIZES = tuple(1 << power for power in range(11))
_FIRST_S = (0.1, 0.5, 2.0, 5.0)
"""Triton's bounds for the first response of a stream."""
_TRITONS = {"request": "request", "queue": "queue", "input": "compute_input", "model": "compute_infer", "output": "compute_output"}
_REASONS: Mapping[str, str] = {
    CANCELLED: "CANCELED",
    **dict.fromkeys((ErrorKind.BUSY.name, ErrorKind.DEADLINE.name), "REJECTED"),
    **{
        kind.name: "BACKEND"
        for kind in (
            *(ErrorKind.PREDICTION_FAILED, ErrorKind.PREDICT_UNKNOWN, ErrorKind.WORKER_CRASHED, ErrorKind.OUT_OF_MEMORY),
            *(ErrorKind.MODEL_UNAVAILABLE, ErrorKind.FILTER_FAILED, ErrorKind.OUTPUT_NAME, ErrorKind.NON_FINITE),
        )
    },
}
"""Triton's reasons for a failure; any other is OTHER (docs/user_guide/metrics.md, Failure Categories)."""
_AT_ONCE = 100
"""Samples that are written in well under a millisecond."""
_PAUSE_S = 1e-4
_Sample: TypeAlias = "tuple[str, Mapping[str, str], float]"
"""What stands behind the family's name, the labels, the value."""


class Metrics:
    """Of one pool."""

    def __init__(self) -> None:
        self._own: dict[str, Any] = {}

    def own(self, kind: Callable[..., T], name: str, text: str, labels: Sequence[str] = (), **options: Any) -> T:
        """The operator's own metric of that name, of one of the library's classes; it is made when it is first asked for.

        Raises ValueError for what the library does not take.
        """
        if name not in self._own:
            self._own[name] = kind(name, text, labels, registry=self.registry, **options)
        made: T = self._own[name]
        return made

    @functools.cached_property
    def registry(self) -> CollectorRegistry:
        """Of the operator's own metrics."""
        from prometheus_client import CollectorRegistry

        return CollectorRegistry()

    def page(self, reading: PoolReading, accept: str, own: bool) -> tuple[str, bytes]:
        """Content type and bytes of what was read, as ``Accept`` wants it; with the operator's ``own`` metrics. Thread-safe."""
        from prometheus_client import exposition
        from prometheus_client.openmetrics import exposition as openmetrics

        page = _Page(reading, self.registry if own else None)
        if OPENMETRICS in accept:
            generate: Any = openmetrics.generate_latest  # which has no types
            return f"{OPENMETRICS}; version=1.0.0; charset=utf-8", generate(page)
        return "text/plain; version=0.0.4; charset=utf-8", _typed(exposition.generate_latest(page))


class _Page:
    """What the library asks for metrics."""

    def __init__(self, reading: PoolReading, own: CollectorRegistry | None) -> None:
        self._reading = reading
        self._own = own

    def collect(self) -> Iterator[Metric]:
        """Those that have samples, then the operator's."""
        samples: dict[str, list[_Sample]] = {family.name: [] for family in FAMILIES}
        for number, (name, part, labels, value) in enumerate(_pool(self._reading)):
            if not number % _AT_ONCE:
                time.sleep(_PAUSE_S)
            samples[name].append((part, labels, value))
        for family in FAMILIES:
            if samples[family.name]:
                yield _metric(family, samples[family.name])
        if self._own is not None:
            yield from self._own.collect()


def _metric(family: Family, samples: Sequence[_Sample]) -> Metric:
    from prometheus_client.core import Metric

    # The library wants counters to end in _total, as OpenMetrics has it, and Triton's do not.
    kind = "unknown" if family.tritons and family.kind == "counter" else family.kind
    made = Metric(family.name.removesuffix("_total"), family.help, kind)
    made.samples = cast("list[Sample]", _paced(family.name, samples))
    return made


def _paced(name: str, samples: Iterable[_Sample]) -> Iterator[Sample]:
    """The samples, with pauses in which the event loop gets its turn: a thread that computes would keep it waiting for 5 ms each time."""
    from prometheus_client.samples import Sample

    for number, (part, labels, value) in enumerate(samples, 1):
        if not number % _AT_ONCE:
            time.sleep(_PAUSE_S)
        yield Sample(name + part, dict(labels), value)


def _typed(page: bytes) -> bytes:
    """The page with Triton's counters called that, which the text format before OpenMetrics allows."""
    for family in FAMILIES:
        if family.tritons and family.kind == "counter":
            page = page.replace(b"# TYPE %b untyped\n" % family.name.encode(), b"# TYPE %b counter\n" % family.name.encode())
    return page


_Told: TypeAlias = "Iterator[tuple[str, str, Mapping[str, str], float]]"


def _pool(reading: PoolReading) -> _Told:
    yield "zeromind_pool_info", "", {"id": reading.id, "version": reading.version}, 1
    yield "zeromind_ready", "", {}, float(reading.ready)
    yield "zeromind_uptime_seconds", "", {}, reading.uptime_s
    for wire in reading.wires:
        yield "zeromind_connections", "", {"protocol": wire.name}, wire.connections
        for status, count in sorted(wire.answers.items()):
            yield "zeromind_answers_total", "", {"protocol": wire.name, "status": status}, count
    for name in reading.absent:
        yield from _state({"model": name, "version": "1"}, "UNAVAILABLE")
    for model in reading.models:
        labels = {"model": model.id, "version": model.version}
        yield from _model(labels, model)
        yield from _work(labels, model)
        yield from _tritons(labels, model)
    if reading.host is not None:
        yield from _host(reading.host)


def _state(labels: Mapping[str, str], state: str) -> _Told:
    for one in STATES:
        yield "zeromind_model_state", "", {**labels, "state": one}, float(one == state)


def _model(labels: Mapping[str, str], model: ModelReading) -> _Told:
    """What it is and holds."""
    yield "zeromind_model_info", "", {**labels, "adapter": model.adapter, "isolation": model.isolation}, 1
    yield from _state(labels, model.state)
    yield "zeromind_model_load_seconds", "", labels, model.load_s
    yield "zeromind_model_memory_bytes", "", labels, model.memory
    for device, nbytes in model.gpu_memory.items():
        yield "zeromind_model_gpu_memory_bytes", "", {**labels, "device": device}, nbytes
    for state in WORKERS:
        yield "zeromind_workers", "", {**labels, "state": state}, sum(one == state for one in model.workers)
    yield "zeromind_worker_restarts_total", "", labels, model.restarts


def _work(labels: Mapping[str, str], model: ModelReading) -> _Told:
    """What it has done and does."""
    done = model.done
    yield "zeromind_requests_total", "", {**labels, "outcome": "OK"}, done.requests
    for kind, count in sorted(done.failures.items()):
        yield "zeromind_requests_total", "", {**labels, "outcome": kind}, count
    for stage, histogram in done.stages.items():
        yield from _seconds("zeromind_stage_seconds", {**labels, "stage": stage}, histogram)
    if model.decoupled:
        yield from _seconds("zeromind_first_response_seconds", labels, done.first)
    upto = [sum(count for size, count in done.batch_sizes.items() if size <= most) for most in _SIZES]
    yield from _buckets("zeromind_batch_size", labels, _SIZES, [*upto, sum(done.batch_sizes.values())], done.rows)
    yield "zeromind_queue_length", "", labels, model.waiting
    yield "zeromind_queue_limit", "", labels, model.most_waiting
    yield "zeromind_queue_limit_bytes", "", labels, model.most_waiting_bytes
    yield "zeromind_running_requests", "", labels, model.running


def _tritons(labels: Mapping[str, str], model: ModelReading) -> _Told:
    """The same under Triton's names."""
    done = model.done
    yield "nv_inference_request_success", "", labels, done.requests
    for reason in ("REJECTED", "CANCELED", "BACKEND", "OTHER"):
        count = sum(count for kind, count in done.failures.items() if _REASONS.get(kind, "OTHER") == reason)
        yield "nv_inference_request_failure", "", {**labels, "reason": reason}, count
    yield "nv_inference_count", "", labels, done.rows
    yield "nv_inference_exec_count", "", labels, sum(done.batch_sizes.values())
    yield "nv_inference_pending_request_count", "", labels, model.waiting
    for stage, name in _TRITONS.items():
        microseconds = max(0, round(done.stages[stage].seconds * 1e6))
        yield f"nv_inference_{name}_duration_us", "", labels, microseconds
        recent = done.recent[stage]
        for share in QUANTILES:
            value = quantile(recent, share) * 1e6 if any(recent) else float("nan")
            yield f"nv_inference_{name}_summary_us", "", {**labels, "quantile": f"{share:g}"}, value
        yield f"nv_inference_{name}_summary_us", "_count", labels, done.requests
        yield f"nv_inference_{name}_summary_us", "_sum", labels, microseconds
    if model.decoupled:
        bounds = [1000 * bound for bound in _FIRST_S]
        upto = done.first.upto(_FIRST_S)
        yield from _buckets("nv_inference_first_response_histogram_ms", labels, bounds, upto, 1000 * done.first.seconds)


def _host(host: HostReading) -> _Told:
    yield "zeromind_server_memory_bytes", "", {}, host.own_memory
    yield "nv_cpu_utilization", "", {}, host.busy
    yield "nv_cpu_memory_total_bytes", "", {}, host.memory
    yield "nv_cpu_memory_used_bytes", "", {}, host.used
    for device in host.devices:
        told = {
            "nv_gpu_utilization": None if device.busy is None else device.busy / 100,
            "nv_gpu_memory_total_bytes": device.memory,
            "nv_gpu_memory_used_bytes": device.used,
            "nv_gpu_power_usage": device.watts,
            "nv_gpu_power_limit": device.most_watts,
            "nv_energy_consumption": device.joules,
        }
        for name, value in told.items():
            if value is not None:
                yield name, "", {"gpu_uuid": device.uuid}, value


def _seconds(name: str, labels: Mapping[str, str], histogram: Histogram) -> _Told:
    return _buckets(name, labels, COARSE, histogram.upto(COARSE), histogram.seconds)


def _buckets(name: str, labels: Mapping[str, str], bounds: Sequence[float], upto: Sequence[int], total: float) -> _Told:
    """The samples of a histogram: how many came ``upto`` each bound, the last being all."""
    for bound, count in zip((*(repr(float(bound)) for bound in bounds), "+Inf"), upto, strict=True):
        yield name, "_bucket", {**labels, "le": bound}, count
    yield name, "_count", labels, upto[-1]
    yield name, "_sum", labels, total
