"""Request bodies that were compressed for the way (RFC 9110, section 8.4)."""

from __future__ import annotations

import zlib

from zeromind.errors import ErrorKind, ZeroMindError

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
