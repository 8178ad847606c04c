"""``zeromind bench`` against real servers: what it counts, what it prints, what it says where it cannot."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading

import click.testing
import pytest

from zeromind.cli import commands
from zeromind.cli.results import name

LAB = {"id": "lab", "model_type": "python", "model_file": "lab.py", "allow_code": True, "isolation": "thread"}
SUM = {**LAB, "id": "sum", "model_file": "sum.py"}
FILTERED = {**SUM, "id": "filtered", "input_filters": {"x": ["own.Split"]}}
PICTURE = {**LAB, "id": "picture", "model_file": "square.py", "input_filters": {"picture": ["image.ImageFilter"]}}
QUICK = ["--duration", "0.3", "--warmup", "0.1"]
COUNTING = {**LAB, "id": "counting", "model_file": "counting.py"}
TIRED = {**LAB, "id": "tired", "model_file": "tired.py"}
SKILLS = {
    "square": '''
"""The mean of a picture."""


class Skill:
    inputs = {"picture": ("float32", [None, 4, 4, 1])}
    outputs = {"mean": ("float32", [None])}

    def predict(self, picture):
        return picture.mean(axis=(1, 2, 3))
''',
    "counting": '''
"""Leaves a file behind when it has been called often."""

from pathlib import Path


class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"y": ("float32", [None])}
    calls = 0

    def predict(self, x):
        self.calls += 1
        if self.calls == 20:
            Path("{often}").touch()
        return x
''',
    "tired": '''
"""Is quick once."""

import time


class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"y": ("float32", [None])}
    calls = 0

    def predict(self, x):
        self.calls += 1
        if self.calls > 1:
            time.sleep(0.5)
        return x
''',
}


@pytest.fixture(scope="module")
def pool(thread_server, models):
    for skill, text in SKILLS.items():
        (models / f"{skill}.py").write_text(text.replace("{often}", str(models / "often")))
    tasks = [LAB, SUM, FILTERED, PICTURE, COUNTING, TIRED]
    with thread_server(tasks=tasks, filter_folders=[str(models / "filters")], max_queue=40) as client:
        yield client


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """Run the command in this process; gives its exit code, what it printed, and its complaints."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        result = click.testing.CliRunner().invoke(commands, ["bench", *map(str, arguments)], prog_name="zeromind")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return call


def orders(tmp_path, *texts):
    """A request for the lab, in a file."""
    path = tmp_path / "order.json"
    path.write_text(json.dumps({"order": texts}))
    return path


def runs(output):
    return json.loads(output)["runs"]


def test_counts_are_exact(bench, pool):
    code, output, _ = bench(pool.url, "sum", "--rate", "50,100", *QUICK, "--json")
    assert code == 0
    assert [(run["rate"], run["requests"], run["answered"], run["failed"]) for run in runs(output)] == [(50, 15, 15, {}), (100, 30, 30, {})]
    document = json.loads(output)
    assert (document["url"], document["model"], document["path"]) == (pool.url, "sum", "/v2/models/sum/infer")
    assert document["request"] == "random numbers: x [1, 3] FP32"
    assert (document["arrivals"], document["seconds"], document["warmup_s"], document["connections"]) == ("poisson", 0.3, 0.1, 64)


def test_a_table_for_people(bench, pool):
    code, output, complaints = bench(pool.url, "sum", "--rate", "100", *QUICK, "--batch", "2", "--arrivals", "constant")
    assert code == 0
    assert f"POST {pool.url}/v2/models/sum/infer: random numbers: x [2, 3] FP32" in output
    assert "64 connections, constant arrivals; latency in milliseconds from when a request was due" in output
    assert re.search(r"offered +answers/s +mean +p50 +p90 +p95 +p99 +p99.9 +max +failed", output)
    assert re.search(r"^100/s +\S+( +\S+){7} +0$", output, re.MULTILINE)
    assert "100/s: 30 requests, all answered; " in output
    assert complaints == "", "no progress bar where nobody looks"


def test_latencies_are_at_least_what_the_model_takes(bench, pool, tmp_path):
    code, output, _ = bench(pool.url, "lab", "--data", orders(tmp_path, "sleep:0.02"), "--rate", 20, "--duration", 2, "--json")
    assert code == 0
    (run,) = runs(output)
    assert run["requests"] == 40
    assert min(run["latency_ms"].values()) >= 20


def test_without_a_rate_it_finds_one(bench, pool):
    code, output, _ = bench(pool.url, "sum", *QUICK, "--clients", 2, "--json")
    assert code == 0
    most, half, more = runs(output)
    assert most["rate"] is None
    assert half["rate"] == pytest.approx(most["throughput"] / 2, rel=0.05)
    assert more["rate"] == pytest.approx(most["throughput"] * 0.8, rel=0.05)


def test_a_closed_loop(bench, pool):
    code, output, _ = bench(pool.url, "sum", "--closed", *QUICK, "--clients", 3, "--protocol", "0mind")
    assert code == 0
    assert "/model/predict?id=sum" in output
    assert "3 connections, a closed loop; latency in milliseconds from when a request was sent" in output
    assert re.search(r"^3 clients: [\d,]+ requests, all answered; each client", output, re.MULTILINE)


def test_failures_are_told_by_status_and_make_it_fail(bench, pool, tmp_path):
    load = ["--data", orders(tmp_path, "sleep:0.01"), "--closed", "--clients", 60, "--duration", 0.3, "--warmup", 0]
    code, output, _ = bench(pool.url, "lab", *load)
    assert code == 1
    assert re.search(r"  [\d,]+ x 503: .*try again shortly", output)
    code, output, _ = bench(pool.url, "lab", *load, "--json")
    assert code == 1
    (run,) = runs(output)
    assert run["failed"] == {"503": run["requests"] - run["answered"]}


def test_nothing_answered_in_time_fails(bench, pool):
    code, output, _ = bench(pool.url, "tired", "--rate", 20, *QUICK, "--timeout", 0.2, "--connections", 1)
    assert code == 1
    assert "x timeout: sent, but not answered in time" in output


def test_pictures_are_made_for_the_filters_that_take_them(bench, pool):
    code, output, _ = bench(pool.url, "picture", "--rate", 50, *QUICK)
    assert code == 0
    assert "/model/predict?id=picture: a random picture, PNG of" in output
    code, output, _ = bench(pool.url, "picture", "--rate", 50, *QUICK, "--protocol", "v2")
    assert code == 0
    assert "/v2/models/picture/infer: random pictures as base64" in output


def test_a_file_is_sent_as_it_is(bench, pool, tmp_path):
    (tmp_path / "ask.json").write_text('{"x": ["1 2 3"]}')
    code, output, _ = bench(pool.url, "filtered", "--data", "ask.json", "--rate", 50, *QUICK)
    assert code == 0
    assert "/model/predict?id=filtered: 16 bytes of application/json" in output
    (tmp_path / "v2").write_text('{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}')
    code, output, _ = bench(pool.url, "sum", "--data", "v2", "--rate", 50, *QUICK)
    assert code == 0
    assert "/v2/models/sum/infer" in output


def test_the_result_goes_into_a_file_too(bench, pool, tmp_path):
    code, output, _ = bench(pool.url, "sum", "--rate", 50, *QUICK, "--output", "out.json")
    assert code == 0
    assert "50/s: 15 requests" in output
    assert runs((tmp_path / "out.json").read_text())[0]["answered"] == 15


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none"], "'none' is not loaded; it serves counting, filtered, lab, picture, sum, tired"),
        (["filtered"], "send a request of your own: --data FILE"),
        (["sum", "--data", __file__], "the server answered 415"),
        (["sum", "--rate", "0"], "requests per second"),
        (["sum", "--rate", "5,x"], "'5,x'"),
        (["sum", "--rate", "nan"], "'nan'"),
        (["sum", "--rate", "5", "--closed"], "either --rate or --closed"),
        (["sum", "--rate", "1e6", "--duration", "100"], "10,000,000 requests"),
        (["sum", "-H", "no colon"], "'Name: value'"),
        (["sum", "-H", "X: a\r\nY: b"], "'Name: value'"),
        (["sum", "--data", "none.json"], "none.json"),
        (["sum", "--rate", "50", *QUICK, "--output", "none/out.json"], "none/out.json cannot be written"),
    ],
)
def test_what_cannot_be_done_is_told(bench, pool, arguments, words):
    code, _, complaints = bench(pool.url, *arguments)
    assert code in (1, 2)
    assert words in complaints.replace("\n", " ")


def test_a_header_is_sent(bench, pool):
    code, _, complaints = bench(pool.url, "sum", "-H", "Content-Encoding: br", "--rate", 10, *QUICK)
    assert code == 1
    assert "the server answered 501" in complaints


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("127.0.0.1:5885", 2, "must begin with http://"),
        ("http://127.0.0.1:{free}", 1, "start one: zeromind serve"),
        ("{pool}/console", 1, "without a path"),
    ],
)
def test_a_url_where_no_server_is(bench, pool, url, code, words):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    found, _, complaints = bench(url.format(free=free, pool=pool.url), "sum")
    assert found == code
    assert words in complaints


def test_what_does_not_speak_http(bench):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            link, _ = server.accept()
            with link:
                link.recv(65536)
                link.sendall(b"220 ready\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        code, _, complaints = bench(f"http://127.0.0.1:{server.getsockname()[1]}", "sum")
        thread.join(10)
    assert code == 1
    assert "is no 0Mind server, as it does not speak HTTP: 220 ready" in complaints


def test_more_connections_than_files_may_be_open(pool):
    script = 'ulimit -n 60; exec "$0" -m zeromind bench "$1" sum --rate 10 --connections 200'
    done = subprocess.run(["/bin/sh", "-c", script, sys.executable, pool.url], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "ulimit -n" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_early_and_tells_what_was_measured(pool, models, waiting, tmp_path):
    command = [sys.executable, "-m", "zeromind", "bench", pool.url, "counting", "--rate", "100,200", "--duration", "600", "--warmup", "0"]
    output = tmp_path / "out.json"
    process = subprocess.Popen([*command, "--output", str(output)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        waiting(lambda: process.poll() is not None or (models / "often").exists())
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, text
    assert "ended early after" in text
    assert "Traceback" not in text
    (run,) = runs(output.read_text())
    assert run["interrupted"]
    assert run["answered"] == run["requests"] > 0


@pytest.mark.parametrize(
    ("rate", "connections", "shown"), [(1500.0, 8, "1,500/s"), (0.25, 8, "0.25/s"), (50.0, 8, "50/s"), (None, 8, "8 clients")]
)
def test_a_run_is_called_by_its_rate_or_its_clients(rate, connections, shown):
    assert name(rate, connections) == shown
