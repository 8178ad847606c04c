"""Tens of thousands of requests that are nearly right, over every wire: none of them is a fault of the server's, none stops it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import struct
import time

import hpack
import psutil
import pytest

from faults import mutations

TASKS = [
    {"id": "sum", "model_file": "sum.py"},
    {"id": "kinds", "model_file": "kinds.py"},
    {"id": "picture", "model_file": "picture.py", "input_filters": {"picture": ["scaled.ScaledImageFilter"]}},
]
CLIENTS = 24
WAITS_S = 0.2
"""How long a request that may not be whole is given to be answered."""
LONGEST_S = 5.0
"""Of any answer: a hang is a second or more, on a machine with nothing else to do."""
NOT_OURS = (501, 503)  # what is not served here, what is too much at the moment
SECRETS = re.compile(rb'Traceback|File "|/site-packages/|/zeromind/|object at 0x|pytest-of-')
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">HBBBI", 0, 0, 4, 0, 0)
MIB = 1 << 20


class Fuzz:
    """A run: whose turn it is, and what was found."""

    def __init__(self, server, cases, seed) -> None:
        self.server = server
        self.host, _, self.port = server.address.rpartition(":")
        document = server.get("/openapi.json").json
        self.http, self.grpc = mutations.seeds_of_http(document), mutations.seeds_of_grpc()
        self.blocks = {request.target: mutations.head_block(request.target.decode()) for request in self.grpc}
        self.cases, self.seed, self.done = cases, seed, 0
        self.faults: list[str] = []
        self.statuses: dict[object, int] = {}
        self.longest = 0.0

    def case(self):
        """The next number and its request."""
        number, self.done = self.done, self.done + 1
        chance = random.Random(f"{self.seed}:{number}")  # noqa: S311 - it is to be repeated
        request = chance.choice(self.grpc if number % 4 == 0 else self.http)
        return number, mutations.mutated(request, chance)

    def note(self, number, request, status, data):
        """What was answered; a fault if no client's fault is answered so."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        wrong = status in ("INTERNAL", "UNKNOWN") if isinstance(status, str) else status >= 500 and status not in NOT_OURS
        if wrong or SECRETS.search(data):
            self.faults.append(f"{self.seed}:{number} {request.target!r} {request.bytes()[:400]!r} -> {status} {data[:400]!r}")

    async def client(self):
        streams = calls = None
        while self.done < self.cases and len(self.faults) < 5:
            number, request = self.case()
            if number % 100 == 0:
                await self.canary()
            begin = time.monotonic()
            try:
                if request.grpc:
                    calls = calls or await Calls.open(self)
                    if not await asyncio.wait_for(calls.ask(number, request), LONGEST_S):
                        calls = await closed(calls.writer)
                else:
                    streams = streams or await asyncio.open_connection(self.host, self.port, limit=1 << 26)
                    if not await asyncio.wait_for(self.ask(streams, number, request), LONGEST_S):
                        streams = await closed(streams[1])
            except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
                if isinstance(error, (TimeoutError, asyncio.TimeoutError)):  # closed it may be, behind a fault
                    self.faults.append(f"{self.seed}:{number} no answer: {request.bytes()[:400]!r}")
                if request.grpc and calls:
                    calls = await closed(calls.writer)
                elif streams and not request.grpc:
                    streams = await closed(streams[1])
            self.longest = max(self.longest, time.monotonic() - begin)
        for writer in ([calls.writer] if calls else []) + ([streams[1]] if streams else []):
            await closed(writer)

    async def ask(self, streams, number, request):
        """Whether the connection is good for another one."""
        reader, writer = streams
        writer.write(request.bytes())
        if request.torn:
            data = b""
            with contextlib.suppress(asyncio.TimeoutError, TimeoutError, ConnectionError):
                while part := await asyncio.wait_for(reader.read(1 << 16), WAITS_S):
                    data += part
            for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", data):
                self.note(number, request, int(status), data)
            return False
        head = await reader.readuntil(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 100"):
            head = await reader.readuntil(b"\r\n\r\n")
        fields = head.lower()
        body = b""
        if request.method != b"HEAD":
            if length := re.search(rb"\r\ncontent-length: (\d+)", fields):
                body = await reader.readexactly(int(length[1]))
            elif b"chunked" in fields:
                body = await reader.readuntil(b"0\r\n\r\n")
        self.note(number, request, int(head.split(b" ", 2)[1]), body)
        return b"\r\nconnection: close" not in fields

    async def canary(self):
        """A right answer to a right request, and health, on connections of their own."""
        for route, body in (("/v2/health/live", b""), ("/model/predict?id=sum", b'{"x": [[1, 2, 3]]}')):
            reader, writer = await asyncio.open_connection(self.host, self.port)
            method = b"POST" if body else b"GET"
            writer.write(b"%b %b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" % (method, route.encode()))
            writer.write(b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            answer = await asyncio.wait_for(reader.read(), LONGEST_S)
            await closed(writer)
            if not answer.startswith(b"HTTP/1.1 200") or (body and b'"sum":[6.0]' not in answer):
                self.faults.append(f"{self.seed}:{self.done} the canary: {answer!r}")

    async def run(self):
        await asyncio.gather(*(self.client() for _ in range(CLIENTS)))


class Calls:
    """One connection of gRPC's, one call at a time."""

    def __init__(self, fuzz, reader, writer) -> None:
        self.fuzz, self.reader, self.writer = fuzz, reader, writer
        self.decoder = hpack.Decoder()
        self.stream_id = -1

    @classmethod
    async def open(cls, fuzz):
        self = cls(fuzz, *await asyncio.open_connection(fuzz.host, fuzz.port, limit=1 << 26))
        self.writer.write(PREFACE)
        return self

    async def ask(self, number, request):
        """Whether the connection is good for another call: frames that are torn end it, as a rule."""
        chance = random.Random(f"{number}")  # noqa: S311 - it is to be repeated
        self.stream_id += 2
        block, message = self.fuzz.blocks[request.target], request.body
        said = len(message) if chance.random() < 0.95 else chance.choice((0, 1, len(message) + 1, 0x7FFFFFFF, 0xFFFFFFFF))
        flag = 0 if chance.random() < 0.95 else chance.randrange(256)
        data = b"".join(
            frame(0, at + 16_384 >= len(message) + 5, self.stream_id, piece)
            for at in range(0, len(message) + 5, 16_384)
            if (piece := (struct.pack(">BI", flag, said) + message)[at : at + 16_384])
        )
        sent = frame(1, 4, self.stream_id, block) + data
        torn = chance.random() < 0.1
        if torn:
            at = chance.randrange(len(sent))
            sent = sent[:at] + chance.randbytes(chance.choice((1, 2, 9))) + sent[at + chance.choice((0, 1, 2, 9)) :]
        self.writer.write(sent)
        try:
            return await asyncio.wait_for(self._answer(number, request), WAITS_S if torn else LONGEST_S) and not torn
        except TimeoutError:
            if torn:
                return False
            raise

    async def _answer(self, number, request):
        data = b""
        while True:
            head = await self.reader.readexactly(9)
            kind, flags, stream_id = head[3], head[4], int.from_bytes(head[5:], "big")
            payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
            if kind == 1:
                fields = dict(self.decoder.decode(payload, raw=True))
                if stream_id == self.stream_id and flags & 1:
                    code = CODES[int(fields.get(b"grpc-status", b"0"))]
                    text = fields.get(b"grpc-message", b"")
                    # What gRPC itself calls so: a flag of compression without a coding, more messages than one.
                    code = "PROTOCOL" if code == "INTERNAL" and (b"compressed" in text or b"exactly one" in text) else code
                    self.fuzz.note(number, request, code, data + text)
                    return True
            elif kind == 0:
                data += payload
            elif kind == 7 or (kind == 3 and stream_id == self.stream_id):
                self.fuzz.note(number, request, "GOAWAY" if kind == 7 else "RST_STREAM", b"")
                return kind == 3


CODES = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
]  # fmt: skip


async def closed(writer):
    """Close a connection, which may be closed, whatever is still to be sent."""
    writer.transport.abort()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def frame(kind, flags, stream_id, payload):
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream_id) + payload


@pytest.mark.proves("G12", "T15", "T16", "T18", "T20", "T24", "F21", "F23", "F24", "F27")
@pytest.mark.timeout(14_400)
def test_g12_no_request_is_a_fault_of_the_server(spawn, models, size):
    server = spawn(tasks=TASKS, max_body_bytes=MIB, filter_folders=[str(models / "filters")], model_types=["onnx", "python"])
    process = psutil.Process(server.process.pid)
    workers = sorted(server.workers())
    seed = os.environ.get("ZEROMIND_SEED") or str(time.time_ns())
    warm = Fuzz(server, 2000, seed + "-warm")
    asyncio.run(warm.run())
    before = process.memory_info().rss
    fuzz = Fuzz(server, size(20_000, 1_000_000), seed)
    begin = time.monotonic()
    asyncio.run(fuzz.run())
    grown = (process.memory_info().rss - before) / MIB
    took = time.monotonic() - begin
    told = f"seed {seed}: {fuzz.done} cases in {took:.0f} s, the longest {fuzz.longest:.2f} s, {grown:.1f} MiB more, {fuzz.statuses}"
    print(told)
    assert not warm.faults + fuzz.faults, "\n".join([told, *warm.faults, *fuzz.faults])
    assert grown < 20, told
    assert sorted(server.workers()) == workers, "a worker died"
    assert server.complaints() == []
