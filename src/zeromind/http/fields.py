"""Tornado's HTTPHeaders: made of fields that llhttp has checked, without checking them again; and taken apart."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from tornado.httputil import HTTPHeaders


class _Checked(HTTPHeaders):
    """HTTPHeaders of fields that have canonical names and valid values: what its own constructor would make, for half the price."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._as_list = {name: [value] for name, value in fields.items()}
        self._combined_cache = fields

    def get(self, key: str, default: Any = None) -> Any:
        """As of any mapping, without an exception inside where there is no such field."""
        value = self._combined_cache.get(key)
        if value is not None:
            return value
        return self[key] if key in self or not isinstance(key, str) else default


_LAYOUT_KNOWN = vars(HTTPHeaders({"A": "b"})) == vars(_Checked({"A": "b"}))


@functools.lru_cache(1024)
def canonical(name: bytes) -> str:
    """A field name as HTTPHeaders spells it: ``content-TYPE`` is ``Content-Type``."""
    return "-".join([word.capitalize() for word in name.decode("ascii").split("-")])


def headers(fields: dict[str, str], pairs: list[tuple[str, str]]) -> HTTPHeaders:
    """The headers of a request: ``pairs`` of canonical names and values in their order, and the same as a dict, which is kept."""
    if len(fields) == len(pairs):
        return _Checked(fields) if _LAYOUT_KNOWN else HTTPHeaders(fields)
    result = HTTPHeaders()
    for name, value in pairs:
        result.add(name, value)
    return result


def lists(headers: HTTPHeaders) -> Mapping[str, list[str]]:
    """The values of each field, names and values in their order; not to be changed."""
    if _LAYOUT_KNOWN and type(headers) in (HTTPHeaders, _Checked):
        return headers._as_list  # noqa: SLF001 - get_all makes a tuple of each, at every answer
    result: dict[str, list[str]] = {}
    for name, value in headers.get_all():
        result.setdefault(name, []).append(value)
    return result
