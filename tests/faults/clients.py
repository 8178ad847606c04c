"""Many clients at once, on connections that they keep, in one event loop."""

from __future__ import annotations

import asyncio
import json
import time


class Talker:
    """One connection, one request at a time; opened anew when the server has closed it."""

    def __init__(self, address: str) -> None:
        self.host, _, port = address.rpartition(":")
        self.port = int(port)
        self.writer = None

    async def ask(self, route, body, timeout_s=30.0):
        """Status, answer and seconds of a POST. Raises what the connection raises, TimeoutError when no answer comes."""
        begun = time.monotonic()
        status, data = await asyncio.wait_for(self._ask(route, json.dumps(body).encode()), timeout_s)
        return status, json.loads(data) if data else None, time.monotonic() - begun

    async def _ask(self, route, data):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port, limit=1 << 26)
        head = f"POST {route} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: application/json\r\n"
        self.writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(data) + data)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines[1:] if b": " in line)
        body = await self.reader.readexactly(int(fields.get(b"content-length", b"0")))
        if fields.get(b"connection") == b"close":
            self.close()
        return int(lines[0].split()[1]), body

    async def order(self, word, model="lab", timeout_s=30.0):
        """Status, answer and seconds of a prediction of a ``lab`` skill."""
        return await self.ask(f"/model/predict?id={model}", {"order": [word]}, timeout_s)

    def close(self):
        if self.writer is not None:
            self.writer.close()
            self.writer = None


def percentile(values, part):
    """The value below which that part of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
