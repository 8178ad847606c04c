"""Server-Timing on predictions, and a request's id on every answer, whoever gives it."""

import asyncio
import concurrent.futures
import re
import socket
import time

import pytest

JSON = {"Content-Type": "application/json"}
OIP = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}
MADE = re.compile(r"[0-9a-f]{10}-[0-9]+")
TIMING = re.compile(r"queue;dur=(\d+\.\d{3}), input;dur=(\d+\.\d{3}), model;dur=(\d+\.\d{3}), output;dur=(\d+\.\d{3})")
PLAIN = """
class Skill:
    inputs = {"x": ("float32", [None, 3])}
    outputs = {"y": ("float32", [None, 2])}

    def predict(self, x):
        return x[:, :2]
"""
BOOM = """
from zeromind.access.scope import Scope
from zeromind.http.handler import Handler


class Boom(Handler):
    route = "/boom"
    scopes = {"GET": Scope.READ}

    def get(self):
        raise KeyError("a secret")
"""
ASKED = [
    ("/model/predict?id=sum", {"x": [[1, 2, 3]]}),
    ("/model/predict?id=sum&more=1", {"x": [[1, 2, 3]]}),
    ("/v2/models/sum/infer", OIP),
    ("/v2/models/sum/infer?filters=off", OIP),
    ("/v2/models/sum/generate", {"x": [[1, 2, 3]]}),
    ("/v1/models/sum:predict", {"instances": [[1, 2, 3]]}),
    ("/v1/models/sum:regress", {"examples": [{"x": [1.0, 2.0, 3.0]}]}),
    ("/v1/models/plain:classify", {"examples": [{"x": [1.0, 2.0, 3.0]}]}),
]


def stages(answer):
    """The four, in milliseconds."""
    found = TIMING.fullmatch(answer.headers["Server-Timing"])
    assert found, answer.headers["Server-Timing"]
    return [float(one) for one in found.groups()]


@pytest.fixture(scope="module")
def pool(thread_server, models):
    (models / "plain.py").write_text(PLAIN)
    tasks = [{"id": name, "model_file": f"{name}.py"} for name in ("sum", "lab", "plain")]
    with thread_server(tasks=tasks, allowed_origins=["https://app.example.org"]) as client:
        yield client


@pytest.mark.parametrize(("route", "body"), ASKED)
def test_a_prediction_tells_where_its_time_went(pool, route, body):
    for _ in range(4):  # the head becomes known, and the short way is taken
        answer = pool.post(route, body)
        assert answer.status == 200, answer
        assert all(0 <= one < 10_000 for one in stages(answer))
        assert MADE.fullmatch(answer.headers["X-Request-Id"])


def test_the_times_are_those_of_the_stages(pool):
    for route in ("/model/predict?id=lab", "/model/predict?id=lab&more=1"):
        queue, _, model, _ = stages(pool.post(route, {"order": ["sleep:0.2"]}))
        assert model >= 190
        assert queue < model
    with concurrent.futures.ThreadPoolExecutor(3) as many:
        waited = [stages(one)[0] for one in many.map(lambda _: pool.post("/model/predict?id=lab", {"order": ["sleep:0.2"]}), range(3))]
    assert max(waited) >= 50  # one of them came while another ran


def test_requests_of_a_batch_tell_of_their_own_waiting(pool):
    """What they have in common is written once."""
    with concurrent.futures.ThreadPoolExecutor(8) as many:
        asked = many.map(lambda _: pool.post("/v2/models/sum/infer", OIP), range(40))
        assert all(len(stages(answer)) == 4 for answer in asked)


def test_compressed_answers_have_it_too(pool):
    answer = pool.post("/v2/models/sum/infer", OIP, headers={**JSON, "Accept-Encoding": "gzip"})
    assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert stages(answer)


def test_requests_that_come_while_their_model_loads_have_it_too(thread_server):
    with thread_server() as pool, concurrent.futures.ThreadPoolExecutor(4) as many:
        loading = pool.server.engine.registry.load({"id": "late", "model_file": "slow.py"}, trusted=True)
        asyncio.run_coroutine_threadsafe(loading, pool.loop)
        end = time.monotonic() + 10
        while "late" not in [one["id"] for one in pool.get("/info/models").json["models"]] and time.monotonic() < end:
            time.sleep(0.01)
        routes = ["/model/predict?id=late", "/model/predict?id=late&more=1"] * 2
        for answer in many.map(lambda route: pool.post(route, {"x": [1]}), routes):
            assert answer.status == 200, answer
            assert len(stages(answer)) == 4


def test_what_is_no_successful_prediction_has_none(pool):
    for answer in (
        pool.get("/info"),
        pool.predict("sum", {"x": "no"}),
        pool.post("/v2/models/none/infer", OIP),
        pool.predict("lab", {"order": ["fail"]}),
    ):
        assert "Server-Timing" not in answer.headers
        assert MADE.fullmatch(answer.headers["X-Request-Id"])


def test_a_client_may_name_its_request(pool):
    for route, body in (*ASKED, ("/model/predict?id=none", {"x": 1}), ("/none", {})):
        for name in ("mine", "a b~", "x" * 128, "mine"):
            assert pool.post(route, body, headers={**JSON, "X-Request-Id": name}).headers.get_all("X-Request-Id") == [name]


@pytest.mark.parametrize("name", ["x" * 129, "", "ü", "a\tb"])
def test_a_name_that_is_not_fit_is_replaced(pool, name):
    for _ in range(3):
        answer = pool.predict("sum", {"x": [[1, 2, 3]]}, headers={**JSON, "X-Request-Id": name.encode("latin1")})
        assert MADE.fullmatch(answer.headers["X-Request-Id"])


def test_each_request_has_another_id(pool):
    ids = [pool.post("/v2/models/sum/infer", OIP).headers["X-Request-Id"] for _ in range(5)]
    ids += [pool.get("/info").headers["X-Request-Id"] for _ in range(5)]
    assert len(set(ids)) == 10
    assert len({one.partition("-")[0] for one in ids}) == 1


def test_a_known_head_does_not_keep_an_id(pool):
    """Heads that come again are known by their bytes; on one connection, too."""
    host, _, port = pool.address.partition(":")
    body = b'{"x": [[1, 2, 3]]}'
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        file = sock.makefile("rb")

        def ask(name):
            lines = [b"POST /model/predict?id=sum HTTP/1.1", b"Host: 127.0.0.1", b"Content-Type: application/json"]
            lines += [b"X-Request-Id: " + name] if name else []
            sock.sendall(b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body]))
            head = dict(line.strip().split(b": ", 1) for line in iter(file.readline, b"\r\n") if b": " in line)
            file.read(int(head[b"Content-Length"]))
            return head[b"X-Request-Id"]

        assert [ask(name) for name in (b"a", b"a", b"a", b"b", b"a", b"b")] == [b"a", b"a", b"a", b"b", b"a", b"b"]
        assert len({ask(b"") for _ in range(5)}) == 5


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET /info HTTP/1.1\r\n\r\n",
        b"GET /info HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"POST /info HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999999999\r\n\r\n",
        b"GET /info HTTP/1.0\r\n\r\n",
        b"HEAD /info HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        b"OPTIONS /model/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://app.example.org\r\nConnection: close\r\n\r\n",
    ],
)
def test_refusals_and_unusual_answers_have_one_as_well(pool, data):
    host, _, port = pool.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(data)
        said = sock.makefile("rb").read()
    assert len(re.findall(rb"\r\nX-Request-Id: [0-9a-f]{10}-[0-9]+\r\n", said)) == 1, said


def test_a_refusal_by_the_transport_keeps_the_clients_id(pool):
    host, _, port = pool.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(b"GET /info HTTP/1.1\r\nHost: evil.example\r\nX-Request-Id: mine\r\n\r\n")
        said = sock.makefile("rb").read()
    assert said.startswith(b"HTTP/1.1 421")
    assert b"\r\nX-Request-Id: mine\r\n" in said


def test_pages_of_trusted_sites_may_read_them(pool):
    answer = pool.predict("sum", {"x": [[1, 2, 3]]}, headers={**JSON, "Origin": "https://app.example.org"})
    assert answer.status == 200
    exposed = {one.strip() for one in answer.headers["Access-Control-Expose-Headers"].split(",")}
    assert exposed >= {"Server-Timing", "X-Request-Id"}
    assert answer.headers["Timing-Allow-Origin"] == "https://app.example.org"
    assert "Timing-Allow-Origin" not in pool.predict("sum", {"x": [[1, 2, 3]]}).headers


def test_unknown_errors_are_answered_with_the_id_under_which_the_log_has_them(thread_server, models, tmp_path, caplog):
    (tmp_path / "own.py").write_text(BOOM)
    with thread_server(handler_folders=[str(tmp_path)]) as client:
        answer = client.get("/boom", headers={"X-Request-Id": "quote me"})
    assert (answer.status, answer.headers["X-Request-Id"]) == (500, "quote me")
    assert answer.error["message"] == "an unknown error; the server's log tells more under quote me"
    assert answer.error["params"] == ["quote me"]
    (record,) = [one for one in caplog.records if getattr(one, "request_id", "") == "quote me"]
    assert "unknown error quote me answering /boom" in record.getMessage()
    assert "a secret" in record.exc_text or "a secret" in str(record.exc_info[1])


def test_streams_have_an_id(thread_server, models):
    (models / "words.py").write_text("def predict(text: str) -> str:\n    yield from text[0].split()\n")
    with thread_server(tasks=[{"id": "words", "model_file": "words.py"}]) as client:
        answer = client.post("/v2/models/words/generate_stream", {"text": "a b"}, headers={**JSON, "X-Request-Id": "s1"})
    assert (answer.status, answer.headers["X-Request-Id"]) == (200, "s1")
    assert answer.data.count(b"data: ") == 2
