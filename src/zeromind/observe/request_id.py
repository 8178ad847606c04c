"""What requests are called: by their clients where that name is fit for headers and logs, else by the pool."""

from __future__ import annotations

import itertools
import re
import secrets

_FIT = re.compile(r"[ -~]{1,128}")


class RequestIds:
    """Names of requests, each given once: a prefix that tells pools apart, and a number."""

    def __init__(self) -> None:
        # No function of ours is called for a name: each request needs one.
        self.make = map(f"{secrets.token_hex(5)}-%08x".encode().__mod__, itertools.count(1)).__next__
        """The next name, in ASCII."""


def own(text: str) -> bytes:
    """The client's own name for its request; empty where there is none that is printable ASCII of at most 128 characters."""
    return text.encode() if _FIT.fullmatch(text) else b""
