"""Where a server is and how it is spoken to: the wire and the address in a URL, the key, what TLS needs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from zeromind.client.address import Address
from zeromind.client.credentials import Credentials

if TYPE_CHECKING:
    from zeromind.client.dialogue import Wire
    from zeromind.client.step import AsyncTransport, Transport

_SCHEMES = {"http": "http", "https": "https", "grpc": "http", "grpcs": "https"}
_EXTRA = "grpc:// needs grpcio: pip install 'zeromind[client]'"


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A server's; ``grpc`` says which wire is spoken there."""

    url: str
    address: Address
    grpc: bool
    key: str = dataclasses.field(repr=False)
    credentials: Credentials | None

    @classmethod
    def of(cls, url: str, key: str | None, verify: bool | str | Path, certificate: tuple[str | Path, str | Path] | None) -> Place:
        """The place in ``http://``, ``https://``, ``grpc://`` or ``grpcs://host:port``. Raises ValueError for what is none."""
        scheme, _, rest = url.partition("://")
        if scheme not in _SCHEMES:
            raise ValueError(f"{url!r} must begin with {', '.join(f'{name}://' for name in _SCHEMES)}")
        address = Address.parse(f"{_SCHEMES[scheme]}://{rest}")
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise ValueError("the key is no API key: those that 'zeromind keys add' makes begin with zm_")
        grpc = scheme.startswith("grpc")
        if grpc and address.prefix:
            raise ValueError(f"{url!r} must be {scheme}://host:port and no more")
        return cls(url, address, grpc, key or "", Credentials(verify, certificate) if address.tls else None)

    def wire(self) -> Wire:
        """The dialect that is spoken there."""
        if self.grpc:
            from zeromind.client.rpc import Rpc

            return Rpc()
        from zeromind.client.rest import Rest

        return Rest()

    def transport(self) -> Transport:
        """For threads. Raises ImportError without grpcio, OSError for TLS files that cannot be used."""
        if self.grpc:
            try:
                from zeromind.client.sync_grpc import GrpcTransport
            except ModuleNotFoundError:
                raise ImportError(_EXTRA) from None
            return GrpcTransport(self.address.authority, self._metadata, self.credentials)
        from zeromind.client.sync_http import HttpTransport

        return HttpTransport(self.address, self._fields, self.credentials.context() if self.credentials else None)

    def async_transport(self) -> AsyncTransport:
        """For an event loop. Raises likewise."""
        if self.grpc:
            try:
                from zeromind.client.async_grpc import GrpcTransport
            except ModuleNotFoundError:
                raise ImportError(_EXTRA) from None
            return GrpcTransport(self.address.authority, self._metadata, self.credentials)
        from zeromind.client.async_http import HttpTransport

        return HttpTransport(self.address, self._fields, self.credentials.context() if self.credentials else None)

    @property
    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.key}"),) if self.key else ()

    @property
    def _fields(self) -> str:
        return f"Authorization: Bearer {self.key}\r\n" if self.key else ""
