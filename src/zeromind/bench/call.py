"""A request that is sent again and again, and its bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from zeromind.bench.reply import Reply
from zeromind.client.address import Address


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """A POST of ``body`` to ``path`` of a server; ``headers`` are fields beyond those that a body needs."""

    address: Address
    path: str
    body: bytes
    media: str = "application/json"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def fields(self) -> dict[str, str]:
        """The header fields, but for Host and Content-Length."""
        return {"Content-Type": self.media, **self.headers}

    def wire(self) -> bytes:
        """The whole request as HTTP/1.1 has it, for a connection that is kept alive. Raises ValueError for CR or LF in a field."""
        fields = {"Host": self.address.authority, **self.fields, "Content-Length": str(len(self.body))}
        lines = [f"POST {self.address.prefix}{self.path} HTTP/1.1", *[f"{name}: {value}" for name, value in fields.items()]]
        if any(sign in line for line in lines for sign in "\r\n"):
            raise ValueError("a header field holds a line break")
        return "\r\n".join([*lines, "", ""]).encode("latin1") + self.body

    def once(self, timeout_s: float) -> Reply:
        """The answer to it, asked once. Raises OSError or http.client.HTTPException."""
        return Reply.to(self.address, self.path, self.fields, timeout_s, self.body)
