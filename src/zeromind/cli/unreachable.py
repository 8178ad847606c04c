"""Why a server could not be asked, and what to do about it."""

from __future__ import annotations

import http.client
import ssl

_MOST_SHOWN = 100


def reason(url: str, error: Exception) -> str:
    """The end of an attempt to ask a server at ``url``, as a sentence."""
    rest = url.partition("://")[2]
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of {url} is not trusted here ({cause.verify_message}): SSL_CERT_FILE=cert.pem names one that is"
    if isinstance(cause, ssl.SSLError):
        return f"{url} does not speak TLS ({cause.reason}): ask http://{rest}"
    if isinstance(error, http.client.RemoteDisconnected):
        return f"{url} does not speak HTTP: it ended the connection without an answer; if it uses TLS, ask https://{rest}"
    if isinstance(error, OSError):
        return f"no server answers at {url} ({cause}); start one: zeromind serve"
    said = "".join(letter for letter in str(error)[:_MOST_SHOWN] if letter.isprintable())
    http1 = ", as it does not speak HTTP" if isinstance(error, http.client.HTTPException) else ""
    return f"what answers at {url} is no 0Mind server{http1}: {said}"
