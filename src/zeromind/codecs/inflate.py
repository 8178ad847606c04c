"""What clients have compressed for the way: one stream, and no more of it than is borne."""

from __future__ import annotations

import zlib

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import BODY

WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""zlib's parameter for each coding."""


def inflated(data: bytes | bytearray | memoryview, coding: str, most: int) -> bytes:
    """What a coding of WINDOWS has made smaller.

    Raises BODY_TOO_LARGE for more than ``most`` bytes, or out of proportion to what came, before they are made; REQUEST_ATTRIBUTE for
    anything that is not one whole stream.
    """
    bearable = max(BODY.unrated, BODY.ratio * len(data))
    inflater = zlib.decompressobj(WINDOWS[coding])
    try:
        whole = inflater.decompress(data, min(most, bearable) + 1)
    except zlib.error:
        raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, f"the body is not what {coding} makes", coding) from None
    if len(whole) > most:
        text = f"the body has more than {most} bytes when it is expanded: send less, or raise 'max_body_bytes' of the pool"
        raise ZeroMindError(ErrorKind.BODY_TOO_LARGE, text, most)
    if len(whole) > bearable:
        text = f"the body expands to more than {BODY.ratio} times its {len(data)} bytes: send it as it is"
        raise ZeroMindError(ErrorKind.BODY_TOO_LARGE, text, BODY.ratio)
    if not inflater.eof or inflater.unused_data:
        raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, f"the body is not one whole {coding} stream", coding)
    return whole
