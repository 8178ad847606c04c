"""TLS: a certificate, its key, and whose certificates clients need to have."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from pathlib import Path

from zeromind.access.watched import signature
from zeromind.errors import ConfigError

_log = logging.getLogger("zeromind.guard")


class Tls:
    """The files, and the contexts made of them, which follow when they are renewed: connections that are open stay as they are."""

    def __init__(self, certificate: Path, key: Path | None = None, client_ca: Path | None = None) -> None:
        self._certificate = certificate
        self._key = key or certificate
        self._client_ca = client_ca
        self._contexts: list[ssl.SSLContext] = []
        self._seen = self._signatures

    def context(self, protocols: Sequence[str]) -> ssl.SSLContext:
        """A server's context for these protocols (ALPN), the one that is preferred first. Raises ConfigError for files that are none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        if protocols:
            context.set_alpn_protocols(list(protocols))
        try:
            self._load(context)
        except (OSError, ValueError) as error:
            text = f"{self._certificate} and {self._key} are no certificate and its key, in PEM and without a password: {error}"
            raise ConfigError("tls_certificate", text) from None
        if self._client_ca is not None:
            try:
                context.load_verify_locations(self._client_ca)
            except (OSError, ValueError) as error:
                raise ConfigError("tls_client_ca", f"{self._client_ca} has no certificates in PEM: {error}") from None
            context.verify_mode = ssl.CERT_REQUIRED
        self._contexts.append(context)
        return context

    def look(self) -> None:
        """Look whether the files have changed; to be called every second."""
        now = self._signatures
        if now == self._seen:
            return
        self._seen = now
        try:
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # half of a renewal must not spoil the one that serves
            for context in self._contexts:
                self._load(context)
        except (OSError, ValueError) as error:
            _log.error("tls_certificate: %s cannot be used (%s): the one from before is served on", self._certificate, error)
        else:
            _log.info("%s was read anew", self._certificate)

    @property
    def _signatures(self) -> object:
        return signature(self._certificate), signature(self._key)

    def _load(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(self._certificate, self._key, password=_no_password)


def _no_password() -> str:
    """A key with a password would have OpenSSL ask for it on the terminal."""
    raise ValueError("the key has a password")
