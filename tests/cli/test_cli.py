"""The command line: what it starts, and what it says where it cannot."""

import importlib.metadata
import json
import shutil
import signal
import socket
import threading

import click.testing
import pytest

import zeromind
from zeromind import plugins
from zeromind.cli import commands
from zeromind.cli.named import tasks_of
from zeromind.config.task import Task

LAB = {"id": "lab", "model_type": "python", "model_file": "lab.py", "allow_code": True}
SUM = {"id": "sum", "model_type": "python", "model_file": "sum.py", "allow_code": True}


@pytest.fixture
def run(monkeypatch, models):
    """Run a command in this process, in the folder of the models; gives its exit code and what it printed."""
    monkeypatch.chdir(models)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        result = click.testing.CliRunner().invoke(commands, [str(argument) for argument in arguments], prog_name="zeromind")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        return result.exit_code, result.output

    return call


@pytest.fixture
def file(tmp_path, models):
    """A function that writes a configuration."""

    def write(*tasks, **keys):
        path = tmp_path / "pool.json"
        path.write_text(json.dumps({"roots": [str(models)], "tasks": tasks, **keys}))
        return path

    return write


# --- serve


def test_model_files_are_served_as_they_are(spawn, models):
    pool = spawn(["serve", str(models / "double.onnx"), str(models / "sum.py")])
    assert pool.ids() == ["double", "sum"]
    assert pool.predict("double", {"x": [[1, 2, 3, 4]]}).json["result"] == {"y": [[2, 4, 6, 8]]}
    assert pool.predict("sum", {"x": [[1, 2, 3]]}).json["result"] == {"sum": [6]}
    assert pool.get("/model/info?id=double").json["tool"] == "onnx"
    pool.signal(signal.SIGINT)
    assert pool.wait(10) == 0
    assert pool.complaints() == []


@pytest.mark.parametrize("option", ["-c", "--config_file", "--config-file"])
def test_a_configuration_is_served_without_naming_a_command(spawn, file, option):
    pool = spawn([option, str(file(SUM, id=5))])
    assert pool.get("/info").json["id"] == 5
    assert pool.ids() == ["sum"]


def test_variables_count_but_flags_count_more(spawn, file):
    environment = {"ZEROMIND_ID": "8", "ZEROMIND_PORT": "1", "ZEROMIND_MODEL_TYPES": '["python"]'}
    pool = spawn(["serve", "-c", str(file(SUM, id=5)), "--debug"], environment=environment)
    assert pool.get("/info").json["id"] == 8
    assert pool.get("/info").json["options"] == {"debug": True, "model_types": ["python"]}


def test_a_task_that_fails_is_told_and_the_rest_served(spawn, file):
    pool = spawn(["-c", str(file(SUM, {"id": "bad", "model_file": "none.onnx"}))])
    assert pool.ids() == ["sum"]
    assert 'model "bad" is not served' in pool.log.read_text()
    assert "none.onnx" in pool.log.read_text()


def test_the_log_goes_where_the_configuration_beside_the_pools_says(spawn, file, waiting):
    path = file(SUM)
    handler = {"class": "logging.FileHandler", "filename": "logs/{name}.log"}
    config = {"handlers": {"file": handler}, "root": {"level": "INFO", "handlers": ["file"]}}
    (path.parent / "logger.json").write_text(json.dumps({"name": "mine", "logger_config": config}))
    pool = spawn(["-c", str(path)])
    pool.get("/info")
    waiting(lambda: "model 'sum' is ready" in (path.parent / "logs" / "mine.log").read_text(), 5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_it(spawn, file, number, waiting):
    slow = {"id": "slow", "model_type": "python", "model_file": "slow.py", "allow_code": True, "load_s": 30}
    pool = spawn(["-c", str(file(slow))], wait=False)
    waiting(lambda: pool.process.poll() is not None or len(pool.workers()) == 1)
    pool.signal(number)
    assert pool.wait(10) == 0
    assert pool.complaints() == []


def test_serve_without_anything_to_serve(run, tmp_path, monkeypatch):
    code, text = run("serve")
    assert code == 2
    assert "configs/model_pool_config.json" in text
    assert "-c FILE" in text


def test_the_console_is_opened_when_that_is_wished(spawn, file, tmp_path, waiting):
    """With a browser of the environment's, which notes what it is to show."""
    (tmp_path / "browser").write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/shown"\n')
    (tmp_path / "browser").chmod(0o755)
    pool = spawn(["serve", "-c", str(file(SUM)), "--open"], environment={"BROWSER": f"{tmp_path}/browser %s"})
    waiting(lambda: (tmp_path / "shown").exists() and (tmp_path / "shown").read_text() == f"{pool.url}/console\n")


def test_serve_with_both(run, file):
    code, text = run("serve", "double.onnx", "-c", file())
    assert code == 2
    assert "either -c or MODEL" in text


def test_serve_a_model_that_is_not_there(run):
    code, text = run("serve", "none.onnx")
    assert code == 2
    assert "none.onnx" in text


def test_two_models_of_one_name(run, tmp_path, models):
    (tmp_path / "double.onnx").write_bytes((models / "double.onnx").read_bytes())
    code, text = run("serve", "double.onnx", tmp_path / "double.onnx")
    assert code == 2
    assert "'double'" in text
    assert "other=" in text


def test_a_model_is_served_under_the_name_that_is_given(spawn, models):
    pool = spawn(["serve", f"first={models / 'double.onnx'}", f"second={models / 'double.onnx'}"])
    assert pool.ids() == ["first", "second"]


def test_a_folder_with_nothing_but_a_model_is_served_as_the_model(spawn, models, tmp_path):
    (tmp_path / "models" / "1").mkdir(parents=True)
    shutil.copy(models / "double.onnx", tmp_path / "models" / "1" / "model.onnx")
    (tmp_path / "models" / ".downloaded").touch()
    pool = spawn(["serve", f"digits={tmp_path / 'models'}"])
    assert pool.predict("digits", {"x": [[1, 2, 3, 4]]}).json["result"] == {"y": [[2, 4, 6, 8]]}


def test_a_folder_that_is_a_model_is_left_as_it_is(tmp_path):
    (tmp_path / "skill").mkdir()
    (tmp_path / "skill" / "skill.py").touch()
    assert tasks_of([("", tmp_path / "skill")], True)[0]["model_file"] == str(tmp_path / "skill")


def test_a_name_that_cannot_be_one(run, models):
    code, output = run("serve", "a/b=double.onnx")
    assert code == 2
    assert "'a/b' cannot be a model's name" in output


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("a b.onnx", "a_b"),
        (".hidden.onnx", "hidden"),
        ("ñandú.onnx", "and_"),
        ("ñ.onnx", "model"),
        ("-x.y.z.onnx", "x.y.z"),
        ("__init__.py", "init__"),
    ],
)
def test_a_file_name_becomes_an_id_that_may_be_one(tmp_path, name, task):
    (tmp_path / name).write_text("")
    (made,) = tasks_of([("", tmp_path / name)], False)
    assert Task.parse(made).id == task


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--port", "99999"], "port: must be at most 65535"), (["--port", "x"], "--port"), (["-c", "none.json"], "none.json"),
     (["--no-such-flag"], "--no-such-flag")],
)  # fmt: skip
def test_flags_that_cannot_be_used(run, arguments, words):
    code, text = run("serve", "double.onnx", *arguments) if "-c" not in arguments else run("serve", *arguments)
    assert code != 0
    assert words in text


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"prot": 1}, "did you mean 'port'?"),
        ({"drain_s": "x"}, "drain_s: must be a number"),
        ({"host": "no.such.host.invalid"}, "no.such.host.invalid"),
        ({"host": "a..b"}, "a..b"),
        ({"host": "x" * 70}, "xxx"),
        ({"state_dir": "/proc/none"}, "state_dir"),
        ({"handler_folders": ["none.at.all"]}, "none.at.all"),
    ],
)
def test_a_configuration_that_cannot_be_served(spawn, file, keys, words):
    pool = spawn(["-c", str(file(**keys))], wait=False)
    assert pool.wait(20) == 1
    assert words in pool.log.read_text()
    assert pool.complaints() == []


def test_a_port_that_is_taken(spawn, file):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        pool = spawn(["-c", str(file(SUM)), "--port", str(port), "--debug"], wait=False)
        assert pool.wait(20) == 1
    assert f"127.0.0.1:{port} cannot be listened on" in pool.log.read_text()
    assert "--port" in pool.log.read_text()


# --- check


def test_check_of_a_good_configuration(run, file):
    code, text = run("check", "-c", file(SUM, {**LAB, "instances": 3}))
    assert code == 0
    assert "'sum'" in text
    assert "2 tasks loaded" in text


@pytest.mark.parametrize(
    ("tasks", "words"),
    [([{**SUM, "model_file": "none.py"}], "tasks[0].model_file: "), ([SUM, {**SUM, "id": "x", "instances": 0}], "tasks[1].instances: "),
     ([{**SUM, "model_type": "abacus"}], "tasks[0].model_type: "), ([{**SUM, "allow_code": False}], "tasks[0].allow_code: "),
     ([SUM, SUM], "tasks[1].id: 'sum' is used twice"), ([{"id": ["a"]}], "tasks[0]."), ([{}], "tasks[0].id: "),
     ([{**SUM, "input_filters": {"x": ["no.Such"]}}], "tasks[0].input_filters"), ([{**SUM, "no_key": 1}], "tasks[0].no_key: "),
     ([{**SUM, "inputs": [{"name": "x", "type": "y", "shape": []}]}], "tasks[0].inputs: ")],
)  # fmt: skip
def test_check_names_the_key_of_what_is_wrong(run, file, tasks, words):
    code, text = run("check", "-c", file(*tasks))
    assert code == 1
    assert words in text


def test_check_names_the_line_of_what_is_wrong_in_toml(run, tmp_path):
    text = 'id = 1\n[[tasks]]\nid = "a"\nmodel_file = "sum.py"\n\n[[tasks]]\nid = "b"\nmodel_file = "none.py"\n\n[[tasks]]\nid = "c"\n'
    (tmp_path / "pool.toml").write_text(text + 'allow_code = true\nmodel_file = "sum.py"\n[tasks.input_filters]\nx = ["no.Such"]\n')
    code, told = run("check", "-c", tmp_path / "pool.toml")
    assert code == 1
    for words in ("tasks[0].allow_code: ", "line 2)", "tasks[1].model_file: ", "line 8)", "tasks[2].input_filters", "line 14)"):
        assert words in told


def test_check_of_handlers(run, file, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "bad.py").write_text("import none_such")
    code, text = run("check", "-c", file(handler_folders=[str(tmp_path / "own")]))
    assert code == 1
    assert "handler_folders" in text
    assert "none_such" in text


def test_check_of_no_file(run):
    code, text = run("check", "-c", "none.json")
    assert code == 1
    assert "none.json" in text


# --- adapters


def test_adapters_are_listed_with_what_they_need(run):
    code, text = run("adapters", "--json")
    assert code == 0
    listed = {entry["name"]: entry for entry in json.loads(text)}
    assert listed.keys() == plugins.ADAPTERS.keys()
    assert listed["onnx"] == {
        "name": "onnx", "installed": f"onnxruntime {importlib.metadata.version('onnxruntime')}", "install": "",
        "formats": "ONNX models, with external data beneath the model's folder", "code": "",
    }  # fmt: skip
    assert "pickle" in listed["sklearn"]["code"]
    code, text = run("adapters")
    assert code == 0
    assert all(name in text for name in listed)


def test_adapters_of_a_configuration_come_first_and_say_what_to_install(run, tmp_path):
    (tmp_path / "own.py").write_text(
        "class Own:\n    name, formats = 'own', 'files of ours'\n    needs = {'no_such_package': ''}\n    recognises = None\n"
    )
    (tmp_path / "pool.json").write_text(json.dumps({"adapter_folders": [str(tmp_path)]}))
    (tmp_path / "old.py").write_text(
        "class Old:\n    name, formats = 'old', 'other files'\n    needs = {'numpy': '99.0'}\n    recognises = None\n"
    )
    code, text = run("adapters", "-c", str(tmp_path / "pool.json"), "--json")
    assert code == 0
    assert json.loads(text)[0] == {
        "name": "old", "installed": "", "install": "pip install -U 'zeromind[old]'", "formats": "other files", "code": "",
    }  # fmt: skip
    assert json.loads(text)[1] == {
        "name": "own", "installed": "", "install": "pip install -U 'zeromind[own]'", "formats": "files of ours", "code": "",
    }  # fmt: skip


# --- inspect


def test_inspect_shows_a_table(run):
    code, text = run("inspect", "double.onnx")
    assert code == 0
    for word in ("double.onnx (onnx)", "input", "output", "float32", "[any, 4]"):
        assert word in text


def test_inspect_as_json_is_what_model_info_answers(run):
    code, text = run("inspect", "sum.py", "--json")
    assert code == 0
    assert json.loads(text) == {
        "inputs": {"0": {"name": "x", "type": "float32", "shape": [None, 3]}},
        "outputs": {"0": {"name": "sum", "type": "float32", "shape": [None]}},
        "tool": "python",
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["broken.onnx", "--model-type", "onnx"], "broken.onnx"), (["row.txt"], "no adapter recognises"), (["none"], "none"),
     (["double.onnx", "--model-type", "abacus"], "'abacus' is unknown")],
)  # fmt: skip
def test_inspect_of_what_is_no_model(run, arguments, words):
    code, text = run("inspect", *arguments)
    assert code != 0
    assert words in text


# --- predict


@pytest.fixture(scope="module")
def pool(thread_server):
    with thread_server(tasks=[SUM]) as client:
        yield client


def test_predict_prints_the_answer(run, pool):
    code, text = run("predict", "sum", '{"x": [[1, 2, 3]]}', "--url", pool.url)
    assert code == 0
    assert json.loads(text)["result"] == {"sum": [6]}


def test_predict_asks_the_server_that_the_variable_names(run, pool, monkeypatch):
    monkeypatch.setenv("ZEROMIND_URL", pool.url)
    code, text = run("predict", "sum", '{"x": [[1, 2, 3]]}')
    assert code == 0
    assert json.loads(text)["result"] == {"sum": [6]}


def test_predict_sends_each_file(run, pool, tmp_path):
    (tmp_path / "a.json").write_text('{"x": [[1, 1, 1]]}')
    (tmp_path / "b.json").write_text('{"x": [[2, 2, 2]]}')
    code, text = run("predict", "sum", "-f", tmp_path / "a.json", "-f", tmp_path / "b.json", "--url", f"{pool.url}/")
    assert code == 0
    assert [json.loads(line)["result"]["sum"] for line in text.splitlines()] == [[3], [6]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["none", "{}"], "'none' is not loaded; those that are: sum"), (["sum", "{}"], "lacks the input 'x'"), (["sum"], "either DATA"),
     (["sum", "{}", "-f", "row.txt"], "either DATA"), (["sum", "-f", "none.png"], "none.png"),
     (["sum", "-f", "row.txt"], "row.txt is no JSON"),
     (["a&id=sum/ü", '{"x": 1}'], "is not loaded")],
)  # fmt: skip
def test_predict_tells_what_the_server_refuses(run, pool, arguments, words):
    code, text = run("predict", *arguments, "--url", pool.url)
    assert code != 0
    assert words in text


def test_predict_without_a_server_says_how_to_start_one(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    code, text = run("predict", "sum", "{}", "--url", f"http://127.0.0.1:{port}")
    assert code == 1
    assert "zeromind serve" in text


@pytest.mark.parametrize("url", ["file:///etc/passwd", "127.0.0.1:5885", "ftp://x"])
def test_predict_asks_web_servers_only(run, url):
    code, text = run("predict", "sum", "{}", "--url", url)
    assert code == 2
    assert "http://" in text


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", b"what?\r\n\r\n"]
)
def test_predict_of_a_server_that_is_none_of_ours(run, reply):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            link, _ = server.accept()
            with link:
                link.recv(65536)
                link.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        code, text = run("predict", "sum", "{}", "--url", f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join(5)
    assert code == 1
    assert text.startswith("Error: ")


# --- the command itself


def test_version_and_help(run):
    assert run("--version") == (0, f"zeromind, version {zeromind.__version__}\n")
    code, text = run("--help")
    assert code == 0
    assert all(name in text for name in commands.commands)
    for name in commands.commands:
        code, text = run(name, "-h")
        assert code == 0
        assert text.startswith(f"Usage: zeromind {name}")
