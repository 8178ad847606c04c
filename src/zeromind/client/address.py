"""Where a server is, and single questions to it."""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Mapping

_NO_HEADERS: Mapping[str, str] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one question."""

    status: int
    body: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """A server's place; ``prefix`` is what a proxy puts before every path, without a slash at its end."""

    host: str
    port: int
    tls: bool = False
    prefix: str = ""

    @classmethod
    def parse(cls, url: str) -> Address:
        """The address in ``http://host[:port][/prefix]``, or https. Raises ValueError naming the URL."""
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = parts.hostname or "", parts.port
            host.encode("idna")
        except ValueError as error:
            raise ValueError(f"{url!r} is no address: {error}") from None
        if parts.scheme not in ("http", "https"):
            raise ValueError(f"{url!r} must begin with http:// or https://")
        if not host or parts.query or parts.fragment or parts.username is not None:
            raise ValueError(f"{url!r} must be http://host:port and no more")
        tls = parts.scheme == "https"
        return cls(host, (443 if tls else 80) if port is None else port, tls, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """``host:port``, as the Host field has it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as text."""
        return f"http{'s' if self.tls else ''}://{self.authority}{self.prefix}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = _NO_HEADERS, timeout_s: float = 60
    ) -> Reply:
        """The answer to one request on a connection of its own, past all proxies. Raises OSError or http.client.HTTPException."""
        import http.client  # with it comes all of email

        kind = http.client.HTTPSConnection if self.tls else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=timeout_s)
        try:
            connection.request(method, self.prefix + path, body, dict(headers))
            response = connection.getresponse()
            return Reply(response.status, response.read())
        finally:
            connection.close()
