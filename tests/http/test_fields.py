"""Tornado's headers, taken apart."""

import pytest
from tornado.httputil import HTTPHeaders

from zeromind.http import fields


class Hiding(HTTPHeaders):
    """Headers of somebody's own, which do not tell everything."""

    def get_all(self):
        return [pair for pair in super().get_all() if pair[0] != "Server"]


@pytest.mark.parametrize("layout_known", [True, False])
def test_the_values_of_each_field(monkeypatch, layout_known):
    monkeypatch.setattr(fields, "_LAYOUT_KNOWN", layout_known)
    for kind in (HTTPHeaders, Hiding):
        headers = kind({"Server": "a"})
        headers.add("set-cookie", "b")
        headers.add("Date", "c")
        headers.add("Set-Cookie", "d")
        expected = [("Server", ["a"]), ("Set-Cookie", ["b", "d"]), ("Date", ["c"])][kind is Hiding :]
        assert list(fields.lists(headers).items()) == expected
