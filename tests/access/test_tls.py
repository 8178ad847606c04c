"""HTTP and gRPC over TLS, with the clients that people have."""

import asyncio
import contextlib
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
import uvloop

import grpc
from zeromind.access.tls import Tls
from zeromind.errors import ConfigError
from zeromind.server import Server

from .conftest import certify

TASKS = [{"id": "sum", "model_file": "sum.py", "isolation": "thread"}]
ROW = '{"x": [[1, 2, 3]]}'
CURL = shutil.which("curl")


class Running:
    """A server with TLS on a loop of its own: the one that it has in earnest, or the standard library's."""

    def __init__(self, config, loop):
        self._config = config
        self._up = threading.Event()
        self._thread = threading.Thread(target=loop, args=(self._run(),))

    def __enter__(self):
        self._thread.start()
        assert self._up.wait(60)
        self.port = int(self.server.url.rpartition(":")[2])
        self.grpc_port = int(self.server.grpc_address.rpartition(":")[2])
        return self

    async def _run(self):
        self._loop = asyncio.get_running_loop()
        self.server = Server(self._config)
        self.server.start()
        await self.server.engine.started()
        self._up.set()
        await self.server.engine.stopped.wait()
        await self.server.close()

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self.server.engine.stop)
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request, configured, certificates):
    def start(**keys):
        config = configured(tasks=TASKS, tls_certificate=certificates.server, tls_key=certificates.server_key, **keys)
        return Running(config, request.param)

    return start


def context(certificates, *, client=False, least=ssl.TLSVersion.TLSv1_2, most=ssl.TLSVersion.TLSv1_3, alpn=()):
    made = ssl.create_default_context(cafile=certificates.ca)
    made.minimum_version, made.maximum_version = least, most
    if alpn:
        made.set_alpn_protocols(alpn)
    if client:
        made.load_cert_chain(certificates.client, certificates.client_key)
    return made


def ask(port, made):
    """The status of two predictions over one connection."""
    connection = http.client.HTTPSConnection("localhost", port, timeout=30, context=made)
    try:
        statuses = []
        for _ in range(4):
            connection.request("POST", "/model/predict?id=sum", ROW, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            statuses.append((answer.status, json.loads(answer.read())["result"]["sum"]))
        return statuses
    finally:
        connection.close()


def infer(module, port, **options):
    value = module.InferInput("x", [1, 3], "FP32")
    value.set_data_from_numpy(np.array([[1, 2, 3]], np.float32))
    with module.InferenceServerClient(f"localhost:{port}", ssl=True, **options) as client:
        return client.infer("sum", [value]).as_numpy("sum").tolist()


def test_every_client_speaks_tls_on_the_one_port(run, certificates):
    with run() as running:
        assert running.server.url.startswith("https://")
        assert ask(running.port, context(certificates)) == [(200, [6.0])] * 4
        assert ask(running.port, context(certificates, most=ssl.TLSVersion.TLSv1_2)) == [(200, [6.0])] * 4
        for port in (running.port, running.grpc_port):
            assert infer(tritonclient.grpc, port, root_certificates=certificates.ca) == [6.0]
        options = {"ssl_options": {"ca_certs": certificates.ca}, "ssl_context_factory": lambda: context(certificates)}
        assert infer(tritonclient.http, running.port, **options) == [6.0]
        credentials = grpc.ssl_channel_credentials(Path(certificates.ca).read_bytes())
        channel = grpc.secure_channel(f"localhost:{running.port}", credentials)
        with channel:
            assert channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=30) == b"\x08\x01"
        if CURL:
            for more in ([], ["--http2"], ["--http1.1"]):
                line = [
                    CURL,
                    "-sS",
                    "--cacert",
                    certificates.ca,
                    *more,
                    f"https://localhost:{running.port}/v2/health/live",
                    "-w",
                    "%{http_code}",
                ]
                assert subprocess.run(line, capture_output=True, text=True, timeout=60, check=False).stdout == "200"


def test_which_protocol_a_client_gets(run, certificates):
    with run() as running:
        for port, offered, chosen in (
            (running.port, ["h2", "http/1.1"], "http/1.1"),
            (running.port, ["h2"], "h2"),
            (running.port, ["http/1.1"], "http/1.1"),
            (running.port, [], None),
            (running.grpc_port, ["h2"], "h2"),
        ):
            made = context(certificates, alpn=offered)
            with socket.create_connection(("localhost", port), 30) as plain, made.wrap_socket(plain, server_hostname="localhost") as tls:
                assert tls.selected_alpn_protocol() == chosen
                assert tls.version() == "TLSv1.3"


def test_what_is_no_tls_or_too_old_is_turned_away(run, certificates):
    with run() as running:
        with socket.create_connection(("localhost", running.port), 30) as plain:
            plain.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            plain.settimeout(30)
            with contextlib.suppress(ConnectionError):
                assert b"HTTP/" not in plain.recv(1000)
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            old = context(certificates, least=ssl.TLSVersion.TLSv1, most=ssl.TLSVersion.TLSv1_1)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(running.port, old)
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(running.port, ssl.create_default_context())
        assert ask(running.port, context(certificates)) == [(200, [6.0])] * 4


@pytest.mark.proves("T26")
def test_t26_handshakes_that_fail_do_not_fill_the_log(run, certificates, caplog):
    with run() as running:
        caplog.clear()
        for port in (running.port, running.grpc_port):
            for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05abcde", b"\x16\x03\x01\x40\x00", b"\0" * 1000):
                for _ in range(5):
                    with socket.create_connection(("localhost", port), 30) as plain:
                        plain.sendall(data)
            for _ in range(5):
                with pytest.raises(ssl.SSLCertVerificationError):
                    ask(port, ssl.create_default_context())
        assert ask(running.port, context(certificates)) == [(200, [6.0])] * 4
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.proves("T1")
def test_t1_without_a_certificate_of_the_authority_no_client_is_let_in(run, certificates):
    with run(tls_client_ca=certificates.ca) as running:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(running.port, context(certificates))
        assert ask(running.port, context(certificates, client=True)) == [(200, [6.0])] * 4
        with pytest.raises(Exception, match=r"UNAVAILABLE|DEADLINE"):
            infer(tritonclient.grpc, running.grpc_port, root_certificates=certificates.ca)
        options = {"root_certificates": certificates.ca, "private_key": certificates.client_key, "certificate_chain": certificates.client}
        for port in (running.port, running.grpc_port):
            assert infer(tritonclient.grpc, port, **options) == [6.0]


def serial(port, ca):
    made = ssl.create_default_context(cafile=ca)
    with socket.create_connection(("localhost", port), 30) as plain, made.wrap_socket(plain, server_hostname="localhost") as tls:
        return tls.getpeercert()["serialNumber"]


def test_a_certificate_that_is_renewed_is_served_and_half_a_renewal_is_not(run, certificates, tmp_path):
    with run() as running:
        before = serial(running.port, certificates.ca)
        (tmp_path / "localhost-key.pem").write_text("no key")
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert serial(running.port, certificates.ca) == before
            time.sleep(0.2)
        certify(tmp_path, "localhost")  # by itself: it is its own authority
        end = time.monotonic() + 30
        while True:
            assert time.monotonic() < end
            try:
                if serial(running.port, certificates.server) != before:
                    break
            except ssl.SSLCertVerificationError:
                pass
            time.sleep(0.1)
        assert serial(running.grpc_port, certificates.server) != before


@pytest.mark.parametrize("key", ["tls_certificate", "tls_key", "tls_client_ca"])
def test_files_that_are_none_stop_the_start(certificates, tmp_path, key):
    (tmp_path / "none.pem").write_text("none")
    files = {"tls_certificate": certificates.server, "tls_key": certificates.server_key, "tls_client_ca": certificates.ca}
    for place in (tmp_path / "none.pem", tmp_path / "absent.pem"):
        with pytest.raises(ConfigError, match=r"certificate|PEM"):
            Tls(*map(Path, {**files, key: place}.values())).context(["h2"])


def test_a_key_with_a_password_is_refused_and_not_asked_for(certificates, tmp_path):
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(Path(certificates.server_key).read_bytes(), None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word"))
    (tmp_path / "locked.pem").write_bytes(key.private_bytes(*form))
    with pytest.raises(ConfigError, match="without a password"):
        Tls(Path(certificates.server), tmp_path / "locked.pem").context(["h2"])
