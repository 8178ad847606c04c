"""A few bytes that stand for very much: refused soon, with little memory, while everybody else is answered."""

from __future__ import annotations

import base64
import gzip
import io
import json
import socket
import struct
import threading
import time
import zlib

import psutil
import pytest
from PIL import Image

MIB = 1 << 20
LIMIT = 16 * MIB
CPU_S = 3.0
"""Of the server's processor for one bomb: what takes it to read as many bytes as are allowed, several times over."""
TASKS = [
    {"id": "sum", "model_file": "sum.py"},
    {"id": "open", "model_file": "open.py"},
    {"id": "picture", "model_file": "picture.py", "input_filters": {"picture": ["scaled.ScaledImageFilter"]}},
]
OPEN = """
class Skill:
    inputs = {"x": ("float32", [None, None])}
    outputs = {"sum": ("float32", [None])}

    def predict(self, x):
        return x.sum(axis=1)
"""


def canary(server):
    assert server.get("/v2/health/live").status == 200
    assert server.predict("sum", {"x": [[1, 2, 3]]}).json["result"]["sum"] == [6.0]


class Watch:
    """How much processor and memory the server takes meanwhile, and how long a probe of its health waits at most."""

    def __init__(self, server) -> None:
        self._server = server
        self._process = psutil.Process(server.process.pid)

    def __enter__(self):
        self._before, self._memory = self._cpu(), self._process.memory_info().rss
        self.slowest = self.memory = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._probe)
        self._thread.start()
        return self

    def _cpu(self):
        times = self._process.cpu_times()
        return times.user + times.system

    def _probe(self):
        while not self._over.wait(0.01):
            begin = time.monotonic()
            assert self._server.get("/v2/health/live").status == 200
            self.slowest = max(self.slowest, time.monotonic() - begin)
            self.memory = max(self.memory, self._process.memory_info().rss - self._memory)

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self.cpu = self._cpu() - self._before


def header(width, height):
    """A PNG file that claims a size, and has a row of it."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    data = zlib.compress(bytes(width + 1))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def film(frames):
    """A GIF of so many frames, the first of which is as any picture."""
    data = io.BytesIO()
    Image.new("P", (9, 9), 5).save(data, "GIF")
    whole = data.getvalue()
    begin = whole.index(b"\x2c")
    return whole[:-1] + whole[begin:-1] * (frames - 1) + b";"


def photos(count):
    """Pictures that are each as large as they may be, as one request."""
    data = io.BytesIO()
    Image.new("L", (8000, 8000)).save(data, "PNG")
    return json.dumps({"picture": [{"image": base64.b64encode(data.getvalue()).decode()}] * count}).encode()


def swollen():
    """10 MB as gzip would make of 10 GB: ten thousand times the same block of nothing."""
    packer = zlib.compressobj(9, wbits=31)
    first, again = (packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + again * 10_000


def in_chunks(server, count):
    """A body of so many bytes in as many chunks, sent until the server has heard enough."""
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as sock:
        sock.sendall(b"POST /model/predict?id=sum HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        block, sent = b"1\r\n \r\n" * 10_000, 0
        try:
            while sent < count:
                sock.sendall(block)
                sent += 10_000
        except ConnectionError:
            pass
        return int(sock.recv(100).split(b" ")[1])


PREDICT, INFER = "/model/predict?id=sum", "/v2/models/open/infer"
DEEP, KEYS, NUMBERS = b"[" * 10**6 + b"]" * 10**6, b",".join(b'"%d":1' % n for n in range(10**6)), b"1," * (LIMIT // 2 - 99)
TENSOR = b'{"inputs":[{"name":"x","shape":[%b],"datatype":"FP32","data":[%b1]}]}'
PART = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n"
BOMBS = {
    "ten gigabytes in gzip": (INFER, swollen(), 413, {"Content-Encoding": "gzip"}),
    "sixteen megabytes in gzip": (INFER, gzip.compress(bytes(LIMIT)), 413, {"Content-Encoding": "gzip"}),
    "a million levels": (PREDICT, b'{"x":' + DEEP + b"}", 400, {}),
    "a million levels for a filter": ("/model/predict?id=picture", b'{"picture":' + DEEP + b"}", 400, {}),
    "a million levels of a task": ("/model/load", b'{"id":' + DEEP + b"}", 400, {}),
    "a million keys": (PREDICT, b"{" + KEYS + b"}", 400, {}),
    "a million keys of a task": ("/model/load", b"{" + KEYS + b"}", 400, {}),
    "a number without end": ("/model/load", b'{"id":' + b"7" * (LIMIT - 9) + b"}", 400, {}),
    "millions of numbers": ("/model/predict?id=open", b'{"x":[[' + NUMBERS + b"1],[1]]}", 400, {}),
    "millions of numbers in a tensor": (INFER, TENSOR % (b"1,2", NUMBERS), 400, {}),
    "a shape without end": (INFER, TENSOR % (b"9," * 10**6 + b"1", b""), 400, {}),
    "a huge picture": ("/model/predict?id=picture", header(50_000, 50_000), 400, {"Content-Type": "image/png"}),
    "a hundred large pictures": ("/model/predict?id=picture", photos(100), 400, {}),
    "ten thousand frames": ("/model/predict?id=picture", film(10_000), 200, {"Content-Type": "image/gif"}),
    "a hundred thousand parts": (PREDICT, PART * 10**5 + b"--x--", 415, {"Content-Type": "multipart/form-data; boundary=x"}),
    "a million chunks": (PREDICT, None, 413, {}),
}


@pytest.mark.proves("G13", "T13", "T14", "T15", "T19", "T24", "F23", "F26", "F28")
@pytest.mark.timeout(7200)
def test_g13_bombs_are_refused_and_nobody_else_hears_of_them(spawn, models, size):
    (models / "open.py").write_text(OPEN)
    server = spawn(tasks=TASKS, max_body_bytes=LIMIT, filter_folders=[str(models / "filters")])
    process = psutil.Process(server.process.pid)
    canary(server)
    for turn in range(size(1, 100)):
        for name, (route, body, status, headers) in BOMBS.items():
            with Watch(server) as watch:
                begin = time.monotonic()
                fields = {"Content-Type": "application/json", **headers}
                answered = in_chunks(server, 10**6) if body is None else server.post(route, body, headers=fields).status
                took = time.monotonic() - begin
            told = (
                f"{name}: {took:.2f} s, {watch.cpu:.2f} s of processor, {watch.memory / MIB:.0f} MiB, a probe waited {watch.slowest:.2f} s"
            )
            print(told)
            assert answered == status, told
            assert watch.memory < 3 * LIMIT, told
            assert watch.cpu < CPU_S, told
            canary(server)
        if not turn:
            memory = process.memory_info().rss
    assert process.memory_info().rss - memory < 5 * MIB
    assert server.complaints() == []
