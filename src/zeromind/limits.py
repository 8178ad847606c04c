"""Every limit on what a client may send and how long it may take: here, once, for all wires.

Whoever holds one takes it from here; ``docs/limits.md`` is made of it. Those that an operator may want to change are pool options,
whose defaults these are.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from zeromind.errors import ErrorKind

_K = ErrorKind


def _limit(default: float, unit: str, answer: ErrorKind | str, text: str) -> Any:
    """A field: what passing it is answered, as a kind of error or, below all errors, in words; "" where nobody is told."""
    return dataclasses.field(default=default, metadata={"unit": unit, "answer": answer, "text": text})


@dataclasses.dataclass(frozen=True, slots=True)
class BodyLimits:
    """A request's body over HTTP, a message over gRPC."""

    size: int = _limit(64 << 20, "bytes", _K.BODY_TOO_LARGE, "Of one, expanded too; the pool's `max_body_bytes`.")
    ratio: int = _limit(100, "times", _K.BODY_TOO_LARGE, "What a compressed one may expand to, as a multiple of what came.")
    unrated: int = _limit(1 << 20, "bytes", "", "To so much any may expand, whatever its ratio.")


@dataclasses.dataclass(frozen=True, slots=True)
class JsonLimits:
    """JSON of any request. Whatever passes one of these is refused before it is parsed into objects."""

    depth: int = _limit(64, "levels", _K.INVALID_INPUT, "Lists and objects in each other.")
    values: int = _limit(1 << 20, "values", _K.INVALID_INPUT, "Values that become an object each: text, members, all but lists of numbers.")
    plain: int = _limit(1 << 16, "values", _K.REQUEST_ATTRIBUTE, "Of a request that is none for a prediction.")
    numbers: int = _limit(1 << 23, "numbers", _K.INVALID_INPUT, "Numbers of one tensor; bytes carry more.")
    digits: int = _limit(300, "digits", _K.INVALID_INPUT, "Of one number outside of tensors, in a row.")


@dataclasses.dataclass(frozen=True, slots=True)
class TensorLimits:
    """Tensors and what stands beside them, on every wire."""

    dimensions: int = _limit(32, "sizes", _K.INVALID_INPUT, "Of one shape.")
    texts: int = _limit(1 << 20, "elements", _K.INVALID_INPUT, "Of one BYTES tensor.")
    hollow: int = _limit(1 << 40, "elements", _K.INVALID_INPUT, "The product of a shape's sizes, those that are 0 left out, if one is.")
    members: int = _limit(1 << 14, "names", _K.PREDICT_DATA, "Of the JSON object that is the body of a prediction.")
    parameters: int = _limit(1 << 20, "characters", _K.INVALID_INPUT, "Of a request's parameters for the model; a number counts as eight.")
    request_id: int = _limit(1024, "characters", _K.INVALID_INPUT, "Of the id that a client gives its request; none may be NUL.")
    classes: int = _limit(1 << 18, "classes", _K.INVALID_INPUT, "That one answer may name.")
    filtered: int = _limit(1 << 30, "bytes", _K.FILTER_REFUSED, "What a filter that fills up may make of one request.")


@dataclasses.dataclass(frozen=True, slots=True)
class PictureLimits:
    """Pictures, known by their first bytes to be PNG, JPEG, WEBP, BMP or GIF, and decoded in workers only: the first frame."""

    pixels: int = _limit(64_000_000, "pixels", _K.FILTER_REFUSED, "Of one, by its header; a filter's `max_pixels`.")
    together: int = _limit(512_000_000, "pixels", _K.FILTER_REFUSED, "Of all pictures of one request, each having its share of them.")
    side: int = _limit(65_535, "pixels", _K.FILTER_REFUSED, "Of either side.")


@dataclasses.dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Archives that hold a model, and models whose files a client sends one by one."""

    size: int = _limit(8 << 30, "bytes", _K.LOAD_FAILED, "Unpacked.")
    ratio: int = _limit(100, "times", _K.LOAD_FAILED, "What one may unpack to, as a multiple of its size.")
    unrated: int = _limit(1 << 20, "bytes", "", "To so much any may unpack, whatever its ratio.")
    members: int = _limit(10_000, "members", _K.LOAD_FAILED, "Files and folders.")
    depth: int = _limit(16, "folders", _K.LOAD_FAILED, "In each other.")
    name: int = _limit(1024, "bytes", _K.LOAD_FAILED, "Of a member's whole name.")
    part: int = _limit(255, "bytes", _K.LOAD_FAILED, "Of each part of it.")
    header: int = _limit(1 << 20, "bytes", _K.LOAD_FAILED, "Of what stands before a member.")
    listed: int = _limit(64 << 20, "bytes", "", "How much of one is read to see what it holds.")
    files: int = _limit(1000, "files", _K.TASK_ATTRIBUTE, "That a client may send for one model.")
    path: int = _limit(512, "characters", _K.TASK_ATTRIBUTE, "Of the name of each.")


@dataclasses.dataclass(frozen=True, slots=True)
class MemoryLimits:
    """Shared memory that clients register."""

    regions: int = _limit(1024, "regions", _K.REQUEST_ATTRIBUTE, "At a time; and a quarter of the descriptors that the server may open.")
    name: int = _limit(1024, "characters", _K.REQUEST_ATTRIBUTE, "Of a region.")


@dataclasses.dataclass(frozen=True, slots=True)
class MessageLimits:
    """Protobuf messages: a parsed one may need forty times its bytes."""

    fields: int = _limit(1 << 18, "fields", _K.INVALID_INPUT, "Of a request for inference, those of inner messages included.")
    packed: int = _limit(8 << 20, "bytes", _K.INVALID_INPUT, "Of numbers in `contents`; `raw_input_contents` carry more.")
    plain_fields: int = _limit(1 << 14, "fields", _K.INVALID_INPUT, "Of any other request.")
    plain: int = _limit(1 << 20, "bytes", "RESOURCE_EXHAUSTED", "Of a request that is answered at once.")
    uncounted: int = _limit(1 << 16, "bytes", "", "A message of so many need not be counted first.")


@dataclasses.dataclass(frozen=True, slots=True)
class AnswerLimits:
    """What of a client's own data an error tells it."""

    message: int = _limit(4000, "characters", "", "Of the sentence, then it is cut.")
    param: int = _limit(1000, "characters", "", "Of each parameter.")


BODY, JSON, TENSORS, PICTURES = BodyLimits(), JsonLimits(), TensorLimits(), PictureLimits()
ARCHIVES, MEMORY, MESSAGES, ANSWERS = ArchiveLimits(), MemoryLimits(), MessageLimits(), AnswerLimits()
_CONNECTIONS = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one HTTP listener; what passes one of them is answered so and its connection closed."""

    head_bytes: int = _limit(65_536, "bytes", "431", "Request line and header fields; also what chunks and trailers may add to a body.")
    header_count: int = _limit(100, "fields", "431", "Of a request, and trailer fields of a body in chunks.")
    body_bytes: int = _limit(
        BODY.size, "bytes", _K.BODY_TOO_LARGE, "After chunked decoding; a handler may set it with `set_max_body_size` for one request."
    )
    piece_bytes: int = _limit(262_144, "bytes", "", "What the application gets of a body at once.")
    chunk_count: int = _limit(65_536, "chunks", "413", "Of one body.")
    header_s: float = _limit(10.0, "s", "408", "From accept, or from the first byte of a further request, to the end of its head.")
    body_s: float = _limit(
        60.0, "s", "408", "From the end of the head to that of the body; time in which the application reads nothing is free."
    )
    grace_s: float = _limit(5.0, "s", "", "How long a body may come, or an answer go, before the least rate is asked for.")
    min_rate: float = _limit(1024.0, "bytes/s", "408", "That a client must send of a body, and take of an answer that waits for it.")
    idle_s: float = _limit(75.0, "s", "closed", "Between an answer and the first byte of the next request.")
    write_s: float = _limit(30.0, "s", "closed", "How long an answer may wait for a client that takes less than the least rate.")
    linger_s: float = _limit(2.0, "s", "closed", "How long a refused client's bytes are read and dropped, so that it can read why.")
    linger_bytes: int = _limit(1 << 20, "bytes", "closed", "How many of those are read; what comes beyond stays in the kernel.")
    connections: int = _limit(_CONNECTIONS, "connections", "503", "Open at a time.")

    @property
    def tick_s(self) -> float:
        """How often deadlines are looked at: a quarter of the shortest, between 20 ms and 1 s."""
        return _tick(self.header_s, self.body_s, self.grace_s, self.idle_s, self.write_s, self.linger_s)


@dataclasses.dataclass(frozen=True, slots=True)
class GrpcLimits:
    """Bounds of one gRPC listener. What passes them ends its call or, with GOAWAY, its connection."""

    message_bytes: int = _limit(BODY.size, "bytes", _K.BODY_TOO_LARGE, "Of one message, decompressed too.")
    buffer_bytes: int = _limit(
        256 << 20, "bytes", "RESOURCE_EXHAUSTED", "Messages that have not come in full, of all connections together."
    )
    header_bytes: int = _limit(16_384, "bytes", "GOAWAY", "A header list, as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113, 6.5.2).")
    streams: int = _limit(256, "calls", "REFUSED_STREAM", "Of one connection at a time.")
    messages: int = _limit(64, "messages", "", "Of one call with streams that are worked on at a time; then its client waits.")
    unsent_bytes: int = _limit(1 << 20, "bytes", "", "Of the answers of such a call that may wait for the client before it waits in turn.")
    connections: int = _limit(_CONNECTIONS, "connections", "closed", "Open at a time.")
    window_bytes: int = _limit(
        1 << 20, "bytes", "GOAWAY", "Of one call ahead of our acknowledgement; sixteen times that of one connection."
    )
    frame_bytes: int = _limit(1 << 16, "bytes", "GOAWAY", "Of one frame.")
    resets_per_s: float = _limit(
        100.0, "calls/s", "GOAWAY", "That a client may cancel in the long run (CVE-2023-44487); ten times that at once."
    )
    controls_per_s: float = _limit(100.0, "frames/s", "GOAWAY", "That carry nothing (PING, SETTINGS, PRIORITY, empty DATA), likewise.")
    open_s: float = _limit(10.0, "s", "closed", "From accept to the client's first SETTINGS.")
    body_s: float = _limit(60.0, "s", "DEADLINE_EXCEEDED", "From a call's head to the end of its message.")
    write_s: float = _limit(30.0, "s", "closed", "How long a client may take nothing of an answer.")
    keepalive_s: float = _limit(60.0, "s", "", "Silence after which a client is asked, with a PING, whether it is there.")
    pong_s: float = _limit(20.0, "s", "closed", "How long it may take to say anything.")

    @property
    def tick_s(self) -> float:
        """How often times are looked at: a quarter of the shortest, between 20 ms and 1 s."""
        return _tick(self.open_s, self.body_s, self.write_s, self.keepalive_s, self.pong_s)


def _tick(*times: float) -> float:
    return min(1.0, max(0.02, min(times) / 4))
