"""What TLS checks a server by, and shows it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


@dataclasses.dataclass(frozen=True, slots=True)
class Credentials:
    """``verify``: True for the authorities that the system trusts, the file of others, or False to trust anybody.

    ``pair`` is the client's own certificate and its key, each a PEM file.
    """

    verify: bool | str | Path = True
    pair: tuple[str | Path, str | Path] | None = None

    def context(self) -> ssl.SSLContext:
        """As Python's ssl has it. Raises OSError for files that cannot be used."""
        import ssl  # not for http://

        context = ssl.create_default_context(cafile=None if isinstance(self.verify, bool) else str(self.verify))
        if self.verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.pair is not None:
            context.load_cert_chain(*map(str, self.pair))
        return context

    @property
    def authorities(self) -> bytes | None:
        """The PEM of the authorities; None for those that gRPC brings. Raises ValueError for ``verify=False``, which gRPC has not."""
        if self.verify is False:
            raise ValueError("verify=False is not for grpcs://: give verify the file with the server's certificate")
        return None if self.verify is True else Path(self.verify).read_bytes()

    @property
    def certificate(self) -> bytes | None:
        """The PEM of the client's certificate."""
        return None if self.pair is None else Path(self.pair[0]).read_bytes()

    @property
    def key(self) -> bytes | None:
        """The PEM of its key."""
        return None if self.pair is None else Path(self.pair[1]).read_bytes()
