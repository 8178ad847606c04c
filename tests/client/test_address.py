"""Where a server is."""

import re

import pytest

from zeromind.client.address import Address


@pytest.mark.parametrize(
    ("url", "address", "authority"),
    [
        ("http://127.0.0.1:5885", Address("127.0.0.1", 5885), "127.0.0.1:5885"),
        ("http://localhost", Address("localhost", 80), "localhost:80"),
        ("https://models.example/zero/", Address("models.example", 443, tls=True, prefix="/zero"), "models.example:443"),
        ("http://[::1]:8000/", Address("::1", 8000), "[::1]:8000"),
    ],
)
def test_a_url_becomes_an_address(url, address, authority):
    assert Address.parse(url) == address
    assert address.authority == authority
    assert Address.parse(address.url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:5885",
        "ftp://x",
        "http://",
        "http://x:99999",
        "http://x:y",
        "http://x?id=1",
        "http://a@b",
        "http://a..b",
        "http://[",
        "file:///x",
    ],
)
def test_what_is_no_servers_url_is_named(url):
    with pytest.raises(ValueError, match=re.escape(repr(url))):
        Address.parse(url)
