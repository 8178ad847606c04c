"""The container file, as far as that can be tried without a container: what it copies, installs, starts and asks is there."""

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from zeromind.config.options import POOL

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "container"
LINES = re.sub(r"^\s*#.*\n", "", (FOLDER / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ").splitlines()
STEPS = [tuple(line.split(maxsplit=1)) for line in LINES if line.strip()]
EXTRAS = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))


def told(name):
    return [argument for step, argument in STEPS if step == name]


def test_it_is_built_in_two_stages_and_runs_as_nobody_special():
    assert len(told("FROM")) == 2
    assert told("USER")[-1] == "1000:1000"


def test_what_it_copies_is_there_and_not_ignored():
    kept = {line[1:] for line in (FOLDER / "Containerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = {source for argument in told("COPY") if not argument.startswith("--from") for source in argument.split()[:-1]}
    assert sources == kept
    assert all((ROOT / source).exists() for source in sources)


def test_its_extras_can_be_installed():
    (chosen,) = [argument.partition("=")[2] for argument in told("ARG") if argument.startswith("EXTRAS=")]
    assert set(chosen.split(",")) <= EXTRAS


def test_its_variables_are_settings_and_its_ports_theirs():
    variables = dict(argument.split("=", 1) for argument in told("ENV"))
    ours = {name for name in variables if name.startswith("ZEROMIND_")}
    assert ours <= {option.variable for option in POOL}
    assert told("EXPOSE") == [f"{variables['ZEROMIND_PORT']} {variables['ZEROMIND_GRPC_PORT']}"]


def test_signals_reach_the_server_through_what_takes_in_orphans():
    assert json.loads(told("ENTRYPOINT")[0])[:2] == ["tini", "--"]
    assert told("STOPSIGNAL") == ["SIGTERM"]
    assert any("install" in argument and "tini" in argument for argument in told("RUN"))


@pytest.mark.parametrize("secured", [False, True])
def test_what_it_starts_is_a_server_that_is_healthy_until_it_is_stopped(tmp_path, spawn, secured, request):
    (entry,), (started,), (asked,) = told("ENTRYPOINT"), told("CMD"), told("HEALTHCHECK")
    assert json.loads(entry)[2:] == ["zeromind"]
    file = tmp_path / "pool.toml"
    keys = ""
    if secured:
        certificate = request.getfixturevalue("certificate")
        keys = f"tls_certificate = {json.dumps(str(certificate))}\n"
    file.write_text(f'insecure = true\nhost = "0.0.0.0"\n{keys}')
    arguments = [str(file) if argument == "/etc/zeromind/pool.toml" else argument for argument in json.loads(started)]
    server = spawn(arguments, wait=False)
    port = wait_for_port(server)
    check = json.loads(asked[asked.index("CMD") + 3 :])
    command = [sys.executable, str(FOLDER / Path(check[1]).name)]
    environment = {**os.environ, "ZEROMIND_PORT": port}
    assert subprocess.run(command, env=environment, timeout=30, check=False).returncode == 0
    server.signal(signal.SIGTERM)
    assert server.wait(30) == 0
    done = subprocess.run(command, env=environment, timeout=30, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nothing answers" in done.stderr


def wait_for_port(server):
    """The port of a server that says where it is, over TLS or not."""
    end = time.monotonic() + 30
    while not (found := re.search(r"0Mind is ready: https?://[^\s:]+:(\d+)", server.log.read_text())):
        assert server.process.poll() is None, server.log.read_text()
        assert time.monotonic() < end
        time.sleep(0.05)
    return found[1]


@pytest.fixture
def certificate(tmp_path):
    """A certificate with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "models.example.org")])
    now = dt.datetime.now(dt.timezone.utc)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(days=1))
    plain = serialization.NoEncryption()
    file = tmp_path / "server.pem"
    file.write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    file.chmod(0o600)
    return file
