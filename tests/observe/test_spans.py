"""Traces reach a collector, over front and worker: a real one on loopback, real requests over HTTP and gRPC, parents given by clients."""

import http.server
import itertools
import json
import os
import subprocess
import sys
import threading
import time

import pytest
import tritonclient.grpc

from zeromind.errors import ConfigError
from zeromind.observe.spans import Served, Spans

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{PARENT}-01"
STAGES = ["queue", "input", "model", "output"]


class Collector:
    """Takes OTLP over HTTP; ``spans`` are what came, by attribute value."""

    def __init__(self):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

        collector = self
        self.spans, self.resources, self.paths = [], [], set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                data = self.rfile.read(int(self.headers["Content-Length"]))
                for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
                    collector.resources.append(values(resource.resource.attributes))
                    for scope in resource.scope_spans:
                        collector.spans.extend(scope.spans)
                collector.paths.add(self.path)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def named(self, name):
        return [span for span in self.spans if span.name == name]


def values(attributes):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@pytest.fixture(autouse=True)
def nothing_goes_on(monkeypatch, waiting):
    """A pool waits for its collector for seconds only: what the library still tries then must not reach into other tests."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    yield
    waiting(lambda: not [thread for thread in threading.enumerate() if thread.name == "traces" or thread.name.startswith("Otel")])


@pytest.fixture
def collector(monkeypatch):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with Collector() as collector:
        yield collector


TASKS = [{"id": "sum", "model_file": "sum.py"}, {"id": "lab", "model_file": "lab.py"}]
BODY = {"x": [[1, 2, 3]]}
OIP = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}
TRACED = {"Content-Type": "application/json", "traceparent": SAMPLED, "tracestate": "vendor=1"}


def family(collector, name):
    """The only span of that name and those below it, which are in order and within it."""
    (span,) = collector.named(name)
    below = sorted((one for one in collector.spans if one.parent_span_id == span.span_id), key=lambda one: one.start_time_unix_nano)
    for first, second in itertools.pairwise(below):
        assert first.end_time_unix_nano <= second.start_time_unix_nano + 1000
    for one in below:
        assert one.trace_id == span.trace_id
        assert span.start_time_unix_nano <= one.start_time_unix_nano <= one.end_time_unix_nano <= span.end_time_unix_nano
    return span, below


@pytest.mark.parametrize(
    "asked",
    [
        ("/model/predict", "/model/predict?id=sum", BODY),
        ("/model/predict", "/model/predict?more=1&id=sum", BODY),
        ("/v2/models/{id}/infer", "/v2/models/sum/infer", OIP),
    ],
)
def test_a_clients_trace_goes_through_front_and_worker(collector, thread_server, waiting, asked):
    route, path, body = asked
    with thread_server(tasks=TASKS, otlp_endpoint=collector.url, trace_ratio=0) as pool:
        now = time.time()
        answer = pool.post(path, body, headers={**TRACED, "X-Request-Id": "mine", "User-Agent": "test/1"})
        assert answer.status == 200
        waiting(lambda: collector.named(f"POST {route}") and len(collector.spans) >= 5)
        span, below = family(collector, f"POST {route}")
        assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, PARENT, "vendor=1")
        assert abs(span.start_time_unix_nano / 1e9 - now) < 30
        told = values(span.attributes)
        wanted = {"http.request.method": "POST", "http.response.status_code": 200, "http.route": route, "url.scheme": "http"}
        wanted |= {"url.path": path.partition("?")[0], "client.address": "127.0.0.1", "zeromind.request_id": "mine"}
        wanted |= {"zeromind.model": "sum", "user_agent.original": "test/1", "server.address": "127.0.0.1"}
        assert {key: told.get(key) for key in wanted} == wanted
        assert [one.name for one in below] == STAGES
        dispatcher = pool.server.engine.registry.get("sum").open
        pid = dispatcher._lanes[0].worker.pid
        for one in below[1:]:
            assert values(one.attributes) == {"zeromind.model": "sum", "process.pid": pid, "zeromind.batch_size": 1}
        assert pid != os.getpid()
    assert collector.resources[0]["service.name"] == "zeromind"
    assert collector.paths == {"/v1/traces"}


def test_the_span_of_the_model_is_as_long_as_the_model_takes(collector, thread_server, waiting):
    with thread_server(tasks=TASKS, otlp_endpoint=collector.url) as pool:
        assert pool.post("/model/predict?id=lab", {"order": ["sleep:0.2"]}, headers=TRACED).status == 200
        waiting(lambda: len(collector.spans) >= 5)
        _, below = family(collector, "POST /model/predict")
        took = {one.name: (one.end_time_unix_nano - one.start_time_unix_nano) / 1e9 for one in below}
        assert took["model"] >= 0.19
        assert took["model"] > took["input"] + took["output"]


def test_grpc_calls_have_theirs(collector, thread_server, waiting):
    with thread_server(tasks=TASKS, otlp_endpoint=collector.url, trace_ratio=0) as pool:
        with tritonclient.grpc.InferenceServerClient(pool.server.grpc_address) as client:
            given = tritonclient.grpc.InferInput("x", [1, 3], "FP32")
            import numpy as np

            given.set_data_from_numpy(np.ones((1, 3), np.float32))
            client.infer("sum", [given], headers={"traceparent": SAMPLED, "x-request-id": "theirs"})
            with pytest.raises(tritonclient.grpc.InferenceServerException):
                client.infer("none", [given], headers={"traceparent": SAMPLED})
        name = "inference.GRPCInferenceService/ModelInfer"
        waiting(lambda: len(collector.named(name)) == 2 and len(collector.spans) >= 6)
        good = next(span for span in collector.named(name) if values(span.attributes)["zeromind.request_id"] == "theirs")
        told = values(good.attributes)
        assert (good.trace_id.hex(), good.parent_span_id.hex()) == (TRACE, PARENT)
        assert (told["rpc.system.name"], told["rpc.method"], told["rpc.response.status_code"]) == ("grpc", name, "OK")
        below = sorted((one for one in collector.spans if one.parent_span_id == good.span_id), key=lambda one: one.start_time_unix_nano)
        assert [one.name for one in below] == STAGES
        other = next(span for span in collector.named(name) if span is not good)
        assert values(other.attributes)["rpc.response.status_code"] == "NOT_FOUND"
        assert other.status.code == 0  # a client's mistake is no error of a server's (semantic conventions)


def test_faults_of_ours_are_errors(collector, thread_server, waiting):
    with thread_server(tasks=TASKS, otlp_endpoint=collector.url, trace_ratio=0) as pool:
        assert pool.post("/model/predict?id=lab", {"order": ["fail"]}, headers=TRACED).status == 500
        assert pool.post("/model/predict?id=lab", {"order": [1.5]}, headers=TRACED).status == 400
        waiting(lambda: len(collector.named("POST /model/predict")) == 2)
        by_status = {values(span.attributes)["http.response.status_code"]: span for span in collector.named("POST /model/predict")}
        failed = by_status[500]
        assert failed.status.code == 2
        assert values(failed.attributes)["error.type"] == "PREDICTION_FAILED"
        assert [event.name for event in failed.events] == ["exception"]
        assert "a secret of the skill" not in str(failed)
        assert (by_status[400].status.code, len(by_status[400].events)) == (0, 0)


def test_what_no_trace_wants_is_not_sent(collector, thread_server, waiting):
    with thread_server(tasks=TASKS, otlp_endpoint=collector.url, trace_ratio=0) as pool:
        for headers in ({}, {"traceparent": SAMPLED[:-2] + "00"}, {"traceparent": "damaged"}):
            assert pool.post("/model/predict?id=sum", BODY, headers={"Content-Type": "application/json", **headers}).status == 200
        assert pool.get("/v2/health/live", headers={"traceparent": SAMPLED}).status == 200
        waiting(lambda: collector.named("GET /v2/health/live"))
    assert len(collector.spans) == 1


def test_without_a_clients_trace_one_begins(collector, thread_server):
    with thread_server(tasks=TASKS, otlp_endpoint=collector.url, trace_ratio=1) as pool:
        assert pool.get("/info?token=abc&x=1").status == 200
        assert pool.get("/none/such").status == 404
    (span,) = collector.named("GET /info")  # what waits is sent when the pool stops
    assert (span.parent_span_id, values(span.attributes)["url.query"]) == (b"", "token=***&x=1")
    assert [values(one.attributes)["http.response.status_code"] for one in collector.named("GET")] == [404]


def test_the_sdks_variables_hold(collector, thread_server, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "skills")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    with thread_server(otlp_endpoint=collector.url + "/other/path") as pool:
        assert pool.get("/info").status == 200
    assert collector.named("GET /info")
    assert collector.resources[0].items() >= {"service.name": "skills", "deployment.environment.name": "test"}.items()
    assert collector.paths == {"/other/path"}


def test_a_collector_that_is_not_there_holds_nothing_up(thread_server):
    with thread_server(tasks=TASKS, otlp_endpoint="http://127.0.0.1:9", trace_ratio=1) as pool:
        assert pool.predict("sum", BODY).status == 200
        begun = time.monotonic()
    assert time.monotonic() - begun < 20


def test_two_pools_keep_to_themselves(collector, thread_server):
    with Collector() as other:
        with thread_server(otlp_endpoint=collector.url, trace_ratio=1) as one, thread_server(otlp_endpoint=other.url, trace_ratio=1) as two:
            assert (one.get("/info").status, two.get("/model/list").status) == (200, 200)
        assert [span.name for span in other.spans if "health" not in span.name] == ["GET /model/list"]
    assert [span.name for span in collector.spans if "health" not in span.name] == ["GET /info"]


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match=r"otlp_endpoint.*pip install 'zeromind\[otel\]'"):
        Spans("http://127.0.0.1:4318")


def test_an_endpoint_is_a_url(configured):
    with pytest.raises(ConfigError, match="otlp_endpoint"):
        configured(otlp_endpoint="collector:4318")


def test_nothing_is_imported_for_a_pool_without_traces():
    code = "import sys, zeromind.server; print([name for name in sys.modules if name.startswith(('opentelemetry', 'requests'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == []


def test_a_request_is_recorded_as_its_trace_says_and_else_by_chance():
    spans = Spans("http://127.0.0.1:9", 0.5)
    try:
        assert spans.wants(SAMPLED)
        assert not spans.wants(SAMPLED[:-1] + "2")
        assert 300 < sum(spans.wants("") for _ in range(1000)) < 700
    finally:
        spans._provider.shutdown()


def test_served_is_all_that_is_asked(collector):
    spans = Spans(collector.url)
    now = time.monotonic()
    spans.record(Served("one", now - 1, now, {"a": 1}))
    spans.close()
    (span,) = collector.spans
    assert (span.name, values(span.attributes)) == ("one", {"a": 1})
    assert span.end_time_unix_nano - span.start_time_unix_nano == pytest.approx(1e9, rel=1e-3)


def test_what_clients_make_up_is_cut(collector, thread_server, waiting):
    with thread_server(tasks=TASKS, otlp_endpoint=collector.url, trace_ratio=0) as pool:
        headers = {**TRACED, "User-Agent": "a" * 20_000}
        assert pool.get("/" + "b" * 20_000 + "?token=c&d=" + "e" * 20_000, headers=headers).status == 404
        waiting(lambda: collector.spans)
    (span,) = collector.spans
    told = values(span.attributes)
    assert [len(told[name]) for name in ("user_agent.original", "url.path", "url.query")] == [1000] * 3
    assert told["url.query"].startswith("token=***&d=e")
