"""Request header fields as Tornado's HTTPHeaders, without checking again what llhttp has checked."""

from __future__ import annotations

import functools

from tornado.httputil import HTTPHeaders


class _Checked(HTTPHeaders):
    """HTTPHeaders of fields that have canonical names and valid values: what its own constructor would make, for half the price."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._as_list = {name: [value] for name, value in fields.items()}
        self._combined_cache = fields


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
