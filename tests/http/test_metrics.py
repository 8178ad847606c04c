"""Metrics over a real socket, read by Prometheus's own parsers: exact after known traffic, for every wire, with the operator's own."""

import gzip
import os
import signal

import numpy as np
import pytest
import tritonclient.grpc
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

OWN = '''
"""Counts what it is asked."""

import prometheus_client

from zeromind.access.scope import Scope
from zeromind.http.handler import Handler


class Greet(Handler):
    """Says hello."""

    route = "/greet"
    scopes = {"GET": Scope.READ}

    def get(self):
        self.engine.metrics.own(prometheus_client.Counter, "greetings", "How often.").inc()
        self.send({"hello": "world"})
'''
STREAM = '''
"""Counts up to what it is asked for."""


class Skill:
    inputs = {"to": ("int32", [1])}
    outputs = {"number": ("int32", [1])}

    def predict(self, to):
        for number in range(int(to[0])):
            yield {"number": [number]}
'''
TASKS = [
    {"id": "lab", "model_file": "lab.py"},
    {"id": "sum", "model_file": "sum.py"},
    {"id": "count", "model_file": "count.py"},
    {"id": "gone", "model_file": "nothing.py"},
]


@pytest.fixture(scope="module")
def folder(models, tmp_path_factory):
    (models / "count.py").write_text(STREAM)
    place = tmp_path_factory.mktemp("handlers")
    (place / "own.py").write_text(OWN)
    return place


@pytest.fixture
def pool(thread_server, folder):
    with thread_server(tasks=TASKS, handler_folders=[str(folder)]) as client:
        yield client


def scraped(client, route="/metrics", **headers):
    """Every sample by its name and labels."""
    answer = client.get(route, headers=headers)
    assert answer.status == 200, answer
    read = openmetrics if "openmetrics" in answer.headers["Content-Type"] else parser
    samples = [sample for family in read.text_string_to_metric_families(answer.data.decode()) for sample in family.samples]
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}


def value(samples, name, model=None, **labels):
    named = {"model": model, "version": "1"} if model else {}
    return samples[(name, *sorted({**named, **labels}.items()))]


def test_counts_after_known_traffic_are_exact(pool):
    for _ in range(4):
        assert pool.predict("sum", {"x": [[1, 2, 3]] * 3}).status == 200
    assert pool.predict("sum", {"x": "text"}).status == 400
    assert pool.predict("lab", {"order": ["fail"]}).status == 500
    data = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
    assert pool.post("/v2/models/sum/infer", data).status == 200
    with tritonclient.grpc.InferenceServerClient(pool.server.grpc_address) as client:
        given = tritonclient.grpc.InferInput("x", [2, 3], "FP32")
        given.set_data_from_numpy(np.zeros((2, 3), np.float32))
        client.infer("sum", [given])
        samples = scraped(pool)
        assert value(samples, "zeromind_connections", protocol="grpc") == 1
    assert value(samples, "zeromind_requests_total", "sum", outcome="OK") == 6
    assert value(samples, "zeromind_requests_total", "sum", outcome="INVALID_INPUT") == 1
    assert value(samples, "zeromind_requests_total", "lab", outcome="PREDICTION_FAILED") == 1
    assert [value(samples, "zeromind_batch_size_bucket", "sum", le=le) for le in ("1.0", "2.0", "4.0", "+Inf")] == [1, 2, 6, 6]
    assert value(samples, "zeromind_batch_size_sum", "sum") == 15
    for stage in ("request", "queue", "input", "model", "output"):
        assert value(samples, "zeromind_stage_seconds_count", "sum", stage=stage) == 6
        assert value(samples, "zeromind_stage_seconds_bucket", "sum", stage=stage, le="100.0") == 6
    assert value(samples, "nv_inference_count_total", "sum") == 15
    assert value(samples, "nv_inference_request_failure_total", "sum", reason="OTHER") == 1
    assert value(samples, "nv_inference_request_failure_total", "lab", reason="BACKEND") == 1
    assert value(samples, "zeromind_answers_total", protocol="grpc", status="OK") == 1
    assert value(samples, "zeromind_answers_total", protocol="http", status="500") == 1
    assert value(samples, "zeromind_model_memory_bytes", "sum") > 1 << 20
    assert value(samples, "zeromind_server_memory_bytes") > 1 << 20
    assert value(samples, "zeromind_model_state", "sum", state="READY") == 1
    assert value(samples, "zeromind_model_state", "gone", state="UNAVAILABLE") == 1
    assert value(samples, "zeromind_ready") == 1
    assert 0 <= value(samples, "nv_cpu_utilization") <= 1
    (told,) = pool.get("/v2/models/sum/stats").json["model_stats"]
    queue_us = told["inference_stats"]["queue"]["ns"] / 1000
    assert value(samples, "nv_inference_queue_duration_us_total", "sum") == pytest.approx(queue_us, abs=1)


def test_a_killed_worker_is_a_restart(pool, waiting):
    os.kill(pool.pid(), signal.SIGKILL)
    waiting(lambda: value(scraped(pool), "zeromind_worker_restarts_total", "lab") == 1)
    waiting(lambda: value(scraped(pool), "zeromind_workers", "lab", state="ready") == 1)
    assert value(scraped(pool), "zeromind_worker_restarts_total", "sum") == 0


def test_what_was_dropped_is_no_model_that_is_missing(pool):
    assert pool.load({"id": "passing", "model_file": "sum.py"}).status == 200
    assert value(scraped(pool), "zeromind_model_state", "passing", state="READY") == 1
    assert pool.drop("passing").status == 200
    samples = scraped(pool)
    assert not any(("model", "passing") in labels for _, *labels in samples)
    assert value(samples, "zeromind_model_state", "gone", state="UNAVAILABLE") == 1


def test_a_streams_first_response_is_counted_once(pool):
    assert pool.post("/v2/models/count/generate_stream", {"to": [3]}).status == 200
    samples = scraped(pool)
    assert value(samples, "zeromind_first_response_seconds_count", "count") == 1
    assert value(samples, "nv_inference_first_response_histogram_ms_count", "count") == 1
    assert value(samples, "zeromind_requests_total", "count", outcome="OK") == 1
    assert ("zeromind_first_response_seconds_count", ("model", "sum"), ("version", "1")) not in samples


def test_whoever_asks_for_openmetrics_gets_it(pool):
    prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
    answer = pool.get("/metrics", headers={"Accept": prometheus})
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.data.endswith(b"# EOF\n")
    assert value(scraped(pool, Accept=prometheus), "nv_inference_count", "sum") == 0
    for accept in ("*/*", "text/html", "application/openmetrics-text;version=one,"):
        assert pool.get("/metrics", headers={"Accept": accept}).status == 200
    assert pool.get("/metrics").headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_a_page_may_be_compressed(pool):
    answer = pool.get("/metrics", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"zeromind_ready 1.0" in gzip.decompress(answer.data)
    assert "Content-Encoding" not in pool.get("/metrics").headers


def test_tensorflow_servings_path_answers_the_same(pool):
    mine, its = scraped(pool), scraped(pool, "/monitoring/prometheus/metrics")
    assert set(mine) == set(its)


def test_the_operators_own_metrics_are_there(pool):
    for _ in range(2):
        assert pool.get("/greet").status == 200
    assert scraped(pool)[("greetings_total",)] == 2


def test_a_model_that_was_dropped_is_told_no_more(pool):
    pool.load({"id": "double", "model_file": "double.onnx"})
    assert value(scraped(pool), "zeromind_model_info", "double", adapter="onnx", isolation="process") == 1
    pool.drop("double")
    assert not any(("model", "double") in key and key[0] != "zeromind_model_state" for key in scraped(pool))
