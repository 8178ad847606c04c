"""Request bodies that were compressed for the way (RFC 9110, section 8.4)."""

from __future__ import annotations

import zlib

from zeromind.errors import ErrorKind, ZeroMindError

_MOST_ACCEPTED = 1024
"""How much of an Accept-Encoding is read."""

_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def expanded(body: bytes, encoding: str, most: int) -> bytes:
    """The body that a Content-Encoding speaks of; as it is where there is none.

    Raises NOT_SUPPORTED for another encoding than gzip and deflate, BODY_TOO_LARGE for more than ``most`` bytes, before they have been
    expanded, REQUEST_ATTRIBUTE for anything that is not one whole stream.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in _WINDOWS:
        raise ZeroMindError(ErrorKind.NOT_SUPPORTED, f"bodies may be compressed with gzip or deflate, not with {encoding!r}", encoding)
    inflater = zlib.decompressobj(_WINDOWS[encoding])
    try:
        whole = inflater.decompress(body, most + 1)
    except zlib.error:
        raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, f"the body is not what {encoding} makes", encoding) from None
    if len(whole) > most:
        text = f"the body has more than {most} bytes when it is expanded: send less, or raise 'max_body_bytes' of the pool"
        raise ZeroMindError(ErrorKind.BODY_TOO_LARGE, text, most)
    if not inflater.eof or inflater.unused_data:
        raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, f"the body is not one whole {encoding} stream", encoding)
    return whole


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
    deflater = zlib.compressobj(1, wbits=_WINDOWS[coding])
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
