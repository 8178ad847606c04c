"""Listening where others can reach the pool."""

import asyncio
import http.client
import socket

import pytest

from zeromind.access.guard import Guard
from zeromind.config import pool
from zeromind.errors import ConfigError
from zeromind.server import Server

EVERYWHERE = "0.0.0.0"  # noqa: S104 - it is what is to be refused


async def start_and_close(config):
    server = Server(config)
    try:
        server.start()
    finally:
        await server.close()


@pytest.mark.proves("T1")
@pytest.mark.parametrize("host", [EVERYWHERE, "::"])
def test_t1_nobody_listens_in_public_without_keys_by_accident(configured, host):
    with pytest.raises(ConfigError, match="zeromind keys add") as error:
        asyncio.run(start_and_close(configured(host=host)))
    assert "--insecure" in str(error.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_loopback_needs_no_ceremony(configured, host):
    asyncio.run(start_and_close(configured(host=host)))


def checked(configured, addresses, **keys):
    guard = Guard(configured(**keys))
    guard.check(addresses)
    return guard.gate.hosts


def test_which_names_are_ours(configured, keys, certificates, caplog):
    assert not checked(configured, ["127.0.0.1", "::1"]).admits("10.0.0.1")
    assert checked(configured, ["127.0.0.1"], allowed_hosts=["a.org"]).admits("a.org")
    for more in (
        {"keys_file": str(keys.path)},
        {"insecure": True},
        {"tls_certificate": certificates.server, "tls_client_ca": certificates.ca},
    ):
        hosts = checked(configured, ["10.0.0.1", "fe80::1%eth0"], host="mine", **more)
        assert hosts.admits("10.0.0.1")
        assert hosts.admits("localhost")
        assert hosts.admits("mine")
        assert hosts.admits(socket.gethostname())
        assert hosts.admits("any.example") is ("keys_file" in more), "whoever has no key gets nothing by another name"
        hosts = checked(configured, ["10.0.0.1"], allowed_hosts=["a.org"], **more)
        assert hosts.admits("a.org")
        assert hosts.admits("10.0.0.1")
        assert not hosts.admits("any.example")
    assert [record.levelname for record in caplog.records if "insecure" in record.message] == ["WARNING"] * 2


@pytest.mark.proves("T1")
def test_t1_insecure_is_told_in_info_and_in_the_log(spawn):
    server = spawn(host=EVERYWHERE, insecure=True)
    port = int(server.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/info")
    assert b'"insecure":true' in connection.getresponse().read()
    connection.close()
    assert "WARNING zeromind.guard: insecure" in server.log.read_text()


@pytest.mark.proves("T1")
def test_t1_the_command_refuses_with_one_sentence(spawn):
    server = spawn(host=EVERYWHERE, wait=False)
    assert server.wait() == 1
    text = server.log.read_text()
    assert "--insecure" in text
    assert "--keys-file" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("allowed_origins", ["*"], "must be an origin"),
        ("allowed_origins", ["https://a.org/"], "must be an origin"),
        ("allowed_origins", ["https://a.org\r\nX: y"], "must be an origin"),
        ("tls_key", "key.pem", "tls_certificate"),
        ("tls_client_ca", "ca.pem", "tls_certificate"),
    ],
)
def test_settings_that_cannot_be_meant(tmp_path, key, value, reason):
    with pytest.raises(ConfigError, match=reason):
        pool.read(None, {}, {key: value}, tmp_path)


def test_a_secret_where_models_can_read_it_is_told(configured, certificates, tmp_path, caplog):
    (tmp_path / "roots").mkdir()
    files = {"tls_certificate": certificates.server, "tls_key": certificates.server_key}
    for roots, told in (([str(tmp_path / "roots")], False), ([str(tmp_path / "roots"), str(tmp_path)], True)):
        caplog.clear()
        Guard(configured(**files, roots=roots)).close()
        assert ("keep it elsewhere" in caplog.text) == told
