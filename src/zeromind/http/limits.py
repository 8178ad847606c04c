"""What one client may ask of the transport: sizes in bytes, times in seconds."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one listener; what passes one of them is answered (431, 413, 408, 503) and its connection closed."""

    head_bytes: int = 65_536
    """Request line and header fields together; also the overhead that chunk framing and trailers may add to a body."""
    header_count: int = 100
    """Header fields of a request, and trailer fields of a chunked body."""
    body_bytes: int = 64 * 1024 * 1024
    """Request body after chunked decoding; ``set_max_body_size`` of the connection changes it for one request."""
    piece_bytes: int = 262_144
    """What the application gets of a body at once, at most."""
    chunk_count: int = 65_536
    """Chunks of one chunked body."""
    header_s: float = 10.0
    """From accept, or from the first byte of a further request, to the end of its head."""
    body_s: float = 60.0
    """From the end of the head to the end of the body, whatever the rate; time in which the application holds reading back is free."""
    grace_s: float = 5.0
    """How long a body may come, or an answer may go, before ``min_rate`` is asked of the client."""
    min_rate: float = 1024.0
    """Bytes per second that a client must send of a body and take of an answer that waits for it."""
    idle_s: float = 75.0
    """Between an answer and the first byte of the next request."""
    write_s: float = 30.0
    """How long an answer may wait for a client that takes less than ``min_rate`` of it."""
    linger_s: float = 2.0
    """How long a refused client's bytes are read and dropped, so that it can read why it was refused."""
    linger_bytes: int = 1024 * 1024
    """How many of those bytes are read; what comes beyond stays in the kernel."""
    connections: int = 10_000
    """Open connections; one more is answered 503 and closed."""

    @property
    def tick_s(self) -> float:
        """How often deadlines are looked at: a quarter of the shortest, between 20 ms and 1 s."""
        shortest = min(self.header_s, self.body_s, self.grace_s, self.idle_s, self.write_s, self.linger_s)
        return min(1.0, max(0.02, shortest / 4))
