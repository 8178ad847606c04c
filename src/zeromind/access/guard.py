"""All that guards one pool, made of its settings, and what follows when files change."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterable

from zeromind.access.audit import Audit
from zeromind.access.gate import Gate
from zeromind.access.hosts import Hosts
from zeromind.access.keyring import Keyring
from zeromind.access.tls import Tls
from zeromind.config.pool import PoolConfig
from zeromind.errors import ConfigError

_PERIOD_S = 1.0
_log = logging.getLogger("zeromind.guard")


class Guard:
    """Raises ConfigError for settings that cannot be used, and in ``check`` for an address that must not be listened on with them."""

    def __init__(self, config: PoolConfig) -> None:
        self._config = config
        keyring = Keyring(config.keys_file) if config.keys_file else None
        self.gate = Gate(Hosts((config.host, *config.allowed_hosts)), keyring, config.allowed_origins)
        self.tls = Tls(config.tls_certificate, config.tls_key, config.tls_client_ca) if config.tls_certificate else None
        self.audit = Audit(config.audit_file)
        secret = config.tls_key or config.tls_certificate
        if secret is not None and any(secret.resolve().is_relative_to(root) for root in config.roots):
            text = "the key of TLS, %s, lies beneath 'roots', where models and whoever loads them can read it: keep it elsewhere"
            _log.warning(text, secret)
        self._clock: asyncio.TimerHandle | None = None

    def check(self, addresses: Iterable[str]) -> None:
        """Refuse what nobody should do by accident: to listen where others can reach the pool while nobody needs a key."""
        config = self._config
        public = [address for address in addresses if not ipaddress.ip_address(address.partition("%")[0]).is_loopback]
        if not public:
            return
        if not self.gate.keyed and not config.tls_client_ca:
            if not config.insecure:
                text = (
                    f"others can reach {public[0]}, and nobody needs a key: make one (zeromind keys add NAME --file keys.json) and give "
                    "--keys-file keys.json; or say --insecure, and everybody who reaches it may load, drop and stop what is served"
                )
                raise ConfigError("host", text)
            _log.warning("insecure: everybody who reaches %s may load, drop and stop what is served", public[0])
        names = (config.host, socket.gethostname(), *config.allowed_hosts)
        # A page that has its own name point here (DNS rebinding) has no key. Without keys a name must be known, an address is none.
        self.gate.hosts = Hosts(("*",) if self.gate.keyed and not config.allowed_hosts else names, numeric=True)

    def start(self) -> None:
        """Follow the files of keys and certificates, if there are any."""
        if self.gate.keyed or self.tls is not None:
            self._look()

    def close(self) -> None:
        """Follow them no more, and end the audit log."""
        if self._clock is not None:
            self._clock.cancel()
        self.audit.close()

    def _look(self) -> None:
        self._clock = asyncio.get_running_loop().call_later(_PERIOD_S, self._look)
        self.gate.look()
        if self.tls is not None:
            self.tls.look()
