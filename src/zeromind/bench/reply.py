"""The answer to a question that is asked once, before a load."""

from __future__ import annotations

import dataclasses
import http.client
from collections.abc import Mapping

from zeromind.client.address import Address


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """A status and a body."""

    status: int
    body: bytes

    @classmethod
    def to(cls, address: Address, path: str, headers: Mapping[str, str], timeout_s: float, body: bytes | None = None) -> Reply:
        """That to one request, a POST if it has a body, on a new connection, past all proxies. Raises OSError, HTTPException."""
        kind = http.client.HTTPSConnection if address.tls else http.client.HTTPConnection
        connection = kind(address.host, address.port, timeout=timeout_s)
        try:
            connection.request("GET" if body is None else "POST", address.prefix + path, body, dict(headers))
            response = connection.getresponse()
            return cls(response.status, response.read())
        finally:
            connection.close()
