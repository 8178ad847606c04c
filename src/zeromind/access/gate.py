"""The decision over a request, made of its fields alone; wires ask it once for each connection's or site's kind of head."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from zeromind.access.browser import Sender, sender
from zeromind.access.hosts import Hosts
from zeromind.access.keyring import Keyring
from zeromind.access.scope import ANYONE, NOBODY, Caller
from zeromind.errors import ErrorKind, ZeroMindError

_SAFE = ("GET", "HEAD", "OPTIONS")


class Gate:
    """Lets callers in. Without a ``keyring`` everybody may do everything that comes to a host which is ours, from no foreign page."""

    def __init__(self, hosts: Hosts, keyring: Keyring | None = None, origins: Collection[str] = ()) -> None:
        self.hosts = hosts
        self.origins = frozenset(origins)
        self._keyring = keyring
        self._forget: list[Callable[[], None]] = []

    @property
    def keyed(self) -> bool:
        """Whether keys are needed."""
        return self._keyring is not None

    @property
    def nobody(self) -> Caller:
        """Who asks without a key."""
        return ANYONE if self._keyring is None else NOBODY

    def caller(self, authorization: str | None, api_key: str | None) -> Caller:
        """Who asks, by the values of Authorization and X-API-Key. Raises UNAUTHENTICATED for a key that is not valid."""
        if self._keyring is None:
            return ANYONE
        key = api_key
        if authorization is not None:
            kind, _, rest = authorization.strip().partition(" ")
            if kind.lower() == "bearer":
                key = rest
            elif key is None:  # else it is meant for a proxy in between
                raise ZeroMindError(ErrorKind.UNAUTHENTICATED, "the header Authorization must be: Bearer <key>")
        return NOBODY if key is None else self._keyring.caller(key.strip())

    def valid(self, caller: Caller) -> bool:
        """Whether a caller who was let in would be again."""
        return self._keyring is None or caller is NOBODY or self._keyring.holds(caller)

    def refused_host(self, authority: str) -> str:
        """Why a host is refused, as a sentence; empty if it is not."""
        if not authority or self.hosts.admits(authority):
            return ""
        return f"this server is not known as {authority[:100]!r}: ask it by its address, or add the name to 'allowed_hosts' of the pool"

    def refused_sender(self, method: str, headers: Mapping[str, str]) -> str:
        """Why a page that sends this is refused, as a sentence; empty if it is not."""
        found = sender(headers, self.origins)
        if found is Sender.OWN or (found is Sender.LINK and method in _SAFE):
            return ""
        return "another site's page may not ask this server: its operator can add the page's origin to 'allowed_origins' of the pool"

    def check_link(self, headers: Mapping[str, str]) -> None:
        """Raise PERMISSION_DENIED where a link on another site may be behind a deed."""
        if sender(headers, self.origins) is not Sender.OWN:
            text = "a link on another site may be behind this request: ask from this server's own pages, or with POST and JSON"
            raise ZeroMindError(ErrorKind.PERMISSION_DENIED, text)

    def on_change(self, forget: Callable[[], None]) -> None:
        """Have ``forget`` called when keys change, which is to forget what was decided with them."""
        self._forget.append(forget)

    def look(self) -> None:
        """Look whether the keys have changed; to be called every second."""
        if self._keyring is not None and self._keyring.look():
            for forget in self._forget:
                forget()
