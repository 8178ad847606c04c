"""A pool, and its four clients."""

import asyncio
import contextlib

import pytest

from zeromind import datatypes
from zeromind.client import AsyncClient, Client

KINDS = {name: datatypes.type_name(name) for name in datatypes.NUMPY_OF}
EVERY = f'''
"""Gives back what it gets, if that is asked for: one input of each type."""

KINDS = {KINDS}


class Skill:
    inputs = {{name: (kind, [None, 2]) for name, kind in KINDS.items()}}
    outputs = {{f"{{name}}_out": (kind, [None, 2]) for name, kind in KINDS.items()}}

    def predict(self, **values):
        return {{f"{{name}}_out": value for name, value in values.items()}}
'''
ECHO = '''
"""Gives back its input, and the parameters of the request as text."""


class Skill:
    inputs = {"x": ("float32", [None, 2]), "n": ("int64", [None])}
    outputs = {"y": ("float32", [None, 2]), "told": ("string", [None])}

    def predict(self, x, n, parameters):
        return {"y": x * n[:, None], "told": [repr(sorted(parameters.items()))] * len(x)}
'''
COUNT = '''
"""Counts as far as it is told, and notes in a file where it ended."""

import time
from pathlib import Path

import numpy as np


class Skill:
    inputs = {"most": ("int64", [1])}
    outputs = {"number": ("int64", [1]), "words": ("string", [None]), "load": ("float32", [2, None])}
    batches = False

    def __init__(self, folder):
        self.diary = Path(folder) / "ended.txt"

    def predict(self, most, parameters):
        number = 0
        try:
            while number < most[0]:
                if number == parameters.get("fail_at"):
                    raise ValueError("enough")
                yield {"number": np.array([number]), "words": ["a", "ü"], "load": np.full((2, 3), np.nan, np.float32)}
                number += 1
                time.sleep(parameters.get("pause", 0.0))
        finally:
            with self.diary.open("a") as diary:
                diary.write(f"{number}\\n")
'''
TEXT = '''
"""Counts letters."""

import numpy as np


class Skill:
    inputs = {"text": ("string", [None])}
    outputs = {"length": ("int64", [None]), "again": ("string", [None])}

    def predict(self, text):
        return {"length": np.array([len(one) for one in text]), "again": text}
'''
RECORDS = '''
"""Filters that take and give what is no tensor."""

import numpy as np


class Record:
    side = "input"

    def apply(self, value, spec):
        if not all("b" in row for row in value):
            raise ValueError("a row needs a and b")
        return np.array([[row["a"], row["b"]] for row in value], np.float32)


class Named:
    side = "output"

    def apply(self, value, spec):
        return {"sum": float(value), "text": f"{value:g}"}
'''
ADD = '''
"""Adds two numbers."""


class Skill:
    inputs = {"x": ("float32", [None, 2])}
    outputs = {"sum": ("float32", [None])}

    def predict(self, x):
        return x.sum(axis=1)
'''


@pytest.fixture(scope="package")
def folder(models, tmp_path_factory):
    """The models of these tests, in a folder from which code may come."""
    made = tmp_path_factory.mktemp("client")
    for name, text in {"every": EVERY, "echo": ECHO, "count": COUNT, "text": TEXT, "add": ADD}.items():
        (made / f"{name}.py").write_text(text)
    (made / "filters").mkdir()
    (made / "filters" / "records.py").write_text(RECORDS)
    for name in ("lab", "picture", "slow"):
        (made / f"{name}.py").write_text((models / f"{name}.py").read_text())
    return made


def task(name, file=None, **keys):
    return {"id": name, "model_file": f"{file or name}.py", **keys}


TASKS = [
    task("every", isolation="thread"),
    task("echo", isolation="thread"),
    task("text", isolation="thread"),
    task("add", isolation="thread"),
    task("picture", isolation="thread", input_filters={"picture": ["scaled.ScaledImageFilter"]}),
    task("records", "add", isolation="thread", input_filters={"x": ["records.Record"]}, output_filters={"sum": ["records.Named"]}),
]


@pytest.fixture(scope="package")
def serve(folder, thread_server):
    """A context manager: a server over both doors, with the ``grpc_url`` beside the ``url``."""

    @contextlib.contextmanager
    def start(**keys):
        roots = {"roots": [str(folder)], "code_roots": [str(folder)], "filter_folders": [str(folder / "filters")]}
        with thread_server(**{**roots, **keys}) as client:
            client.grpc_url = client.url.replace("http://", "grpc://")  # the main port speaks gRPC, too
            yield client

    return start


@pytest.fixture(scope="package")
def pool(serve, folder):
    with serve(tasks=[*TASKS, task("count", writes=[str(folder)]), task("lab", instances=1)], max_body_bytes=16 << 20) as client:
        yield client


class Waiting:
    """An AsyncClient that can be asked as a Client: each call runs in a loop of its own until it is done."""

    def __init__(self, *arguments, **keys):
        self.loop = asyncio.new_event_loop()
        self.client = AsyncClient(*arguments, **keys)

    def __getattr__(self, name):
        def call(*arguments, **keys):
            return self.loop.run_until_complete(getattr(self.client, name)(*arguments, **keys))

        return call

    def stream(self, *arguments, **keys):
        return WaitingStream(self.loop, self.client.stream(*arguments, **keys))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.loop.run_until_complete(self.client.close())
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


class WaitingStream:
    def __init__(self, loop, stream):
        self.loop, self.stream = loop, stream

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self.loop.run_until_complete(self.stream.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self):
        self.loop.run_until_complete(self.stream.aclose())
        self.loop.run_until_complete(asyncio.sleep(0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


CLIENTS = {"http": (Client, "url"), "grpc": (Client, "grpc_url"), "async-http": (Waiting, "url"), "async-grpc": (Waiting, "grpc_url")}


@pytest.fixture(params=CLIENTS)
def connect(request):
    """A function that gives one of the four clients of a server."""
    kind, address = CLIENTS[request.param]
    with contextlib.ExitStack() as stack:

        def to(server, **keys):
            url = server if isinstance(server, str) else getattr(server, address)
            return stack.enter_context(kind(url, **keys))

        to.kind = request.param
        yield to


@pytest.fixture
def client(connect, pool):
    return connect(pool)
