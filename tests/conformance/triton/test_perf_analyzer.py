"""Triton's load generator, a program in C++: each way of asking that it has, measured for a moment.

It tells what it has counted itself and what the server's statistics say of the same time.
"""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zeromind.observe.metrics import Metrics
from zeromind.observe.reading import DeviceReading, HostReading, PoolReading

HOME = Path(sys.prefix) / "perf_analyzer"
"""Where `make test` puts it, with the library that it needs."""
TRIALS = ("--max-trials", "3", "--stability-percentage", "1000", "-v")
SHORT = ("--measurement-interval", "300")
COUNTED = ("--measurement-mode", "count_windows", "--measurement-request-count", "20", "--measurement-interval", "200")
MEMORY = ("--shared-memory", "system", "--output-shared-memory-size", "1024")
STREAM = ("--async", "--streaming")

GPU = DeviceReading(0, "a GPU", "GPU-1", 1000, 250, 50.0, 70.5, 300.0, 12.25)
WITH_GPU = PoolReading("1", "2.0", 3.0, True, [], host=HostReading(0.5, 1000, 400, 50, [GPU]))


@pytest.fixture(scope="module")
def analyze():
    """A function that runs it with arguments, and gives what it prints."""
    program = HOME / "perf_analyzer"
    if not program.exists():
        pytest.skip("perf_analyzer is not installed: `make test` fetches it, where there is one for such a machine")

    def run(*arguments):
        environment = {**os.environ, "LD_LIBRARY_PATH": str(HOME)}
        return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)

    missing = re.search(r"error while loading shared libraries: (\S+):", run("--version").stderr)
    if missing:
        pytest.skip(f"perf_analyzer lacks {missing[1]}: apt install libb64-0d")
    return run


def measured(answer):
    """For each load what was measured: ``{"requests", "throughput", "inferences", "executions", "successes"}``."""
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "rror" not in answer.stdout + answer.stderr
    names = {
        "requests": r"Request count: (\d+)",
        "throughput": r"Throughput: ([\d.e+]+) infer/sec",
        "inferences": r"Inference count: (\d+)",
        "executions": r"Execution count: (\d+)",
        "successes": r"Successful request count: (\d+)",
    }
    told, _, _ = answer.stdout.partition("Inferences/Second vs.")  # which begins the summary
    parts = re.split(r"^Request (?:concurrency|Rate): ", told, flags=re.MULTILINE)[1:]
    return [{name: float(re.search(f"^ *{form}", part, re.MULTILINE)[1]) for name, form in names.items()} for part in parts]


def statistics(served, model):
    (told,) = served.get(f"/v2/models/{model}/stats").json["model_stats"]
    inference = told["inference_stats"]
    return told["inference_count"], inference["success"]["count"], inference["fail"]["count"]


def check(answer, loads, batch):
    """The server's own counts are those of the client, but for requests at the edges of what was measured."""
    results = measured(answer)
    assert len(results) == loads
    for result in results:
        assert result["throughput"] > 0
        assert result["requests"] > 0
        assert result["inferences"] == batch * result["successes"]
        assert 0 < result["executions"] <= result["successes"]
        assert result["successes"] == pytest.approx(result["requests"], rel=0.2, abs=20)


WAYS = {
    "": (1, 1, COUNTED),
    "async": (1, 1, ("--async", *SHORT)),
    "batch": (4, 1, ("-b", "4", *SHORT)),
    "loads": (1, 2, ("--concurrency-range", "1:2", *SHORT)),
    "rate": (1, 1, ("--request-rate-range", "100", *SHORT)),
    "memory": (1, 1, (*MEMORY, *SHORT)),
    "memory-batch": (4, 1, (*MEMORY, "-b", "4", "--async", *SHORT)),
    "trace": (1, 1, ("--trace-level", "TIMESTAMPS", "--trace-rate", "10", "--trace-count", "5", *SHORT)),
}
"""By name: rows of a request, loads one after the other, arguments."""
OWN = {
    "http": {
        "json": (4, 1, ("-b", "4", "--input-tensor-format", "json", "--output-tensor-format", "json", *SHORT)),
    },
    "grpc": {
        "stream": (1, 1, (*STREAM, *SHORT)),
        "stream-batch": (2, 1, (*STREAM, "-b", "2", "--concurrency-range", "4", *SHORT)),
        "compressed": (1, 1, ("--grpc-compression-algorithm", "gzip", *SHORT)),
    },
}
CASES = [(wire, name) for wire in OWN for name in (*WAYS, *OWN[wire])]


@pytest.mark.parametrize(("wire", "name"), CASES)
def test_every_way_of_asking(analyze, served, wire, name):
    batch, loads, arguments = {**WAYS, **OWN[wire]}[name]
    before = statistics(served, "double")
    answer = analyze("-m", "double", "-i", wire, "-u", address(served, wire), *TRIALS, *arguments)
    check(answer, loads, batch)
    inferences, successes, failures = (now - then for now, then in zip(statistics(served, "double"), before, strict=True))
    assert inferences == batch * successes
    assert failures == 0
    assert served.get("/v2/systemsharedmemory/status").json == []


def address(served, wire):
    return served.grpc if wire == "grpc" else served.address


def test_a_decoupled_model(analyze, served, tmp_path):
    data = tmp_path / "numbers.json"
    data.write_text(json.dumps({"data": [{"to": [3], "stumble": [-1]}]}))
    answer = analyze("-m", "count", "-i", "grpc", "-u", served.grpc, *STREAM, "--input-data", str(data), *TRIALS, *SHORT)
    check(answer, loads=1, batch=1)
    (result,) = measured(answer)
    responses = float(re.search(r"Response Throughput: ([\d.e+]+)", answer.stdout)[1])
    assert responses == pytest.approx(3 * result["throughput"], rel=0.05)


def test_a_model_that_is_not_there(analyze, served):
    answer = analyze("-m", "none", "-i", "grpc", "-u", served.grpc)
    assert answer.returncode != 0
    assert "Request for unknown model: 'none' is not found" in answer.stdout + answer.stderr


class Page(http.server.BaseHTTPRequestHandler):
    """Metrics such as a pool with a GPU gives."""

    def do_GET(self):
        kind, page = Metrics().page(WITH_GPU, self.headers.get("Accept", ""), own=True)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


@pytest.fixture
def page():
    """The address of a page of metrics with those of a GPU, which need not be in this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()
        serving.join()


def test_metrics_are_collected(analyze, served, page):
    reading = ("--collect-metrics", "--metrics-interval", "100", *TRIALS, *SHORT)
    mine = analyze("-m", "double", "-i", "grpc", "-u", served.grpc, "--metrics-url", f"{served.url}/metrics", *reading)
    check(mine, loads=1, batch=1)
    assert "Unable to parse 'nv_inference" not in mine.stderr
    gpu = analyze("-m", "double", "-i", "grpc", "-u", served.grpc, "--metrics-url", page, *reading)
    check(gpu, loads=1, batch=1)
    assert "Unable to parse" not in gpu.stderr
    told = gpu.stdout.partition("Server Prometheus Metrics:")[2]
    for form in (r"GPU Utilization:\s+GPU-1 : 50%", r"Power Usage:\s+GPU-1 : 70\.5 watts", r"GPU Memory Usage:\s+GPU-1 : 250 bytes"):
        assert re.search(form, told), told
