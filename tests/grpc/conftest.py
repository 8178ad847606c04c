"""A pool with a gRPC port in a thread of this process, its real clients, and one that speaks in raw frames."""

import contextlib
import socket
import struct
import time

import pytest
import tritonclient.grpc
from h2 import config, connection, events

import grpc

SERVICE = "/inference.GRPCInferenceService/"

EVERY = '''
"""Gives back what it gets, one optional batch of each type."""

KINDS = ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "string")


class Skill:
    inputs = {kind: (kind, [None, 2]) for kind in KINDS}
    outputs = {f"{kind}_out": (kind, [None, 2]) for kind in KINDS}

    def predict(self, **values):
        return {f"{kind}_out": value for kind, value in values.items()}
'''


WORDS = '''
"""Gives back a text word by word."""


def predict(text: str) -> str:
    for word in text[0].split():
        if word == "boom":
            raise ValueError("not this word")
        yield word
'''

COUNT = '''
"""Counts, without end unless told; each number comes with as many bytes."""

import numpy as np


class Skill:
    inputs = {"most": ("int64", [1]), "bytes": ("int64", [1])}
    outputs = {"number": ("int64", [1]), "load": ("uint8", [None])}
    batches = False

    def predict(self, most, bytes):
        number = 0
        while number < most[0]:
            yield {"number": np.array([number]), "load": np.zeros(int(bytes[0]), np.uint8)}
            number += 1
'''


def unused_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
def free_port():
    return unused_port()


@pytest.fixture(scope="package")
def skills(models):
    (models / "every.py").write_text(EVERY)
    (models / "words.py").write_text(WORDS)
    (models / "count.py").write_text(COUNT)
    return models


@pytest.fixture(scope="package")
def grpc_server(skills, thread_server):
    """A context manager that serves over both doors; its Client knows the ``grpc`` address."""

    @contextlib.contextmanager
    def serve(**keys):
        port = unused_port()
        with thread_server(grpc_port=port, filter_folders=[str(skills / "filters")], **keys) as client:
            client.grpc = f"127.0.0.1:{port}"
            client.grpc_port = port
            yield client

    return serve


def task(name, **keys):
    return {"id": name, "model_file": f"{name}.py", **keys}


@pytest.fixture(scope="package")
def pool(grpc_server):
    tasks = [
        task("sum", isolation="thread"),
        task("lab", timeout_s=8),
        task("every", isolation="thread"),
        task("words", isolation="thread") | {"id": "speak"},
        task("count"),
        task("picture", isolation="thread", input_filters={"picture": ["scaled.ScaledImageFilter"]}),
        task("sum", isolation="thread") | {"id": "words", "input_filters": {"x": ["own.Split"]}, "output_filters": {"sum": ["own.Scale"]}},
        {"id": "double", "model_file": "double.onnx", "isolation": "thread"},
    ]
    with grpc_server(tasks=tasks, max_body_bytes=16 << 20) as client:
        yield client


@pytest.fixture(scope="package")
def triton(pool):
    client = tritonclient.grpc.InferenceServerClient(pool.grpc)
    yield client
    client.close()


class Raw:
    """A channel of grpcio's over which bytes go and come."""

    def __init__(self, address, **options):
        self.channel = grpc.insecure_channel(address, options=[(f"grpc.{name}", value) for name, value in options.items()])

    def method(self, path):
        return self.channel.unary_unary(path if path.startswith("/") else SERVICE + path)

    def call(self, path, request=b"", **more):
        more.setdefault("timeout", 10)
        return self.method(path)(request if isinstance(request, bytes) else request.SerializeToString(), **more)

    def fails(self, path, request=b"", **more):
        """The code and the sentence of a call that fails."""
        with pytest.raises(grpc.RpcError) as caught:
            self.call(path, request, **more)
        return caught.value.code(), caught.value.details()


@pytest.fixture(scope="package")
def raw(pool):
    client = Raw(pool.grpc)
    yield client
    client.channel.close()


class Frames:
    """One connection whose client side is h2, to be bent."""

    HEAD = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", SERVICE + "ServerLive"),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    )

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.h2 = connection.H2Connection(config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.events = []
        self.closed = False

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def begin(self, method="ServerLive", *, end=False, **fields):
        head = dict(self.HEAD) | {":path": SERVICE + method} | {name.replace("_", "-"): value for name, value in fields.items()}
        stream_id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream_id, [*head.items()], end_stream=end)
        return stream_id

    def ask(self, method="ServerLive", message=b"", **fields):
        stream_id = self.begin(method, **fields)
        self.h2.send_data(stream_id, framed(message), end_stream=True)
        self.flush()
        return stream_id

    def read(self, until, timeout_s=10):
        """Gather events until one fits, or the server closes; the one that fits."""
        end = time.monotonic() + timeout_s
        while True:
            for index, event in enumerate(self.events):
                if until(event):
                    del self.events[: index + 1]
                    return event
            assert time.monotonic() < end, self.events
            if self.closed:
                return None
            self.events += self.more()
            self.flush_acknowledgements()

    def more(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            data = b""
        self.closed = not data
        return self.h2.receive_data(data) if data else []

    def flush_acknowledgements(self):
        with contextlib.suppress(OSError):
            self.flush()

    def trailers(self, stream_id):
        """The fields with which a call ends."""

        def last(event):
            return (
                isinstance(event, (events.TrailersReceived, events.ResponseReceived))
                and event.stream_id == stream_id
                and any(name == "grpc-status" for name, _ in event.headers)
            )

        event = self.read(last)
        assert event is not None, "closed"
        return dict(event.headers)

    def goodbye(self):
        """The error code of the GOAWAY that ends the connection."""
        event = self.read(lambda event: isinstance(event, events.ConnectionTerminated))
        assert event is not None, "closed without a GOAWAY"
        return event.error_code

    def ends(self, timeout_s=10):
        """Whether the server closes."""
        self.read(lambda _: False, timeout_s)
        return self.closed


def framed(message, compressed=0):
    return struct.pack(">BI", compressed, len(message)) + message


@pytest.fixture
def frames(pool):
    opened = []

    def connect(port=None):
        opened.append(Frames(port or pool.grpc_port))
        return opened[-1]

    yield connect
    for one in opened:
        one.sock.close()
