"""Thousands of clients that do nothing, or do it slowly: those who work do not notice, and each is shown out in time."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import statistics
import time

import psutil
import pytest

from faults.clients import Talker
from zeromind.limits import HttpLimits

LAB = {"id": "lab", "model_file": "lab.py"}
LIMITS = HttpLimits()


async def talk(address, seconds):
    """How long each answer took."""
    talker, took = Talker(address), []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status, answer, one = await talker.order("x")
        assert (status, answer["result"]["echo"]) == (200, ["x"])
        took.append(one)
    talker.close()
    return took


async def open_one(address):
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port), limit=1 << 16)


async def drip(address, first, pace_s):
    """Send ``first``, then a byte every ``pace_s``; how many seconds until the server closes."""
    reader, writer = await open_one(address)
    begun = time.monotonic()
    writer.write(first)

    async def feed():
        with contextlib.suppress(OSError):
            while True:
                await asyncio.sleep(pace_s)
                writer.write(b"x")
                await writer.drain()

    feeding = asyncio.create_task(feed())
    with contextlib.suppress(OSError):
        while await reader.read(65536):
            pass
    feeding.cancel()
    writer.close()
    return time.monotonic() - begun


@pytest.mark.proves("F13", "F14", "T17", "G10")
@pytest.mark.timeout(3600)
def test_g10_idle_and_slow_clients_cost_the_others_nothing(spawn, size):
    idle, slow = size(1_000, 8_000), size(200, 1_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = spawn(tasks=[LAB])
    process = psutil.Process(server.process.pid)

    async def main():
        calm = await talk(server.address, 3)
        before = process.memory_info().rss
        connections = [await open_one(server.address) for _ in range(idle)]
        head = f"POST /model/predict?id=lab HTTP/1.1\r\nHost: {server.address}\r\n".encode()
        body = head + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
        heads = [drip(server.address, head + b"X-Slow: ", 1) for _ in range(slow // 2)]
        bodies = [drip(server.address, body, 1) for _ in range(slow // 2)]
        dripping = asyncio.gather(*heads, *bodies)
        await asyncio.sleep(1)
        held = process.memory_info().rss - before
        crowded = await talk(server.address, 5)
        took = await dripping
        for _, writer in connections:
            writer.close()
        return calm, crowded, held, took

    try:
        calm, crowded, held, took = asyncio.run(main())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    heads, bodies = took[: slow // 2], took[slow // 2 :]
    assert statistics.median(crowded) < 3 * statistics.median(calm) + 0.01
    assert LIMITS.header_s - 1 < min(heads)
    assert max(heads) < LIMITS.header_s + LIMITS.linger_s + 5
    assert LIMITS.grace_s - 1 < min(bodies), "as long as it takes to see that it comes slower than it may"
    assert max(bodies) < LIMITS.grace_s + LIMITS.linger_s + 5
    assert held < 64 * 1024 * (idle + slow)
    print(f"{idle} idle, {slow} slow clients: median {1e3 * statistics.median(calm):.1f} → {1e3 * statistics.median(crowded):.1f} ms")
    print(f"{held / (idle + slow) / 1024:.1f} KiB each; heads closed after {max(heads):.1f} s, bodies after {max(bodies):.1f} s")
    assert server.get("/v2/health/live").status == 200
    assert server.predict("lab", {"order": ["canary"]}).json["result"]["echo"] == ["canary"]
