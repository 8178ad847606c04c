"""Which names a server answers to: a page that has its own name point to this machine (DNS rebinding) is not to reach it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

_MOST_KNOWN = 256


class Hosts:
    """``names`` are hosts without ports, ``*.example.org`` standing for all beneath that, ``*`` for any; loopback is always one.

    ``numeric``: any IP address will do, too, which nobody's name server can redirect.
    """

    def __init__(self, names: Iterable[str] = (), *, numeric: bool = False) -> None:
        self._names = {name.lower().rstrip(".") for name in names}
        self._suffixes = tuple(name[1:] for name in self._names if name.startswith("*."))
        self._numeric = numeric
        self._known: set[str] = set()

    def admits(self, authority: str) -> bool:
        """Whether a Host field, or an ``:authority``, names this server."""
        if authority in self._known:
            return True
        admitted = self._admits(name_of(authority))
        if admitted and len(self._known) < _MOST_KNOWN:
            self._known.add(authority)
        return admitted

    def _admits(self, name: str) -> bool:
        if "*" in self._names or name in self._names or name == "localhost" or name.endswith((".localhost", *self._suffixes)):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._numeric or address.is_loopback or str(address) in self._names


def name_of(authority: str) -> str:
    """The host in ``host:port``, lower case; of an IPv6 address what stands in its brackets."""
    text = authority.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].rstrip(".") if text.count(":") < 2 else text
