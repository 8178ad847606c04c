"""Files of keys, servers that need them, certificates."""

import dataclasses
import datetime as dt
import ipaddress
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from zeromind.access import key_file
from zeromind.access.keys import Key, digest, mint
from zeromind.access.scope import GRANTED, Scope

BORN = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
READY = (b"HTTP/1.1 200", b"HTTP/1.1 400")


class File:
    """A file of keys, of which the texts are known here."""

    def __init__(self, path):
        self.path = path
        self.texts = {}
        path.unlink(missing_ok=True)

    def add(self, name, *scopes, models=None, expires=None):
        """Make a key with these scopes (all if none are named): its text."""
        text = self.texts[name] = mint()
        key = Key(name, digest(text), frozenset(scopes or GRANTED), models, BORN, expires)
        key_file.change(self.path, lambda keys: keys.with_one(key))
        return text

    def revoke(self, name):
        key_file.change(self.path, lambda keys: keys.without(name))

    def bearer(self, name):
        return {"authorization": f"Bearer {self.texts[name]}"}


def fill(path):
    """One key for each scope, one for all but that, and others that are good for little."""
    file = File(path)
    file.add("all")
    for scope in GRANTED:
        file.add(scope.value, scope)
        file.add(f"not-{scope.value}", *(set(GRANTED) - {scope}))
    file.add("expired", expires=dt.datetime(2026, 2, 1, tzinfo=dt.timezone.utc))
    file.add("elsewhere", models=("else*",))
    file.add("sums", models=("sum", "su*"))
    file.add("reader", Scope.READ, models=("sum",))
    return file


@pytest.fixture
def keys(tmp_path):
    return fill(tmp_path / "keys.json")


@pytest.fixture(scope="package")
def shared_keys(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("keys") / "keys.json")


@dataclasses.dataclass(frozen=True)
class Certificates:
    """Files in PEM: an authority, certificates of its for localhost and for a client, and the keys to them."""

    ca: str
    server: str
    server_key: str
    client: str
    client_key: str


def _named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certify(folder, name, authority=None):
    """A certificate and its key, signed by an authority's or by itself; they are written into the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer, issuer_key = authority or (_named(name), key)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = dt.datetime.fromtimestamp(time.time(), dt.timezone.utc)
    builder = x509.CertificateBuilder(issuer, _named(name), key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=2))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}-key.pem").write_bytes(key.private_bytes(*plain))
    return certificate.subject, key


@pytest.fixture
def certificates(tmp_path):
    authority = certify(tmp_path, "authority")
    for name in ("localhost", "client"):
        certify(tmp_path, name, authority)
    files = ("authority", "localhost", "localhost-key", "client", "client-key")
    return Certificates(*(str(tmp_path / f"{name}.pem") for name in files))
