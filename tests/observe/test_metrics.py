"""The page of metrics as Prometheus's own parsers read it, and the library's absence until somebody asks."""

import math
import subprocess
import sys

import prometheus_client
import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

from zeromind.errors import ErrorKind
from zeromind.observe.families import FAMILIES, OURS, TRITONS
from zeromind.observe.metrics import Metrics
from zeromind.observe.reading import DeviceReading, HostReading, ModelReading, PoolReading, WireReading
from zeromind.observe.statistics import CANCELLED, Statistics
from zeromind.tensors import Run

READERS = {"": parser.text_string_to_metric_families, "application/openmetrics-text": openmetrics.text_string_to_metric_families}
GPU = DeviceReading(0, "a GPU", "GPU-1", 1000, 250, 50.0, 70.5, 300.0, 12.25)


class Request:
    came, since = 0.0, 0.25


def busy():
    """Statistics of some work: three requests of two rows in one run of a quarter of a second, two faults, a stream."""
    made = Statistics()
    made.ran(Run(6, 0.25, 0.0, 0.0), [Request()] * 3, (0.0, 1.0, 1.0))
    for kind in (ErrorKind.BUSY.name, CANCELLED, ErrorKind.WORKER_CRASHED.name, ErrorKind.INVALID_INPUT.name, ErrorKind.INVALID_INPUT.name):
        made.failed(0.5, kind)
    made.responded(0, Run(1, 0.0), 0.3)
    return made


def model(name="m", **more):
    told = {"state": "READY", "adapter": "onnx", "isolation": "process", "load_s": 1.5, "workers": ["ready", "waiting"], "restarts": 2}
    told |= {"waiting": 3, "running": 1, "most_waiting": 10, "most_waiting_bytes": 100, "decoupled": True, "memory": 7}
    told |= {"done": busy().snapshot(0.0), "gpu_memory": {"cuda:0": 5}}
    return ModelReading(id=name, version="1", **{**told, **more})


def pool(**more):
    host = HostReading(0.5, 1000, 400, 50, [GPU])
    wires = [WireReading("http", 2, {"200": 5, "404": 1})]
    return PoolReading(**{"id": "7", "version": "2.0", "uptime_s": 3.0, "ready": True, "models": [model()], **more}, host=host, wires=wires)


def read(reading, accept="", metrics=None):
    """Each sample of the page: its name and labels → its value; and what type each family says that it is of."""
    kind, page = (metrics or Metrics()).page(reading, accept, own=True)
    assert kind.startswith(accept or "text/plain; version=0.0.4")
    families = list(READERS[accept](page.decode()))
    samples = {}
    for family in families:
        for sample in family.samples:
            name = sample.name if f"# TYPE {sample.name} " in page.decode() else sample.name.removesuffix("_total")  # which the parser adds
            key = (name if family.type == "counter" and not accept else sample.name, *sorted(sample.labels.items()))
            assert key not in samples, f"{key} is there twice"
            samples[key] = sample.value
    return samples, {family.name: family.type for family in families}


def value(samples, name, **labels):
    return samples[(name, *sorted({"model": "m", "version": "1", **labels}.items()))]


@pytest.mark.parametrize("accept", READERS)
def test_what_was_done_is_what_is_told(accept):
    samples, types = read(pool(), accept)
    assert value(samples, "zeromind_requests_total", outcome="OK") == 3
    assert value(samples, "zeromind_requests_total", outcome="INVALID_INPUT") == 2
    assert value(samples, "zeromind_requests_total", outcome="CANCELLED") == 1
    assert value(samples, "zeromind_stage_seconds_count", stage="model") == 3
    assert value(samples, "zeromind_stage_seconds_sum", stage="model") == 0.75
    assert value(samples, "zeromind_stage_seconds_bucket", stage="model", le="0.25") == 3
    assert value(samples, "zeromind_stage_seconds_bucket", stage="model", le="0.1") == 0
    assert value(samples, "zeromind_stage_seconds_sum", stage="queue") == 1.5
    assert [value(samples, "zeromind_batch_size_bucket", le=le) for le in ("4.0", "8.0", "+Inf")] == [0, 1, 1]
    assert value(samples, "zeromind_batch_size_sum") == 6
    assert [value(samples, "zeromind_workers", state=state) for state in ("ready", "starting", "waiting")] == [1, 0, 1]
    assert value(samples, "zeromind_worker_restarts_total") == 2
    assert value(samples, "zeromind_first_response_seconds_sum") == 0.3
    assert samples["zeromind_answers_total", ("protocol", "http"), ("status", "404")] == 1
    assert types["zeromind_stage_seconds"] == "histogram"


def test_tritons_names_have_tritons_units_and_reasons():
    samples, types = read(pool())
    assert value(samples, "nv_inference_request_success") == 3
    for reason, count in {"REJECTED": 1, "CANCELED": 1, "BACKEND": 1, "OTHER": 2}.items():
        assert value(samples, "nv_inference_request_failure", reason=reason) == count
    assert (value(samples, "nv_inference_count"), value(samples, "nv_inference_exec_count")) == (6, 1)
    assert value(samples, "nv_inference_compute_infer_duration_us") == 750_000
    assert value(samples, "nv_inference_queue_duration_us") == 1_500_000
    assert value(samples, "nv_inference_compute_infer_summary_us_sum") == 750_000
    assert value(samples, "nv_inference_compute_infer_summary_us", quantile="0.99") == pytest.approx(250_000, rel=0.25)
    assert value(samples, "nv_inference_first_response_histogram_ms_bucket", le="500.0") == 1
    assert value(samples, "nv_inference_first_response_histogram_ms_sum") == 300
    assert value(samples, "nv_inference_pending_request_count") == 3
    assert samples["nv_gpu_utilization", ("gpu_uuid", "GPU-1")] == 0.5
    assert samples[("nv_cpu_memory_used_bytes",)] == 400
    assert types["nv_inference_count"] == "counter"
    assert types["nv_inference_queue_summary_us"] == "summary"


def test_quantiles_of_a_model_that_nobody_asks_are_no_numbers():
    samples, _ = read(pool(models=[model(done=Statistics().snapshot(0.0))]))
    assert math.isnan(value(samples, "nv_inference_request_summary_us", quantile="0.5"))
    assert value(samples, "nv_inference_request_summary_us_count") == 0


@pytest.mark.parametrize("accept", READERS)
def test_all_that_is_declared_comes_with_its_type_and_labels_and_nothing_else(accept):
    samples, types = read(pool(absent=["gone"]), accept)
    families = {family.name.removesuffix("_total"): family for family in FAMILIES}
    assert len(families) == len(FAMILIES) == len(OURS) + len(TRITONS)
    assert set(types) == set(families)
    for name, family in families.items():
        unknown = accept and family.tritons and family.kind == "counter"  # OpenMetrics wants other names for counters
        assert types[name] == ("unknown" if unknown else family.kind)
        of_it = [key for key in samples if key[0] in {family.name + part for part in ("", "_bucket", "_sum", "_count")}]
        labels = {label for key in of_it for label, _ in key[1:]} - {"le", "quantile"}
        assert labels == set(family.labels), name
        assert family.help


def test_models_that_are_not_here_are_unavailable():
    samples, _ = read(pool(models=[], absent=["gone"]))
    assert value(samples, "zeromind_model_state", model="gone", state="UNAVAILABLE") == 1
    assert value(samples, "zeromind_model_state", model="gone", state="READY") == 0


def test_the_operators_own_are_those_of_one_pool_alone():
    mine, its = Metrics(), Metrics()
    for _ in range(2):
        mine.own(prometheus_client.Counter, "greetings", "How often somebody said hello.", ["who"]).labels("me").inc()
    assert read(pool(), metrics=mine)[0]["greetings_total", ("who", "me")] == 2
    assert not any(key[0].startswith("greetings") for key in read(pool(), metrics=its)[0])
    assert b"greetings" not in mine.page(pool(), "", own=False)[1]


def test_the_library_is_imported_when_somebody_asks():
    code = "import sys, zeromind.server; assert 'prometheus_client' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
