"""Keys and TLS, of the four clients."""

import re

import pytest

from access.conftest import certify
from zeromind.client import PermissionDenied, Unauthenticated, Unavailable

TASKS = [{"id": "add", "model_file": "add.py", "isolation": "thread"}]


def test_keys(connect, serve, tmp_path):
    from access.conftest import fill

    keys = fill(tmp_path / "keys.json")
    with serve(tasks=TASKS, keys_file=str(keys.path)) as pool:
        assert connect(pool, key=keys.texts["all"]).predict("add", [1, 2]).value.tolist() == [3]
        for key in (None, "zm_nonsense", keys.texts["expired"]):
            with pytest.raises(Unauthenticated) as caught:
                connect(pool, key=key).models()
            assert caught.value.status in (16, 401)
        assert connect(pool, key=keys.texts["predict"]).predict("add", [1, 2]).value.tolist() == [3]
        with pytest.raises(PermissionDenied):
            connect(pool, key=keys.texts["predict"]).models()
        with pytest.raises(PermissionDenied):
            connect(pool, key=keys.texts["read"]).predict("add", [1, 2])
        with pytest.raises(PermissionDenied):
            connect(pool, key=keys.texts["read"]).drop("add")
        for _ in range(20):  # a stream that is refused before its request is sent is refused for the same reason
            with pytest.raises((Unauthenticated, PermissionDenied)):
                next(connect(pool, key=keys.texts["read"]).stream("add", [1, 2]))


@pytest.fixture
def certificates(tmp_path):
    authority = certify(tmp_path, "authority")
    for name in ("localhost", "client"):
        certify(tmp_path, name, authority)
    certify(tmp_path, "stranger")
    return tmp_path


def start(spawn, folder, waiting, certificates, **keys):
    """A server with TLS: its port."""
    pair = {"tls_certificate": str(certificates / "localhost.pem"), "tls_key": str(certificates / "localhost-key.pem")}
    server = spawn(wait=False, tasks=TASKS, roots=[str(folder)], code_roots=[str(folder)], **pair, **keys)

    def found():
        assert server.process.poll() is None, server.log.read_text()
        return re.search(r"0Mind is ready: https://[^\s]+:(\d+)", server.log.read_text())

    waiting(found)
    return int(found()[1])


def test_tls(connect, spawn, folder, waiting, certificates):
    port = start(spawn, folder, waiting, certificates)
    url = f"{'grpcs' if 'grpc' in connect.kind else 'https'}://localhost:{port}"
    client = connect(url, verify=certificates / "authority.pem")
    assert client.predict("add", [1, 2]).value.tolist() == [3]
    assert client.predict("add", [[1, 2]] * 100_000).value.shape == (100_000,)
    assert [part.value.tolist() for part in client.stream("add", [1, 2])] == [[3]]
    for stranger in (True, certificates / "stranger.pem"):
        with pytest.raises(Unavailable):
            connect(url, verify=stranger, retries=0).models()
    if "grpc" not in connect.kind:
        assert connect(url, verify=False).predict("add", [1, 2]).value.tolist() == [3]


def test_a_certificate_of_the_clients_own(connect, spawn, folder, waiting, certificates):
    port = start(spawn, folder, waiting, certificates, tls_client_ca=str(certificates / "authority.pem"))
    url, ca = f"{'grpcs' if 'grpc' in connect.kind else 'https'}://localhost:{port}", certificates / "authority.pem"
    own = (certificates / "client.pem", certificates / "client-key.pem")
    assert connect(url, verify=ca, certificate=own).predict("add", [1, 2]).value.tolist() == [3]
    with pytest.raises(Unavailable):
        connect(url, verify=ca, retries=0).models()
