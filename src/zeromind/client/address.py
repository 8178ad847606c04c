"""Where a server is."""

from __future__ import annotations

import dataclasses
import urllib.parse


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
