"""Request bodies that were compressed for the way (RFC 9110, section 8.4)."""

from __future__ import annotations

import zlib

from zeromind.codecs.inflate import WINDOWS, inflated
from zeromind.errors import ErrorKind, ZeroMindError

_MOST_ACCEPTED = 1024
"""How much of an Accept-Encoding is read."""


def expanded(body: bytes | bytearray, encoding: str, most: int) -> bytes:
    """The body that a Content-Encoding speaks of; as it is where there is none.

    Raises NOT_SUPPORTED for another encoding than gzip and deflate, or what ``inflated`` raises.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return bytes(body)
    if encoding not in WINDOWS:
        raise ZeroMindError(ErrorKind.NOT_SUPPORTED, f"bodies may be compressed with gzip or deflate, not with {encoding!r}", encoding)
    return inflated(body, encoding, most)


def chosen(accepted: str) -> str:
    """The coding that an Accept-Encoding prefers of those that are made here, ``gzip`` or ``deflate``; empty for none.

    Of equals the first is taken; what has no weight, or one that is none, weighs as ever (RFC 9110, section 12.5.3).
    """
    weights: dict[str, float] = {}
    for item in accepted[:_MOST_ACCEPTED].split(","):
        name, _, rest = item.partition(";")
        name = name.strip().lower()
        weights.setdefault("gzip" if name == "x-gzip" else name, _weight(rest))
    others = weights.get("*", 0.0)
    for name in ("gzip", "deflate"):
        weights.setdefault(name, others)
    best = max((name for name in weights if name in ("gzip", "deflate", "identity")), key=weights.__getitem__)
    return "" if best == "identity" or not weights[best] else best


def packed(body: bytes, coding: str) -> bytes:
    """The body in that coding, made fast rather than small."""
    deflater = zlib.compressobj(1, wbits=WINDOWS[coding])
    return deflater.compress(body) + deflater.flush()


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 1.0
            return weight if 0 <= weight <= 1 else 1.0
    return 1.0
