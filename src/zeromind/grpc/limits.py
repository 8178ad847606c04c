"""What one client may ask over gRPC: sizes in bytes, times in seconds."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one listener. What passes them ends its call (RESOURCE_EXHAUSTED) or its connection (GOAWAY)."""

    message_bytes: int = 64 << 20
    """One message, after decompression too."""
    buffer_bytes: int = 256 << 20
    """Messages that have not come in full, of all connections together."""
    header_bytes: int = 16_384
    """A header list, as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113, 6.5.2)."""
    streams: int = 256
    """Calls of one connection at a time."""
    messages: int = 64
    """Messages of one call with streams that are worked on at a time; the next ones wait, and then their client does."""
    unsent_bytes: int = 1 << 20
    """How much of the answers of such a call may wait for the client before no more of its messages are worked on."""
    connections: int = 10_000
    """Open connections; one more is closed at once."""
    window_bytes: int = 1 << 20
    """What a client may send of one call ahead of our acknowledgement; sixteen times that of one connection."""
    frame_bytes: int = 1 << 16
    """The largest frame that a client may send."""
    resets_per_s: float = 100.0
    """Calls of one connection that its client may cancel, in the long run (Rapid Reset, CVE-2023-44487); ten times that at once."""
    controls_per_s: float = 100.0
    """Frames of one connection that carry nothing (PING, SETTINGS, PRIORITY, empty DATA, unknown ones), likewise."""
    open_s: float = 10.0
    """From accept to the client's first SETTINGS."""
    body_s: float = 60.0
    """From a call's head to the end of its message."""
    write_s: float = 30.0
    """How long a client may take nothing of an answer."""
    keepalive_s: float = 60.0
    """Silence after which a client is asked, with a PING, whether it is there."""
    pong_s: float = 20.0
    """How long it may take to say anything."""

    @property
    def tick_s(self) -> float:
        """How often times are looked at: a quarter of the shortest, between 20 ms and 1 s."""
        return min(1.0, max(0.02, min(self.open_s, self.body_s, self.write_s, self.keepalive_s, self.pong_s) / 4))
