"""What requests are called: by their clients where that name is fit for headers and logs, else by the pool."""

from __future__ import annotations

import itertools
import re
import secrets

_FIT = re.compile(r"[ -~]{1,128}")


class RequestIds:
    """Names of requests, each given once: a prefix that tells pools apart, and a number."""

    def __init__(self) -> None:
        self.prefix = f"{secrets.token_hex(5)}-".encode()
        self.number = itertools.count(1).__next__
        """The next number. Each request takes one, few are called by it: to format it each time would cost more than all else of it."""

    def name(self, number: int) -> bytes:
        """The name that has that number, in ASCII."""
        return b"%b%d" % (self.prefix, number)

    def make(self) -> bytes:
        """The next name."""
        return self.name(self.number())


def own(text: str) -> bytes:
    """The client's own name for its request; empty where there is none that is printable ASCII of at most 128 characters."""
    return text.encode() if _FIT.fullmatch(text) else b""
