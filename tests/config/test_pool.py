"""A pool's settings: where they come from, and what is said of those that cannot be used."""

import json
from pathlib import Path

import pytest

from zeromind.config import pool
from zeromind.config.options import POOL
from zeromind.errors import ConfigError


@pytest.fixture
def read(tmp_path):
    """Read settings from a file's keys, variables and flags; ``text`` is the file as it is."""

    def run(keys=None, environ=None, flags=None, text=None):
        file = None
        if keys is not None or text is not None:
            file = tmp_path / "pool.json"
            file.write_bytes(text if text is not None else json.dumps(keys).encode())
        return pool.read(file, environ or {}, flags or {}, tmp_path)

    return run


def refused(read, *arguments, **more):
    with pytest.raises(ConfigError) as caught:
        read(*arguments, **more)
    return caught.value


def test_flags_come_before_variables_before_the_file_before_defaults(read):
    keys, environ, flags = {"port": 1, "id": 1, "debug": True}, {"ZEROMIND_PORT": "2", "ZEROMIND_ID": "2"}, {"port": 3}
    config = read(keys, environ, flags)
    assert (config.port, config.id, config.debug, config.host) == (3, 2, True, "127.0.0.1")
    assert config.given == {"port", "id", "debug"}


def test_the_defaults_are_those_of_the_article(read, tmp_path):
    config = read()
    assert (config.id, config.host, config.port, config.tasks, config.model_types, config.debug) == (1, "127.0.0.1", 5885, (), (), False)
    assert (config.roots, config.code_roots, config.state_dir) == ((tmp_path,), (), None)
    assert config.given == frozenset()


def test_every_default_is_a_value_that_may_be_given(read):
    assert [option.key for option in POOL if option.problem(option.default)] == []
    read({option.key: option.default for option in POOL})


def test_variables_hold_json_and_strings_as_they_are(read):
    environ = {
        "ZEROMIND_HOST": "::1",
        "ZEROMIND_MODEL_TYPES": '["onnx"]',
        "ZEROMIND_DEBUG": "true",
        "ZEROMIND_DRAIN_S": "0.5",
        "OTHER": "x",
    }
    config = read(environ=environ)
    assert (config.host, config.model_types, config.debug, config.drain_s) == ("::1", ("onnx",), True, 0.5)


@pytest.mark.parametrize(
    ("name", "text"), [("PORT", "x"), ("DEBUG", "yes"), ("TASKS", "["), ("ROOTS", "models"), ("DRAIN_S", "NaN"), ("ID", "[" * 100_000)]
)
def test_a_variable_that_is_not_json_names_itself(read, name, text):
    error = refused(read, environ={f"ZEROMIND_{name}": text})
    assert error.key == name.lower()
    assert f"ZEROMIND_{name}" in str(error)
    assert len(str(error)) < 1000


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("prot", "port"), ("model_type", "model_types"), ("task", "tasks"), ("State_dir", "state_dir"), ("max_body", "max_body_bytes")],
)
def test_a_misspelt_key_names_the_nearest(read, wrong, right):
    error = refused(read, {wrong: 1})
    assert error.key == wrong
    assert f"did you mean {right!r}?" in str(error)


def test_an_unknown_key_lists_the_known(read):
    error = refused(read, {"qqqqqq": 1})
    assert all(option.key in str(error) for option in POOL)


WRONG = {
    "id": ["1", None, 1.5, True, -1, [1]], "host": [5, None, "", " ", ["127.0.0.1"]], "port": ["5885", -1, 65536, 80.0, True, None],
    "grpc_port": ["8001", -2, 65536, True, None],
    "tasks": [{}, "x", [1], [None], None], "model_types": ["onnx", [1], {}, None], "debug": [0, 1, "true", None],
    "roots": [".", [1], None], "code_roots": ["."], "state_dir": [5, None], "trace_file": [5, None],
    "filter_folders": ["x"], "adapter_folders": [[None]],
    "handler_folders": [{}], "max_body_bytes": [0, 1.5, "1"], "max_queue": [0, 1 << 21, "8"], "max_queue_bytes": [0],
    "allow_shared_memory": [1, "true", None], "allow_file_override": [1, "true", None],
    "load_timeout_s": [0, -1, "5", 1e9, None], "drain_s": [-1, "x", 1e9], "confine": ["on", True, None],
    "pre_stop_s": [-1, "x", 1e9], "keys_file": [5, None], "insecure": [1, "true", None], "allowed_hosts": ["a", [1], None],
    "allowed_origins": ["https://a.org", [1], None], "tls_certificate": [5, None], "tls_key": [5, None], "tls_client_ca": [5, None],
    "audit_file": [5, None], "access_log": [5, None], "log_format": ["xml", 5], "otlp_endpoint": [5, None],
    "trace_ratio": [-0.1, 1.1, "1", True], "worker_environment": ["PATH", [1]], "memory_limit_bytes": [-1, "1", 1.5],
}  # fmt: skip


def test_every_key_is_tried_below():
    assert WRONG.keys() == {option.key for option in POOL}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_a_wrong_value_names_its_key(read, key, value):
    error = refused(read, {key: value})
    assert error.key == key
    assert str(error).startswith(f"{key}: must be")
    assert repr(value) in str(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [(b"", "not JSON"), (b"{", "not JSON"), (b"[]", "must be a JSON object"), (b"5", "must be a JSON object"), (b"\xff", "not JSON"),
     (b'{"port": 1, "port": 2}', "'port' stands twice"), (b'{"tasks": [{"id": "1", "id": "2"}]}', "'id' stands twice"),
     (b'{"port": NaN}', "NaN"), (b"[" * 200_000, "nested more than"), (b'{"drain_s": 1e400}', "1e400 is a number that is too large")],
)  # fmt: skip
def test_a_file_that_cannot_be_used_says_why(read, text, words):
    assert words in str(refused(read, text=text))


def test_a_file_that_is_missing_is_named(tmp_path):
    for file in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ConfigError, match=str(file)):
            pool.read(file, {}, {})


def test_a_file_without_end_is_not_read():
    with pytest.raises(ConfigError, match="larger than 16 MiB"):
        pool.read(Path("/dev/zero"), {}, {})


def test_a_byte_order_mark_is_no_obstacle(read):
    assert read(text=b'\xef\xbb\xbf{"port": 1}').port == 1


def test_paths_resolve_against_the_working_directory(read, tmp_path):
    (tmp_path / "mine").mkdir()
    config = read({"roots": ["a", "/b"], "state_dir": "state", "filter_folders": ["mine", "a.package"]})
    assert config.roots == (tmp_path / "a", Path("/b"))
    assert config.state_dir == tmp_path / "state"
    assert config.filter_folders == (str(tmp_path / "mine"), "a.package")
