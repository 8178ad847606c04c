"""What a request's header fields tell of the page that sent it, if a browser did (Fetch Metadata, W3C; RFC 6454 for Origin).

A browser lets any page ask a server on this machine: it keeps the answer from the page, but the deed is done. What gives such requests
away are fields that a page cannot forge.
"""

from __future__ import annotations

import enum
import urllib.parse
from collections.abc import Collection, Mapping

from zeromind.access.hosts import name_of

_FORMS = ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
"""What any page may send anywhere without being asked."""


class Sender(enum.Enum):
    """Who made a client send a request."""

    OWN = "a program, or a page of this server"
    LINK = "perhaps a link on another site's page: good for looking, not for deeds"
    FOREIGN = "another site's page"


def sender(headers: Mapping[str, str], origins: Collection[str] = ()) -> Sender:
    """Who sent a request with these fields, whose names are spelt ``Sec-Fetch-Site``; ``origins`` are sites that are trusted."""
    origin = headers.get("Origin")
    if origin is not None:
        return Sender.OWN if origin in origins or _same(origin, headers) else Sender.FOREIGN
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        if site in ("same-origin", "none"):
            return Sender.OWN
        is_link = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
        return Sender.LINK if is_link else Sender.FOREIGN
    if _asked_before(headers):
        return Sender.OWN
    referrer = headers.get("Referer")
    if referrer is not None:
        return Sender.OWN if _same(referrer, headers) else Sender.LINK
    # Browsers leave Sec-Fetch-Site out towards http:// addresses in the network, and pages can have Referer left out. They cannot
    # choose the User-Agent of a picture or a form.
    agent = headers.get("User-Agent", "")
    return Sender.LINK if agent.startswith("Mozilla/") and "PowerShell" not in agent else Sender.OWN


def _asked_before(headers: Mapping[str, str]) -> bool:
    """Whether a browser would have asked first whether another site's page may send this (CORS), which is refused."""
    media = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return media not in _FORMS or "Authorization" in headers or "X-Api-Key" in headers


def _same(url: str, headers: Mapping[str, str]) -> bool:
    """Whether a URL is one of the server that is asked."""
    authority = _authority(url)
    return authority != "" and authority == _plain(headers.get("Host", ""))


def _authority(url: str) -> str:
    try:
        parts = urllib.parse.urlsplit(url)
        return _plain(parts.netloc) if parts.scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _plain(authority: str) -> str:
    """Host and port without the port that goes without saying. A proxy in front may speak another scheme, so that is not looked at."""
    name = name_of(authority)
    port = authority.rpartition(":")[2] if not authority.endswith("]") and ":" in authority else ""
    return name if port in ("", "80", "443") else f"{name}:{port}"
