"""Who is refused does not fill the log; the log is JSON on request."""

import json
import logging
import socket
import sys
import time

import pytest

from zeromind.errors import ConfigError
from zeromind.observe.logs import JsonFormatter, Sparing

TALKS = """
import sys


class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"y": ("float32", [None])}

    def predict(self, x):
        print("a line of the model", file=sys.stderr, flush=True)
        return x
"""
LOGGER = {
    "name": "pool",
    "logger_config": {
        "formatters": {"line": {"format": "%(asctime)s %(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "formatter": "line", "filename": "logs/{name}.log"}},
        "root": {"level": "INFO", "handlers": ["file"]},
    },
}


def test_a_second_has_so_many_records_and_the_next_tells_of_the_others():
    now = [5.2]
    sparing = Sparing(2, lambda: now[0])

    def told():
        record = logging.LogRecord("a", logging.INFO, "b", 1, "refused %s", ("x",), None)
        return record.getMessage() if sparing.filter(record) else None

    assert [told() for _ in range(5)] == ["refused x", "refused x", None, None, None]
    now[0] = 6.0
    assert [told() for _ in range(3)] == ["refused x (and 3 more that are not told)", "refused x", None]
    now[0] = 9.0
    assert told() == "refused x (and 1 more that are not told)"
    now[0] = 10.0
    assert told() == "refused x"


@pytest.mark.proves("T26")
def test_t26_a_flood_of_refusals_is_a_few_lines(spawn):
    server = spawn(tasks=[{"id": "sum", "model_file": "sum.py"}])
    host, _, port = server.address.rpartition(":")
    begin = time.monotonic()
    for _ in range(500):
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            sock.sendall(b"no HTTP\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 400")
    lines = server.log.read_text().count("refused 127.0.0.1")
    assert 0 < lines <= 10 * (time.monotonic() - begin + 2)
    assert lines < 250 or time.monotonic() - begin > 20
    assert server.predict("sum", {"x": [[1, 2, 3]]}).status == 200


def records(text):
    """Each line of a log as JSON: nothing else may be among them."""
    return [json.loads(line) for line in text.splitlines()]


def made(**more):
    record = logging.LogRecord("a.b", logging.WARNING, "file.py", 1, "what %s\nsaid", ("they",), None)
    vars(record).update(more)
    return record


def test_a_record_is_an_object_on_a_line():
    line = JsonFormatter().format(made(created=0.5, msecs=500.0))
    assert "\n" not in line
    assert json.loads(line) == {"time": "1970-01-01T00:00:00.500Z", "level": "WARNING", "logger": "a.b", "message": "what they\nsaid"}
    told = json.loads(JsonFormatter().format(made(request_id="r1", model="m", more="no")))
    assert (told["request_id"], told["model"]) == ("r1", "m")
    assert "more" not in told


def test_an_exception_is_a_field():
    try:
        {}["why"]
    except KeyError:
        told = json.loads(JsonFormatter().format(made(exc_info=sys.exc_info())))
    assert told["exception"].startswith("Traceback")
    assert "KeyError: 'why'" in told["exception"]


def test_all_of_a_pools_log_is_json_its_workers_lines_too(spawn, models, waiting):
    (models / "talks.py").write_text(TALKS)
    server = spawn(tasks=[{"id": "talks", "model_file": "talks.py"}], log_format="json")
    for _ in range(2):
        assert server.predict("talks", {"x": [1]}).status == 200
    waiting(lambda: "a line of the model" in server.log.read_text())
    with socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2])), timeout=10) as sock:
        sock.sendall(b"no HTTP\r\n\r\n")
        sock.recv(100)
    waiting(lambda: "refused 127.0.0.1" in server.log.read_text())
    lines = [line for line in server.log.read_text().splitlines() if line.startswith("{")]
    told = [json.loads(line) for line in lines]
    assert {*told[0]} >= {"time", "level", "logger", "message"}
    said = [one for one in told if "a line of the model" in one["message"]]
    assert said
    assert all(one["model"] == "talks" for one in said)
    others = [line for line in server.log.read_text().splitlines() if not line.startswith("{")]
    assert not [line for line in others if "zeromind." in line], others  # what is left is what the command tells who started it


def test_a_logging_file_writes_json_on_request(spawn, tmp_path, models):
    (tmp_path / "logger.json").write_text(json.dumps(LOGGER))
    server = spawn(tasks=[{"id": "none", "model_file": "none.py"}], log_format="json")
    assert server.get("/info").status == 200
    told = records((tmp_path / "logs" / "pool.log").read_text())
    assert any(one["level"] == "ERROR" and "'none' is not served" in one["message"] for one in told)


def test_a_format_that_there_is_not_is_refused(configured):
    with pytest.raises(ConfigError, match="log_format"):
        configured(log_format="xml")


def test_clients_settings_leave_json_json(spawn, waiting):
    server = spawn(log_format="json")
    for form in ("ISO8601", "default"):
        assert server.post("/v2/logging", {"log_format": form, "log_verbose_level": 1}).status == 200
        with socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2])), timeout=10) as sock:
            sock.sendall(b"no HTTP\r\n\r\n")
            sock.recv(100)
    waiting(lambda: server.log.read_text().count("refused 127.0.0.1") == 2)
    refused = [json.loads(line) for line in server.log.read_text().splitlines() if "refused 127.0.0.1" in line]
    assert all(one["time"].endswith("Z") and one["level"] == "INFO" for one in refused)
