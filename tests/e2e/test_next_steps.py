"""What a newcomer runs into, and that each time the next step is told: real commands, a real server, real requests."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys

import pytest

WAIT_S = 60
SUM = """
class Skill:
    inputs = {"x": ("float32", [None, 3])}
    outputs = {"sum": ("float32", [None])}

    def predict(self, x):
        return x.sum(axis=1)
"""
JSON = {"Content-Type": "application/json"}
EXAMPLE = '{"x": [[0.5, 0.5, 0.5]]}'
EXAMPLE_OIP = '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [0.5, 0.5, 0.5]}]}'


@pytest.fixture
def zeromind(tmp_path):
    """Run a command that is to fail; gives the last lines that it printed, as one."""

    def run(*arguments, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "zeromind", *map(str, arguments)],
            cwd=tmp_path, env={**os.environ, "COLUMNS": "200", **environment}, capture_output=True, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
        assert done.returncode != 0, done.stdout
        assert "Traceback" not in done.stderr
        return " ".join(done.stderr.split())

    return run


@pytest.fixture(scope="module")
def pool(thread_server, models):
    tasks = [{"id": name, "model_file": "sum.py", "model_type": "python", "allow_code": True} for name in ("sum", "other")]
    with thread_server(tasks=[*tasks, {"id": "broken", "model_file": "gone.onnx"}]) as client:
        yield client


@pytest.fixture(scope="module")
def closed(tmp_path_factory, thread_server):
    """A pool that wants keys; its client has one that may predict, and no more."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    command = [sys.executable, "-m", "zeromind", "keys", "add", "me", "--scope", "predict", "--file", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=True)
    with thread_server(tasks=[], keys_file=str(file)) as client:
        client.key = re.search(r"zm_[\w-]+", done.stdout)[0]
        yield client


@pytest.fixture
def shut():
    """The URL of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}"


# --- commands


def test_a_folder_without_anything_names_init(zeromind):
    for command in (["serve"], ["check"]):
        said = zeromind(*command)
        assert "zeromind init" in said
        assert "-c FILE" in said


def test_a_configuration_that_is_not_there(zeromind):
    assert "there is no configuration none.toml: check the path, or write one with 'zeromind init'" in zeromind("-c", "none.toml")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("pool.toml", "id = 1\nport = \n", "pool.toml is not TOML: Invalid value (at line 2"),
        ("pool.json", '{"id": 1,}', "pool.json is not JSON: "),
        ("pool.toml", "id = 1\nprot = 5\n", "prot: unknown key; did you mean 'port'? (line 2)"),
        ("pool.json", '{\n"port": "x"}', "port: must be a whole number, not 'x' (line 2)"),
    ],
)
def test_a_configuration_that_cannot_be_read_names_key_and_line(zeromind, tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    assert words in zeromind("serve", "-c", name)


def test_a_model_that_is_not_there(zeromind):
    assert "there is no file or folder 'none.onnx': check the path" in zeromind("serve", "none.onnx")


def test_a_configuration_is_no_model(zeromind, tmp_path):
    (tmp_path / "hello").mkdir()
    (tmp_path / "hello" / "pool.toml").write_text("id = 1\n")
    for place in ("hello", "hello/pool.toml"):
        assert f"'{place}' is a configuration, no model: cd hello && zeromind serve -c pool.toml" in zeromind("serve", place)


def test_a_command_that_there_is_not(zeromind, tmp_path):
    (tmp_path / "model.onnx").write_text("")
    assert "did you mean 'serve'?" in zeromind("serv")
    assert "to serve that file: zeromind serve model.onnx" in zeromind("model.onnx")


def test_a_port_that_is_taken(zeromind, tmp_path):
    (tmp_path / "sum.py").write_text(SUM)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = zeromind("serve", "sum.py", "--port", port)
    assert f"127.0.0.1:{port} cannot be listened on" in said
    assert f"curl http://127.0.0.1:{port}/info" in said
    assert "choose another with --port" in said


def test_an_address_for_others_without_keys(zeromind, tmp_path):
    (tmp_path / "sum.py").write_text(SUM)
    assert "zeromind keys add NAME --file keys.json" in zeromind("serve", "sum.py", "--host", "0.0.0.0", "--port", 0)  # noqa: S104 - what is refused


def test_a_framework_that_there_is_not(zeromind, models):
    said = zeromind("inspect", models / "double.onnx", "--model-type", "onxx")
    assert "known are caffe2" in said
    assert "did you mean 'onnx'?" in said


def test_a_package_that_is_not_installed(zeromind, models, tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "onnxruntime.py").write_text("raise ModuleNotFoundError('none', name='onnxruntime')\n")
    path = os.pathsep.join([str(tmp_path / "hidden"), *filter(None, [os.environ.get("PYTHONPATH")])])
    assert "pip install 'zeromind[onnx]'" in zeromind("inspect", models / "double.onnx", PYTHONPATH=path)


def test_code_that_is_not_allowed(zeromind, tmp_path):
    import joblib
    from sklearn.linear_model import LinearRegression

    joblib.dump(LinearRegression().fit([[1.0], [2.0]], [1, 2]), tmp_path / "line.joblib")
    said = zeromind("inspect", "line.joblib")
    assert "--allow-code on the command line" in said
    assert "'allow_code': true for the task in the configuration" in said


def test_no_server_where_one_is_asked(zeromind, shut):
    for command in (["predict", "sum", "{}", "--url", shut], ["bench", shut, "sum"]):
        assert "start one: zeromind serve" in zeromind(*command)


def test_tls_where_there_is_none_and_none_where_there_is(zeromind, pool, tls_server):
    assert f"ask http://{pool.address}" in zeromind("predict", "sum", "{}", "--url", f"https://{pool.address}")
    assert f"if it uses TLS, ask https://{tls_server}" in zeromind("predict", "sum", "{}", "--url", f"http://{tls_server}")
    assert "SSL_CERT_FILE" in zeromind("predict", "sum", "{}", "--url", f"https://{tls_server}")


@pytest.fixture
def tls_server(tmp_path, thread_server):
    """The address of a server with TLS, and a certificate that nobody knows."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.timezone.utc)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - dt.timedelta(1), now + dt.timedelta(1)).sign(key, hashes.SHA256())
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(private)
    server = Over(tmp_path)
    yield server.address
    server.end()


class Over:
    """A server with TLS, as a process of its own: the client of the tests speaks plain HTTP."""

    def __init__(self, folder):
        command = [sys.executable, "-m", "zeromind", "serve", "--port", "0", "-c", "tls.toml"]
        (folder / "tls.toml").write_text('tls_certificate = "cert.pem"\ntls_key = "key.pem"\n')
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        said = ""
        for line in self.process.stderr:
            said += line
            if found := re.search(r"ready: https://(\S+)", line):
                self.address = found[1]
                return
        pytest.fail(said)

    def end(self):
        self.process.terminate()
        self.process.stderr.close()
        try:
            self.process.wait(WAIT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()


def test_a_python_that_is_too_old(tmp_path):
    code = "import sys; sys.version_info = (3, 9); sys.argv = ['zeromind']; import runpy; runpy.run_module('zeromind', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("0Mind needs Python 3.10 or newer")
    assert len(done.stderr.splitlines()) == 1


# --- requests


def message(answer):
    """What a fault's answer says, in either dialect."""
    assert answer.status >= 400, answer
    return answer.json["error"] if "error" in answer.json else answer.json["errors"][0]["message"]


def test_a_model_that_is_not_loaded(pool):
    assert message(pool.predict("sun", {})) == "model 'sun' is not loaded; /model/list tells which are: other, sum; did you mean 'sum'?"
    assert message(pool.predict("xyz", {})) == "model 'xyz' is not loaded; /model/list tells which are: other, sum"
    assert "gone.onnx" in message(pool.predict("broken", {})), "why it could not be loaded"
    assert "?id=" in message(pool.post("/model/predict", {}))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"y": [[1, 2, 3]]}, "the model has no input 'y'; its inputs are 'x'"),
        ({}, "the data lacks the input 'x'"),
        ({"x": [[1, 2]]}, "input 'x' has shape [1, 2], the model takes [any, 3]"),
        ({"x": [["a", "b", "c"]]}, "must be nested lists of float32 of shape [any, 3]"),
        ("[1, 2]", "the body must be a JSON object of input name → data"),
        ("", "the request has no data"),
    ],
)
def test_data_that_does_not_fit_is_told_with_an_example_that_does(pool, body, words):
    said = message(pool.predict("sum", body, headers=JSON))
    assert words in said
    assert said.endswith(f"; such as {EXAMPLE}")
    assert pool.predict("sum", json.loads(said.partition("; such as ")[2])).json["result"] == {"sum": [1.5]}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"name": "y", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}, "the model has no input 'y'"),
        ({"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}, "input 'x' has shape [1, 2]"),
        ({"name": "x", "shape": [1, 3], "datatype": "BYTES", "data": ["a", "b", "c"]}, "the model takes FP32"),
    ],
)
def test_and_so_it_is_in_the_other_dialect(pool, entry, words):
    said = message(pool.post("/v2/models/sum/infer", {"inputs": [entry]}))
    assert words in said
    assert said.endswith(f"; such as {EXAMPLE_OIP}")
    answer = pool.post("/v2/models/sum/infer", json.loads(said.partition("; such as ")[2]))
    assert answer.json["outputs"][0]["data"] == [1.5]


def test_a_content_type_that_is_not_taken(pool):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert "curl says so with -H 'Content-Type: application/json'" in message(pool.predict("sum", EXAMPLE, headers=form))
    assert "needs the header Content-Type: application/json" in message(pool.predict("sum", "", headers={}))
    said = message(pool.predict("sum", b"\x89PNG", headers={"Content-Type": "image/png"}))
    assert "to take pictures the model's task needs an input filter, such as image.ImageFilter" in said


@pytest.mark.parametrize("route", ["/model/predict?id=sum", "/model/load", "/v2/models/sum/infer"])
def test_a_get_on_a_route_that_wants_a_post(pool, route):
    answer = pool.get(route)
    assert answer.status == 405
    assert f"{route.partition('?')[0]} answers POST, not GET" in message(answer)
    assert "/console" in message(answer)


def test_a_route_that_there_is_not(pool):
    assert "/docs lists them all" in message(pool.get("/models"))


def test_what_clients_may_not_load(pool):
    assert "check the path ('model_file')" in message(pool.load({"id": "new", "model_file": "none.onnx"}))
    assert "did you mean 'onnx'?" in message(pool.load({"id": "new", "model_file": "double.onnx", "model_type": "onxx"}))
    filters = {"x": ["image.ImageFilters"]}
    said = message(pool.load({"id": "new", "model_file": "double.onnx", "input_filters": filters}))
    assert "did you mean 'image.ImageFilter'?" in said
    assert "neither every task's nor the onnx adapter's" in message(pool.load({"id": "new", "model_file": "double.onnx", "tread": 1}))
    assert "drop it first, or use another id" in message(pool.load({"id": "sum", "model_file": "double.onnx"}))


def test_no_key_and_one_that_may_not(closed):
    assert "zeromind keys add" in message(closed.get("/model/list"))
    key = {"Authorization": f"Bearer {closed.key}"}
    assert "this needs read: use a key that has it" in message(closed.get("/model/list", headers=key))
    assert "ask the operator for one" in message(closed.get("/model/list", headers={"Authorization": "Bearer zm_none"}))
    assert message(closed.predict("none", {}, headers={**JSON, **key})) == "model 'none' is not loaded; /model/list tells which are"


def test_a_model_that_still_loads(spawn, models, tmp_path):
    slow = {"id": "slow", "model_file": str(models / "slow.py"), "load_s": 30, "timeout_s": 0.5, "allow_code": True}
    (tmp_path / "pool.json").write_text(json.dumps({"tasks": [slow]}))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server = spawn(["-c", "pool.json", "--port", str(port)], wait=False)
    server.url, server.address = f"http://127.0.0.1:{port}", f"127.0.0.1:{port}"
    answer = None
    while answer is None:
        with contextlib.suppress(ConnectionError):
            answer = server.predict("slow", {"x": [1]})
    assert "is still loading: try again shortly" in message(answer)


def test_a_browser_at_the_port_of_grpc(pool):
    with socket.create_connection(pool.server.grpc_address.split(":"), timeout=10) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"this port speaks gRPC alone" in sock.recv(4096)
