"""The access log: a line for each answered request, whatever becomes of the file."""

import itertools
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tritonclient.grpc

from zeromind.errors import ConfigError
from zeromind.observe.access import AccessLog
from zeromind.observe.line import Json, Line, Text, cut, without_secrets

BODY = {"x": [[1, 2, 3]]}
TASKS = [{"id": "sum", "model_file": "sum.py"}, {"id": "lab", "model_file": "lab.py"}]
LINE = re.compile(
    r'(?P<client>\S+) - (?P<who>\S+) \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "(?P<asked>[^"]*)"'
    r' (?P<status>\d+) (?P<sent>\d+) in=(?P<received>\d+) ms=(?P<ms>\d+\.\d{3}) id="(?P<id>[^"]*)"'
    r'(?: model="(?P<model>[^"]*)")?(?: stages=(?P<stages>[\d./]+))?\n'
)


def lines(file):
    found = [LINE.fullmatch(line) for line in file.read_text().splitlines(keepends=True)]
    assert all(found), file.read_text()
    return [one for one in found if "/v2/health" not in one["asked"]]


def infer(pool, model="sum", **headers):
    with tritonclient.grpc.InferenceServerClient(pool.server.grpc_address) as client:
        given = tritonclient.grpc.InferInput("x", [1, 3], "FP32")
        given.set_data_from_numpy(np.ones((1, 3), np.float32))
        client.infer(model, [given], headers=headers)


def test_each_answer_has_a_line(thread_server, tmp_path):
    file = tmp_path / "access.log"
    with thread_server(tasks=TASKS, access_log=str(file)) as pool:
        body = json.dumps(BODY).encode()
        answers = []
        for _ in range(3):  # the last of which by the short way
            answer = pool.predict("sum", body, headers={"Content-Type": "application/json", "X-Request-Id": "mine"})
            assert answer.status == 200
            answers.append(len(answer.data))
        assert pool.post("/model/predict?more=1&id=sum", body, headers={"Content-Type": "application/json"}).status == 200
        assert pool.get("/info?token=secret&x=1").status == 200
        assert pool.predict("none", body).status == 404
        assert pool.predict("lab", {"order": ["fail"]}).status == 500
        infer(pool, **{"x-request-id": "theirs"})
        with pytest.raises(tritonclient.grpc.InferenceServerException):
            infer(pool, "none")
        host, _, port = pool.address.partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            sock.sendall(b"nonsense\r\n\r\n")
            sock.makefile("rb").read()
    told = lines(file)
    assert len(told) == 10
    for one, sent in zip(told, answers, strict=False):
        assert (one["client"], one["who"], one["asked"], one["status"]) == ("127.0.0.1", "-", "POST /model/predict?id=sum HTTP/1.1", "200")
        assert (one["id"], one["model"], int(one["received"]), int(one["sent"])) == ("mine", "sum", len(body), sent)
        took = [float(part) for part in one["stages"].split("/")]
        assert len(took) == 4
        assert sum(took) <= float(one["ms"]) + 0.01
    assert (told[3]["asked"], told[3]["model"]) == ("POST /model/predict?more=1&id=sum HTTP/1.1", "sum")
    assert told[3]["stages"]
    assert (told[4]["asked"], told[4]["stages"]) == ("GET /info?token=***&x=1 HTTP/1.1", None)
    assert [(one["status"], one["model"], one["stages"]) for one in told[5:7]] == [("404", "none", None), ("500", "lab", None)]
    calls = told[7:9]
    assert [one["asked"] for one in calls] == ["POST /inference.GRPCInferenceService/ModelInfer gRPC"] * 2
    assert [(one["status"], one["model"]) for one in calls] == [("0", "sum"), ("5", "none")]
    assert (calls[0]["id"], len(calls[0]["stages"].split("/"))) == ("theirs", 4)
    assert int(calls[0]["received"]) > 0
    assert int(calls[0]["sent"]) > 0
    assert (told[9]["asked"], told[9]["status"]) == ("- - -", "400")


def test_as_json(thread_server, tmp_path):
    file = tmp_path / "access.json"
    with thread_server(tasks=TASKS, access_log=str(file), log_format="json") as pool:
        assert pool.predict("sum", BODY, headers={"Content-Type": "application/json", "X-Request-Id": 'a "quoted" one'}).status == 200
        infer(pool)
        assert pool.get("/info").status == 200
    told = [one for one in map(json.loads, file.read_text().splitlines()) if "health" not in one["path"]]
    assert len(told) == 3
    first = told[0]
    wanted = {"client": "127.0.0.1", "key": "", "method": "POST", "path": "/model/predict?id=sum", "protocol": "HTTP/1.1", "status": 200}
    wanted |= {"bytes_in": len(json.dumps(BODY)), "request_id": 'a "quoted" one', "model": "sum"}
    assert first.items() >= wanted.items()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    assert first["queue_ms"] + first["input_ms"] + first["model_ms"] + first["output_ms"] <= first["ms"] + 0.01
    assert (told[1]["protocol"], told[1]["status"], told[1]["model"]) == ("gRPC", 0, "sum")
    assert "model_ms" in told[1]
    assert "model_ms" not in told[2]


def test_the_keys_name_is_there_and_never_the_key(thread_server, tmp_path):
    keys = tmp_path / "keys.json"
    made = subprocess.run(
        [sys.executable, "-m", "zeromind", "keys", "add", "alice", "--file", str(keys), "--scope", "predict"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    key = re.search(r"\S{30,}", made.stdout)[0]
    file = tmp_path / "access.log"
    with thread_server(tasks=TASKS, access_log=str(file), keys_file=str(keys)) as pool:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        for route in ["/model/predict?id=sum"] * 3 + ["/v1/models/sum:predict"]:
            assert pool.post(route, BODY if "id=" in route else {"instances": BODY["x"]}, headers=headers).status == 200
        assert pool.predict("sum", BODY).status == 401
        infer(pool, authorization=f"Bearer {key}")
    told = lines(file)
    assert [one["who"] for one in told] == ["alice"] * 4 + ["-", "alice"]
    assert key not in file.read_text()


def test_a_client_that_does_not_wait_is_told_of(thread_server, tmp_path, waiting):
    file = tmp_path / "access.log"
    with thread_server(tasks=TASKS, access_log=str(file)) as pool:
        host, _, port = pool.address.partition(":")
        data = b'{"order": ["sleep:0.5"]}'
        head = b"POST /model/predict?id=lab HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            sock.sendall(head % len(data) + data)
            waiting(lambda: pool.server.engine.registry.get("lab").open.pending)
        waiting(lambda: "499" in file.read_text())
    (one,) = lines(file)
    assert (one["status"], one["model"]) == ("499", "lab")


def test_a_renamed_file_is_left_and_a_signal_is_heard(spawn, tmp_path, waiting):
    file = tmp_path / "logs.access"
    server = spawn(tasks=TASKS[:1], access_log=str(file))
    assert server.get("/info?n=1").status == 200
    waiting(lambda: "n=1" in file.read_text())
    file.rename(tmp_path / "old.1")
    waiting(file.exists)  # without a signal, within a second
    assert server.get("/info?n=2").status == 200
    waiting(lambda: "n=2" in file.read_text())
    file.rename(tmp_path / "old.2")
    server.signal(signal.SIGHUP)
    waiting(file.exists)
    assert server.get("/info?n=3").status == 200
    waiting(lambda: "n=3" in file.read_text())
    server.signal()
    assert server.wait() == 0
    assert "n=1" in (tmp_path / "old.1").read_text()
    assert "n=2" in (tmp_path / "old.2").read_text()


def test_standard_output_takes_lines_too(models, tmp_path):
    config = tmp_path / "pool.json"
    config.write_text(json.dumps({"port": 0, "access_log": "-"}))
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen([sys.executable, "-m", "zeromind", "serve", "-c", str(config)], stdout=out, stderr=err)
    try:
        end = time.monotonic() + 30
        while not (found := re.search(r"http://\S+", (tmp_path / "err").read_text())):
            assert time.monotonic() < end
            time.sleep(0.05)
        host, _, port = found[0].removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            sock.sendall(b"GET /info HTTP/1.0\r\n\r\n")
            sock.makefile("rb").read()
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert '"GET /info HTTP/1.0" 200' in (tmp_path / "out").read_text()


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path):
    """A file may have so many bytes: beyond, writing fails as on a disk that is full."""
    code = f"""
import json, logging, resource, signal, sys, time
from pathlib import Path
from zeromind.observe.access import AccessLog
from zeromind.observe.line import Line
logging.basicConfig(stream=sys.stderr)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = Path({str(tmp_path / "access.log")!r})
log = AccessLog(str(file))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
begun = time.monotonic()
for number in range(500):
    log.note(Line(0.0, time.monotonic(), "127.0.0.1", asked=("-", f"/{{number}}", "-"), status=200))
took = time.monotonic() - begun
end = time.monotonic() + 10
while log.dropped < 400 and time.monotonic() < end:
    time.sleep(0.01)
dropped = log.dropped
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.note(Line(0.0, time.monotonic(), "127.0.0.1", asked=("-", "/again", "-"), status=200))
log.close()
print(json.dumps([took, dropped, file.read_text()]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    _, dropped, text = json.loads(done.stdout)
    whole = text.splitlines()
    assert whole[-1].startswith("127.0.0.1 - - [")
    assert '"- /again -" 200' in whole[-1]  # behind the rest of a torn line, which ends
    good = [line for line in whole if LINE.fullmatch(line + "\n")]
    assert len(good) >= len(whole) - 1
    assert dropped == 500 - (len(good) - 1)
    assert re.search(r"\d+ lines of the access log were lost: .*access\.log: File too large", done.stderr)


def test_a_stuck_reader_holds_nobody_up(tmp_path):
    """Of a pipe that nobody reads the thread waits; what comes meanwhile is kept, and beyond its bound counted."""
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(str(fifo), most_waiting=100)
    try:
        begun = time.monotonic()
        for _ in range(20_000):
            log.note(Line(0.0, time.monotonic(), "127.0.0.1", asked=("GET", "/" + "x" * 500, "-"), status=200))
        assert time.monotonic() - begun < 5
        assert log.dropped > 1000
    finally:
        os.close(reader)
        log.close()
    assert not any(thread.name == "access log" and thread.is_alive() for thread in threading.enumerate())


def test_a_file_that_cannot_be_opened_is_a_configuration_error(configured, tmp_path):
    with pytest.raises(ConfigError, match="access_log"):
        AccessLog(str(tmp_path / "none" / "access.log"))


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/a?id=1", "/a?id=1"),
        ("/a?api_key=s&id=1", "/a?api_key=***&id=1"),
        ("/a?id=1&Access_Token=s%20t", "/a?id=1&Access_Token=***"),
        ("/a?password=p&sig=q&id=2", "/a?password=***&sig=***&id=2"),
        ("/a?%6bey=s&id=1", "/a?%6bey=***&id=1"),
        ("/a?" + "?key%" * 12_000, "/a?" + "?key%" * 12_000),  # a name without end costs no more than its length
        ("/a?id=key", "/a?id=key"),
    ],
)
def test_secrets_in_queries_are_left_out(target, shown):
    assert without_secrets(target) == shown


def test_nothing_that_clients_send_ends_a_line():
    nasty = 'a"b\\c\nd\u2028é' + "x" * 5000
    line = Line(1.0, 1.5, "::1", "a key", ("GET", "/" + nasty, "HTTP/1.1"), 200, nasty, 1, 2, b'x" y="')
    text = Text()(line, 0.0).decode()
    assert text.count("\n") == 1
    assert text.isascii()
    assert len(text) < 5000
    assert LINE.fullmatch(text)
    told = Json()(line, 0.0)
    assert told.count(b"\n") == 1
    assert json.loads(told)["model"].startswith('a"b\\c\nd')


def test_lines_that_have_much_in_common_keep_what_they_have_not():
    """What is known of one is not made anew for the next."""
    work = (0.0, 0.001, 0.002, 0.003)
    others = [("GET", "/a", "HTTP/1.1"), ("GET", "/b", "HTTP/1.1")]
    noted = [
        Line(number, number + 0.25, "::1", who, asked, status, model, number, 7, b"id%d" % number, 0.5 * number, spent)
        for number, (who, asked, status, model, spent) in enumerate(
            itertools.product(["", "a"], others, [200, 404], ["", "m"], [None, work, (0.0, 0.004, 0.005, 0.006)])
        )
    ]
    text, shared = Text(), Json()
    for line in noted:
        assert text(line, 1e9) == Text()(line, 1e9)
        told = shared(line, 1e9)
        assert told == Json()(line, 1e9)
        entry = json.loads(told)
        assert (entry["key"], entry["path"], entry["status"], entry.get("model", "")) == (line.who, line.asked[1], line.status, line.model)
        assert (entry["bytes_in"], entry["request_id"], entry["ms"]) == (line.received, line.request_id.decode(), 250.0)
        if line.work is None:
            assert "queue_ms" not in entry
        else:
            stages = [entry[f"{name}_ms"] for name in ("queue", "input", "model", "output")]
            assert stages == pytest.approx([1e3 * line.waited_s, *(1e3 * one for one in line.work[1:])])


def test_a_line_that_cannot_be_made_does_not_end_the_log(tmp_path, caplog):
    log = AccessLog(str(tmp_path / "log"))
    log.note(("no line",))
    log.note(Line(0.0, time.monotonic(), "::1"))
    log.close()
    assert log.dropped == 1
    assert len((tmp_path / "log").read_text().splitlines()) == 1
    assert "cannot be made" in caplog.text


def test_half_characters_are_told_all_the_same():
    line = Line(0.0, 1.0, "::1", "a", model="m\udfff")
    assert json.loads(Json()(line, 0.0))["model"] == "m\udfff"
    assert rb'model="m\x3f"' in Text()(line, 0.0)


def test_what_is_known_is_bounded():
    text = Text()
    for number in range(5000):
        text(Line(0.0, 1.0, "::1", asked=("GET", f"/{number}", "HTTP/1.1")), 0.0)
    assert len(text._known) <= 1000


def test_no_log_no_lines(thread_server, caplog, tmp_path):
    caplog.set_level(logging.INFO)
    with thread_server() as pool:
        assert pool.get("/info").status == 200
        assert pool.server._access is None
    assert "/info" not in caplog.text


@pytest.mark.parametrize("form", [Text, Json])
def test_what_is_cut_is_told_the_same(form):
    long = Line(
        1.0, 2.0, "::1", "me", ("GET", "/a?token=b&" + "c" * 5000, "HTTP/1.1"), 200, "m" * 5000, 3, 4, b"mine", 0.5, (0.0, 1.0, 2.0, 3.0)
    )
    short = cut(long)
    assert len(repr(short)) < 2300
    assert form()(short, 0.0) == form()(long, 0.0)
