"""Keys from the command line, and commands that ask with one."""

import json
import time

import pytest
from click.testing import CliRunner

from zeromind.access import key_file
from zeromind.access.scope import Scope
from zeromind.cli import commands

TASKS = [{"id": "sum", "model_file": "sum.py", "isolation": "thread"}]


@pytest.fixture
def run(tmp_path):
    def invoke(*arguments, **environment):
        return CliRunner().invoke(commands, [str(argument) for argument in arguments], env=environment, prog_name="zeromind")

    return invoke


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys.json"


def test_a_key_is_made_listed_and_revoked(run, file):
    made = run("keys", "add", "alice", "--file", file)
    assert made.exit_code == 0
    (key,) = made.stdout.split()
    assert "shown this once" in made.stderr
    assert key not in made.stderr + file.read_text()
    found = key_file.read(file).find(key)
    assert (found.name, found.scopes, found.models, found.expires) == ("alice", {Scope.PREDICT, Scope.READ}, None, None)
    run("keys", "add", "shop", "--scope", "predict", "--model", "price-*", "--model", "iris", "--days", "2", "--file", file)
    run("keys", "add", "old", "--scope", "manage", "--expires", "2020-01-31", "--file", file)
    shop = key_file.read(file).all[1]
    assert (shop.scopes, shop.models) == ({Scope.PREDICT}, ("price-*", "iris"))
    assert 86400 < shop.expires.timestamp() - time.time() <= 2 * 86400
    listed = run("keys", "list", "--file", file).stdout
    for text in ("alice", "predict read", "all", "never", "price-* iris", "2020-01-31 00:00 (is over)"):
        assert text in listed
    assert run("keys", "revoke", "alice", "--file", file).exit_code == 0
    assert [one.name for one in key_file.read(file).all] == ["shop", "old"]


def test_the_configuration_tells_the_file(run, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pool.json").write_text('{"keys_file": "keys.json"}')
    assert run("keys", "add", "a", "-c", "pool.json").exit_code == 0
    assert run("keys", "add", "b", ZEROMIND_KEYS_FILE="keys.json").exit_code == 0
    assert [one.name for one in key_file.read(file).all] == ["a", "b"]
    assert "which file?" in run("keys", "list").output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["add", "a b"], "the name 'a b'"),
        (["add", "a", "--model", "../b"], "no model's id"),
        (["add", "a", "--scope", "all"], "predict"),
        (["add", "a", "--expires", "soon"], "no time"),
        (["add", "a", "--expires", "2030-01-01", "--days", "3"], "either --days or --expires"),
        (["revoke", "a"], "there is no key 'a'"),
        (["list"], "No such file"),
    ],
)
def test_what_is_wrong_is_one_sentence(run, file, arguments, reason):
    done = run("keys", *arguments, "--file", file)
    assert done.exit_code != 0
    assert reason in " ".join(done.output.split())
    assert isinstance(done.exception, SystemExit)
    assert not file.exists()


def test_a_name_is_taken_once_and_a_damaged_file_is_left_alone(run, file):
    run("keys", "add", "a", "--file", file)
    assert "there is a key 'a' already" in run("keys", "add", "a", "--file", file).output
    file.write_text("{")
    assert run("keys", "add", "b", "--file", file).exit_code == 1
    assert file.read_text() == "{"


def test_help_teaches(run):
    text = run("keys", "--help").output
    for part in ("--scope predict", "--keys-file", "Authorization: Bearer", "manage ="):
        assert part in text


def test_predict_and_bench_ask_with_a_key(run, file, thread_server):
    key = run("keys", "add", "a", "--file", file).stdout.strip()
    with thread_server(keys_file=str(file), tasks=TASKS) as server:
        row = '{"x": [[1, 2, 3]]}'
        without = run("predict", "sum", row, "--url", server.url)
        assert (without.exit_code, "needs an API key" in without.output) == (1, True)
        for done in (
            run("predict", "sum", row, "--url", server.url, "--key", key),
            run("predict", "sum", row, "--url", server.url, ZEROMIND_KEY=key),
        ):
            assert json.loads(done.output)["result"] == {"sum": [6.0]}
        assert "is no API key" in run("predict", "sum", row, "--url", server.url, "--key", "a\nb").output
        bench = ["bench", server.url, "sum", "--closed", "--duration", "0.3", "--warmup", "0", "--connections", "2", "--json"]
        assert "API key" in run(*bench).output
        measured = run(*bench, ZEROMIND_KEY=key)
        assert measured.exit_code == 0
        assert json.loads(measured.stdout)["runs"][0]["answered"] > 0


@pytest.mark.parametrize(
    ("settings", "key", "reason"),
    [
        ({"keys_file": "none.json"}, "keys_file", "zeromind keys add"),
        ({"host": "0.0.0.0"}, "host", "--insecure"),  # noqa: S104 - it is what is refused
        ({"tls_certificate": "none.pem"}, "tls_certificate", "no certificate"),
        ({}, "", "is fine"),
    ],
)
def test_check_looks_at_keys_and_certificates(run, tmp_path, settings, key, reason):
    (tmp_path / "pool.json").write_text(json.dumps(settings))
    done = run("check", "-c", tmp_path / "pool.json")
    assert done.exit_code == bool(key)
    assert reason in " ".join(done.output.split())
    assert f"{key}: " in done.output or not key
