"""Keys, hosts and pages on a running server: what is decided once is decided anew when it has to be."""

import contextlib
import datetime as dt
import http.client
import json
import queue
import time
import urllib.parse

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

import grpc
from zeromind.access.scope import Scope

ROW = {"x": [[1, 2, 3]]}
PREDICT = "/model/predict?id=sum"
INFER = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
TASKS = [{"id": name, "model_file": "sum.py", "isolation": "thread"} for name in ("sum", "other")]
JSON = {"Content-Type": "application/json"}
NOTICED_S = 30  # it looks every second


@pytest.fixture
def server(thread_server, keys, tmp_path):
    with thread_server(keys_file=str(keys.path), tasks=TASKS, audit_file=str(tmp_path / "audit.log")) as client:
        yield client


class Line:
    """One connection that sends the same bytes again and again, so that its head is known."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def status(self, route, headers, body):
        self.connection.request("POST", route, json.dumps(body), {**JSON, **headers})
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


def becomes(status, ask):
    """Ask until the answer is another one."""
    end = time.monotonic() + NOTICED_S
    while (found := ask()) != status:
        assert time.monotonic() < end, f"still {found}"
        time.sleep(0.02)


@pytest.mark.proves("T1")
@pytest.mark.parametrize(("route", "body"), [(PREDICT, ROW), ("/v2/models/sum/infer", INFER)])
def test_t1_a_head_that_is_known_is_decided_over_anew_when_keys_change(server, keys, route, body):
    keys.add("brief", Scope.PREDICT)
    with Line(server.url) as line:
        becomes(200, lambda: line.status(route, keys.bearer("brief"), body))
        for _ in range(20):
            assert line.status(route, keys.bearer("brief"), body) == 200
        keys.revoke("brief")
        becomes(401, lambda: line.status(route, keys.bearer("brief"), body))
        assert line.status(route, keys.bearer("predict"), body) == 200
        for _ in range(5):
            assert line.status(route, keys.bearer("brief"), body) == 401
            assert line.status(route, {}, body) == 401
            assert line.status(route, keys.bearer("read"), body) == 403
            assert line.status(route.replace("sum", "other"), keys.bearer("sums"), body) == 403
            assert line.status(route, keys.bearer("sums"), body) == 200


@pytest.mark.proves("F19", "T1")
def test_f19_a_head_that_is_known_ends_with_its_key(thread_server, keys):
    end = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=5)
    keys.add("short", expires=end)
    with thread_server(keys_file=str(keys.path), tasks=TASKS) as server, Line(server.url) as line:
        becomes(200, lambda: line.status(PREDICT, keys.bearer("short"), ROW))
        becomes(401, lambda: line.status(PREDICT, keys.bearer("short"), ROW))
    assert dt.datetime.now(dt.timezone.utc) >= end


@pytest.mark.proves("T1")
def test_t1_a_broken_file_closes_the_server_and_a_mended_one_opens_it(server, keys):
    good = keys.path.read_bytes()
    with Line(server.url) as line:
        assert line.status(PREDICT, keys.bearer("all"), ROW) == 200
        keys.path.write_bytes(b"{")
        becomes(401, lambda: line.status(PREDICT, keys.bearer("all"), ROW))
        assert server.get("/v2/health/ready").status == 200
        keys.path.write_bytes(good)
        becomes(200, lambda: line.status(PREDICT, keys.bearer("all"), ROW))


def test_a_body_is_not_waited_for_where_its_head_is_refused(server):
    connection = http.client.HTTPConnection(server.address, timeout=10)
    connection.putrequest("POST", PREDICT)
    connection.putheader("Content-Length", "1000000")
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_each_key_sees_its_own_models_alone(server, keys):
    def get(route, key, **more):
        return server.ask(more.pop("method", "GET"), route, headers=keys.bearer(key), **more).json

    assert get("/model/list", "all")["models"] == ["other", "sum"]
    found = get("/model/list", "reader")
    assert found["models"] == ["sum"]
    assert found["check_sum"] != get("/model/list", "all")["check_sum"]
    assert [task["id"] for task in get("/info/tasks", "reader")["tasks"]] == ["sum"]
    assert [one["name"] for one in get("/v2/models/stats", "reader")["model_stats"]] == ["sum"]
    assert [one["name"] for one in get("/v2/repository/index", "reader", method="POST")] == ["sum"]
    assert server.get("/model/info?id=other", headers=keys.bearer("reader")).status == 403
    there, absent = (server.get(f"/v2/models/{name}", headers=keys.bearer("reader")) for name in ("other", "absent"))
    assert (there.status, there.data.replace(b"other", b"absent")) == (403, absent.data), "nobody learns which others there are"
    assert server.get("/model/drop?id=sum&id=other", headers=keys.bearer("sums")).status == 403
    assert server.post("/model/load", {"id": "x", "model_file": "sum.py"}, headers={**JSON, **keys.bearer("sums")}).status == 403
    assert server.post("/model/load", {"model_file": "sum.py"}, headers={**JSON, **keys.bearer("sums")}).status == 403
    assert server.post("/model/load", {"id": "sum2", "model_file": "sum.py"}, headers={**JSON, **keys.bearer("sums")}).status == 200
    assert server.get("/model/drop?id=sum2", headers=keys.bearer("sums")).status == 200


def tensor(module):
    value = module.InferInput("x", [1, 3], "FP32")
    value.set_data_from_numpy(np.array([[1, 2, 3]], np.float32))
    return [value]


@pytest.mark.parametrize("module", [tritonclient.http, tritonclient.grpc])
def test_tritonclient_works_with_a_key(server, keys, module):
    address = server.address if module is tritonclient.http else server.server.grpc_address
    with module.InferenceServerClient(address) as client:
        for _ in range(5):
            assert client.infer("sum", tensor(module), headers=keys.bearer("predict")).as_numpy("sum").tolist() == [6]
            with pytest.raises(InferenceServerException, match="API key"):
                client.infer("sum", tensor(module))
            with pytest.raises(InferenceServerException, match="is not for the model"):
                client.infer("other", tensor(module), headers=keys.bearer("sums"))
        assert client.is_server_ready()
        assert client.is_model_ready("sum", headers=keys.bearer("read"))
        with pytest.raises(InferenceServerException, match="needs manage"):
            client.unload_model("sum", headers=keys.bearer("read"))
        index = client.get_model_repository_index(headers=keys.bearer("reader"))
        assert [one["name"] if isinstance(one, dict) else one.name for one in getattr(index, "models", index)] == ["sum"]
        client.unload_model("sum", headers=keys.bearer("manage"))


@pytest.mark.proves("T1")
def test_t1_a_stream_of_grpc_ends_with_its_key(server, keys):
    keys.add("brief", Scope.PREDICT)
    answers = queue.Queue()
    with tritonclient.grpc.InferenceServerClient(server.server.grpc_address) as client:
        becomes(200, lambda: server.predict("sum", ROW, headers={**JSON, **keys.bearer("brief")}).status)
        client.start_stream(lambda result, error: answers.put((result, error)), headers=keys.bearer("brief"))
        client.async_stream_infer("sum", tensor(tritonclient.grpc))
        assert answers.get(timeout=NOTICED_S)[0].as_numpy("sum").tolist() == [6]
        keys.revoke("brief")
        error = answers.get(timeout=NOTICED_S)[1]
        assert "no longer valid" in str(error)
        client.stop_stream()
        with pytest.raises(InferenceServerException, match="not known here"):
            client.infer("sum", tensor(tritonclient.grpc), headers=keys.bearer("brief"))


def test_a_channel_of_grpc_whose_heads_are_known_is_decided_over_anew(server, keys):
    keys.add("brief", Scope.READ)
    with grpc.insecure_channel(server.server.grpc_address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ServerMetadata")

        def code():
            try:
                call(b"", metadata=(("authorization", f"Bearer {keys.texts['brief']}"),), timeout=10)
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        becomes("OK", code)
        assert [code() for _ in range(5)] == ["OK"] * 5
        keys.revoke("brief")
        becomes("UNAUTHENTICATED", code)


@pytest.mark.proves("T23")
@pytest.mark.parametrize("route", [PREDICT, "/v2/models/sum/infer", "/info"])
def test_t23_a_head_that_came_before_is_looked_at_as_well(thread_server, route):
    with thread_server(tasks=TASKS) as client:
        body = ROW if route == PREDICT else INFER
        for headers, status in (({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403), ({}, 200)):
            for _ in range(6):
                assert client.post(route, body, headers={**JSON, **headers}).status == status


def test_a_trusted_origin_gets_what_a_browser_wants_to_hear(thread_server):
    origin = {"Origin": "https://app.example.org"}
    with thread_server(tasks=TASKS, allowed_origins=[origin["Origin"]]) as client:
        asks = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
        for route in (PREDICT, "/v2/models/sum/infer", "/model/load", "/nothing"):
            answer = client.ask("OPTIONS", route, headers=asks)
            assert (answer.status, answer.data) == (204, b"")
            assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
            assert answer.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
        with Line(client.url) as line:
            for _ in range(5):
                assert line.status(PREDICT, origin, ROW) == 200
        for _ in range(3):
            answer = client.post("/v2/models/sum/infer", INFER, headers={**JSON, **origin})
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"], answer.headers["Vary"]) == (
                200,
                origin["Origin"],
                "Origin",
            )
            answer = client.post("/v2/models/none/infer", INFER, headers={**JSON, **origin})
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (404, origin["Origin"])
        assert client.get("/info", headers=origin).headers["Access-Control-Allow-Origin"] == origin["Origin"]
        assert client.get("/info").headers["Access-Control-Allow-Origin"] is None
        assert client.ask("OPTIONS", "/info", headers={**asks, "Origin": "https://evil.example"}).status == 403


@pytest.mark.proves("T25")
def test_t25_what_is_refused_tells_no_key_no_place_and_no_code(server, keys, models):
    key = keys.bearer("manage")
    asks = [
        ("GET", "/model/list", None, {}),
        ("GET", "/model/list", None, {"authorization": "Bearer zm_s3cret"}),
        ("GET", "/model/list", None, keys.bearer("expired")),
        ("GET", "/model/drop?id=sum", None, keys.bearer("read")),
        ("GET", "/v2/models/other", None, keys.bearer("reader")),
        ("GET", "/info", None, {"Host": "evil.example"}),
        ("GET", "/info", None, {"Origin": "http://evil.example"}),
        ("GET", "/console/keys.json", None, key),
        ("GET", "/../../etc/passwd", None, key),
        ("POST", "/model/load", {"id": "a", "model_file": "/etc/passwd"}, key),
        ("POST", "/model/load", {"id": "a", "model_file": "broken.onnx"}, key),
        ("POST", "/v2/repository/models/a/load", {"parameters": {"config": "{"}}, key),
        ("POST", "/v2/repository/index", {"ready": 1}, keys.bearer("read")),
    ]
    for method, route, body, headers in asks:
        answer = server.ask(method, route, body, headers={**JSON, **headers})
        assert 400 <= answer.status < 500, (route, answer)
        told = answer.data.decode() + str(answer.headers)
        for secret in ("s3cret", keys.texts["expired"], str(keys.path.parent), str(models), "Traceback", ".py", "site-packages", "root:x"):
            assert secret not in told, (route, secret)


@pytest.mark.proves("T1", "T26")
def test_t1_deeds_are_told_to_the_audit_log_and_nothing_secret(server, keys, tmp_path):
    ask = {"X-Request-Id": "r1", **JSON}
    server.get("/model/drop?id=other", headers={**ask, **keys.bearer("manage")})
    server.get("/model/drop?id=sum", headers={**ask, **keys.bearer("read")})
    server.get("/model/drop?id=sum", headers=ask)
    server.post("/model/load", {"id": "new", "model_file": "no.py", "secret": "s3cret"}, headers={**ask, **keys.bearer("manage")})
    server.post("/command/stop", {"pool_id": "no"}, headers={**ask, **keys.bearer("all")})
    server.post("/v2/logging", {"log_verbose_level": 0}, headers={**ask, **keys.bearer("all")})
    server.post("/v2/systemsharedmemory/region/" + "a" * 500 + "/register", {}, headers={**ask, **keys.bearer("all")})
    server.post("/model/load", {}, headers={**ask, "Origin": "http://evil.example"})
    server.get("/model/list", headers=keys.bearer("read"))
    server.predict("sum", ROW, headers={**JSON, **keys.bearer("predict")})
    with tritonclient.grpc.InferenceServerClient(server.server.grpc_address) as client:
        for name, key in (("sum", "manage"), ("sum", "read"), ("none", "manage")):
            with contextlib.suppress(InferenceServerException):
                client.unload_model(name, headers={**keys.bearer(key), "x-request-id": "g1"})
    file, wanted = tmp_path / "audit.log", 11
    becomes(wanted, lambda: len(file.read_text().splitlines()))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert all({"time", "who", "from", "call", "model", "request", "result", "ms"} == line.keys() for line in lines)
    assert [(line["who"], line["call"], line["model"], line["result"]) for line in lines] == [
        ("manage", "GET /model/drop", "other", 200),
        ("read", "GET /model/drop", "sum", 403),
        ("anonymous", "GET /model/drop", "sum", 401),
        ("manage", "POST /model/load", "new", 400),
        ("all", "POST /command/stop", "", 400),
        ("all", "POST /v2/logging", "", 200),
        ("all", "POST /v2/systemsharedmemory/region/" + "a" * 165, "", lines[6]["result"]),
        ("anonymous", "POST /model/load", "", 403),
        ("manage", "RepositoryModelUnload", "sum", "OK"),
        ("read", "RepositoryModelUnload", "", "PERMISSION_DENIED"),
        ("manage", "RepositoryModelUnload", "none", "NOT_FOUND"),
    ]
    assert {line["from"] for line in lines} == {"127.0.0.1"}
    assert [line["request"] for line in lines] == ["r1"] * 8 + ["g1"] * 3
    assert not [text for text in (*keys.texts.values(), "s3cret") if text in file.read_text()]


@pytest.mark.proves("T1")
def test_t1_a_deed_is_told_also_if_its_client_does_not_wait_for_it(server, keys, tmp_path):
    name, config = "patient", json.dumps({"model_file": "sum.py"})
    with tritonclient.grpc.InferenceServerClient(server.server.grpc_address) as client:
        headers = {**keys.bearer("manage"), "x-request-id": "g2"}
        with contextlib.suppress(InferenceServerException):
            client.load_model(name, headers=headers, config=config, client_timeout=0.3)
    becomes(200, lambda: server.get(f"/v2/models/{name}/ready", headers=keys.bearer("read")).status)
    lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert [(line["who"], line["call"], line["model"], line["request"]) for line in lines] == [
        ("manage", "RepositoryModelLoad", name, "g2")
    ]


def test_credentials_for_a_proxy_do_not_hide_the_key(server, keys):
    proxy = {"Authorization": "Basic dTpw"}
    assert server.get("/model/list", headers={**proxy, "X-API-Key": keys.texts["read"]}).status == 200
    assert server.get("/model/list", headers={**proxy, "X-API-Key": "zm_no"}).status == 401
    assert server.get("/model/list", headers=proxy).status == 401
