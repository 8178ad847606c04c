"""What the head of an inference request says of its body, and of the answer's."""

from __future__ import annotations

import dataclasses

from tornado import httputil

from zeromind.codecs import finite
from zeromind.codecs.oip_raw import LENGTH
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import compression, envelope

AT_ONCE_BYTES = 16_384
"""How large a body may be to be compressed by the event loop, which larger ones would hold up; one to be expanded a quarter of it."""
CODINGS = "gzip, deflate"


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """``json_bytes`` of the body are JSON, None meaning all of it; ``came`` and ``goes`` name the codings of the two bodies.

    ``non_finite`` is what numbers of the answer become that JSON has not (``codecs.finite``).
    """

    json_bytes: int | None = None
    came: str = ""
    goes: str = ""
    non_finite: str = ""

    @classmethod
    def of(cls, headers: httputil.HTTPHeaders) -> Terms:
        """The terms in a head; a length that is none is -1, which no body has."""
        length, came, accepted = headers.get(LENGTH), headers.get("Content-Encoding"), headers.get("Accept-Encoding")
        non_finite = headers.get(finite.HEADER, "")
        if length is None and came is None and accepted is None and not non_finite:
            return USUAL
        json_bytes = None if length is None else int(length) if length.isascii() and length.isdigit() and len(length) < 19 else -1
        came = (came or "").strip().lower()
        return cls(json_bytes, "" if came == "identity" else came, compression.chosen(accepted) if accepted else "", non_finite)


USUAL = Terms()
_BINARY = b"Server: 0Mind\r\nContent-Type: application/octet-stream\r\nInference-Header-Content-Length: %d\r\n"


def fields(json_bytes: int) -> bytes:
    """The header lines of an answer, of which so many bytes are JSON; 0 = all."""
    return _BINARY % json_bytes if json_bytes else envelope.FIELDS


def fault_fields(error: ZeroMindError) -> bytes:
    """The header lines of a fault's answer; of a coding that is not known they tell those that are."""
    lines = envelope.fields(error)
    return lines + b"Accept-Encoding: %b\r\n" % CODINGS.encode() if error.kind is ErrorKind.NOT_SUPPORTED else lines
