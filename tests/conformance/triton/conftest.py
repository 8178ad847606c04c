"""Triton's four clients, asked in the same words against the same pool."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import logging
import os
import socket
import threading

import numpy as np
import pytest
from google.protobuf.message import Message
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, shared_memory

WIRES = ("http", "http.aio", "grpc", "grpc.aio")
HTTP_STATUS = {
    "INVALID_ARGUMENT": "400",
    "ALREADY_EXISTS": "400",
    "NOT_FOUND": "404",
    "UNIMPLEMENTED": "501",
    "INTERNAL": "500",
    "DEADLINE_EXCEEDED": "504",
}
ANSWER_S = 30

TYPES = '''
"""Gives back what it gets, one input of each type."""

KINDS = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 string".split()


class Skill:
    inputs = {kind: (kind, [None, None]) for kind in KINDS}
    outputs = {f"{kind}_out": (kind, [None, None]) for kind in KINDS}

    def predict(self, **values):
        return {f"{kind}_out": value for kind, value in values.items()}
'''

ECHO = '''
"""Gives back texts, and tells the parameters that came with them."""

import json


class Skill:
    inputs = {"text": ("bytes", [None])}
    outputs = {"echo": ("bytes", [None]), "told": ("string", [None])}

    def predict(self, text, parameters):
        return {"echo": text, "told": [json.dumps(parameters, sort_keys=True)] * len(text)}
'''

SCORES = '''
"""Two outputs for each row: itself, and its whole numbers."""


class Skill:
    inputs = {"x": ("float32", [None, 4])}
    outputs = {"scores": ("float32", [None, 4]), "whole": ("int32", [None, 4])}

    def predict(self, x):
        return {"scores": x, "whole": x.astype("int32")}
'''

COUNT = '''
"""Counts to a number, one response each, and stumbles where it is told to."""

import numpy as np


class Skill:
    inputs = {"to": ("int32", [1]), "stumble": ("int32", [1])}
    outputs = {"number": ("int32", [1]), "half": ("float32", [1])}

    def predict(self, to, stumble):
        for number in range(int(to[0])):
            if number == stumble[0]:
                raise ValueError(f"no further than {number}")
            yield {"number": np.array([number], np.int32), "half": np.array([number / 2], np.float32)}
'''

SKILLS = {"every_type": TYPES, "echo": ECHO, "scores": SCORES, "count": COUNT}
LABELS = ["ant", "bee", "cat", "dog"]


@pytest.fixture(scope="module")
def served(models, thread_server, tmp_path_factory):
    """A pool that all wires are asked at; its Client knows ``grpc``, the other address, and ``traces``, the file of those."""
    folder = models / "triton"
    folder.mkdir(exist_ok=True)
    for name, text in SKILLS.items():
        (folder / f"{name}.py").write_text(text)
    tasks = [{"id": name, "model_file": f"triton/{name}.py", "isolation": "thread"} for name in SKILLS]
    tasks[list(SKILLS).index("scores")]["labels"] = {"scores": LABELS}
    tasks.append({"id": "lab", "model_file": "lab.py"})
    tasks.append({"id": "best", "model_file": "double.onnx", "isolation": "thread", "output_filters": {"y": ["argmax.ArgMaxFilter"]}})
    tasks.append({"id": "double", "model_file": "double.onnx", "isolation": "thread"})
    traces = tmp_path_factory.mktemp("traces") / "trace.json"
    port = unused_port()
    with thread_server(tasks=tasks, grpc_port=port, allow_shared_memory=True, trace_file=str(traces)) as client:
        client.grpc = f"127.0.0.1:{port}"
        client.traces = traces
        yield client


@pytest.fixture(scope="session")
def client_loop():
    """A loop in a thread, for the clients that want one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def unused_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture(scope="module", params=WIRES)
def triton(request, served, client_loop, waiting):
    """Each of the four clients in turn."""
    yield from open_wire(request.param, served, client_loop, waiting)


@pytest.fixture(scope="module", params=["grpc", "grpc.aio"])
def streaming(request, served, client_loop, waiting):
    """The two that know streams."""
    yield from open_wire(request.param, served, client_loop, waiting)


@pytest.fixture
def kept_log():
    """Whatever a client changes of the log, it is as it was afterwards."""
    logger, root = logging.getLogger("zeromind"), logging.getLogger()
    level, filters = logger.level, {handler: list(handler.filters) for handler in root.handlers}
    yield
    logger.setLevel(level)
    for handler, before in filters.items():
        handler.filters[:] = before


def open_wire(*arguments):
    wire = Wire(*arguments)
    yield wire
    wire.close()


class Wire:
    """One client. Every method of its own is here, too: those that are asynchronous are waited for."""

    def __init__(self, name, served, loop, waiting, **options):
        self.name = name
        self.served = served
        self.waiting = waiting
        self.is_grpc = name.startswith("grpc")
        self.loop = loop
        self.module = importlib.import_module(f"tritonclient.{name}")
        self.client = self.done(self._make(served.grpc if self.is_grpc else served.address, options))

    def _make(self, address, options):
        if not self.name.endswith("aio"):
            return self.module.InferenceServerClient(address, **options)

        async def make():
            return self.module.InferenceServerClient(address, **options)

        return make()

    def close(self):
        self.done(self.client.close())

    def another(self, **options):
        """A second client of the same kind."""
        return Wire(self.name, self.served, self.loop, self.waiting, **options)

    @contextlib.contextmanager
    def memory(self, size):
        """The key of a new region of the system's shared memory; registered as ``mine`` or not, it is gone afterwards."""
        key = f"zeromind-{self.name}-{os.getpid()}"
        handle = shared_memory.create_shared_memory_region("mine", key, size, create_only=True)
        try:
            yield handle
        finally:
            self.unregister_system_shared_memory()
            shared_memory.destroy_shared_memory_region(handle)

    def done(self, made):
        """What comes of a call, which may be awaitable."""
        if inspect.isawaitable(made):
            return asyncio.run_coroutine_threadsafe(made, self.loop).result(ANSWER_S)
        return made

    def __getattr__(self, method):
        function = getattr(self.client, method)
        return lambda *arguments, **more: plain(self.done(function(*arguments, **more)))

    # --- requests

    def tensor(self, name, array, datatype=None, **more):
        """An input; ``binary_data`` means something over HTTP only."""
        given = self.module.InferInput(name, list(array.shape), datatype or np_to_triton_dtype(array.dtype))
        given.set_data_from_numpy(array, **({} if self.is_grpc else more))
        return given

    def region(self, name, shape, datatype, *where):
        """An input that lies in shared memory: the region, the size, and the offset if there is one."""
        given = self.module.InferInput(name, shape, datatype)
        given.set_shared_memory(*where)
        return given

    def wanted(self, name, **more):
        if self.is_grpc:
            more.pop("binary_data", None)
        return self.module.InferRequestedOutput(name, **more)

    def ask(self, model, arrays, outputs=None, **more):
        """Infer, of arrays by the names of inputs."""
        return self.infer(model, [self.tensor(name, array) for name, array in arrays.items()], outputs=outputs, **more)

    def compressed(self, algorithm):
        """The keywords with which a request is compressed, and its answer where the client can ask for that."""
        if self.is_grpc:
            return {"compression_algorithm": algorithm}
        return {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}

    def refused(self, code, call, *arguments, **more):
        """The sentence of what a call raises; ``code`` is gRPC's name of its status."""
        with pytest.raises(InferenceServerException) as caught:
            call(*arguments, **more)
        expected = f"StatusCode.{code}" if self.is_grpc else HTTP_STATUS[code]
        assert caught.value.status() == expected, caught.value
        return caught.value.message()

    @property
    def bare(self):
        """The keywords with which a model is asked without its filters."""
        return {"headers": {"filters": "off"}} if self.is_grpc else {"query_params": {"filters": "off"}}

    # --- answers in one form

    def index(self):
        index = self.get_model_repository_index()
        return {entry["name"]: entry for entry in (index["models"] if self.is_grpc else index)}

    def config(self, model, *version):
        config = self.get_model_config(model, *version)
        return config["config"] if self.is_grpc else config

    def statistics(self, *model):
        return {entry["name"]: entry for entry in self.get_inference_statistics(*model)["model_stats"]}

    def settings(self, answer):
        """Trace settings or log settings, by name."""
        if not self.is_grpc:
            return answer
        values = {name: next(iter(entry.values())) for name, entry in answer["settings"].items()}
        return {name: value[0] if isinstance(value, list) and name != "trace_level" else value for name, value in values.items()}

    def regions(self, kind="system", *name):
        status = getattr(self, f"get_{kind}_shared_memory_status")(*name)
        return list(status.get("regions", {}).values()) if self.is_grpc else status

    def response(self, result):
        """An answer without its tensors: ``id``, ``model_name``, …, ``outputs``."""
        return plain(result.get_response())


def plain(value):
    """A message as dicts, lists and values, of fields that may be absent only those that are there; anything else as it is."""
    if not isinstance(value, Message):
        return value
    fields = [field for field in value.DESCRIPTOR.fields if not field.has_presence or value.HasField(field.name)]
    return {field.name: _field(field, getattr(value, field.name)) for field in fields}


def _field(field, value):
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {key: plain(item) for key, item in value.items()}
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return plain(value) if isinstance(value, (Message, str, bytes, int, float)) else [plain(item) for item in value]


@pytest.fixture(scope="session")
def every_type():
    """``{input of the skill "every_type": (datatype, array)}`` with the values at each type's ends, BF16 as the client has it."""
    from tritonclient.utils import triton_to_np_dtype

    bfloat16 = triton_to_np_dtype("BF16")
    pairs = {
        "bool": ("BOOL", np.array([[True, False]])),
        **{f"uint{bits}": (f"UINT{bits}", np.array([[0, 2**bits - 1]], f"uint{bits}")) for bits in (8, 16, 32, 64)},
        **{f"int{bits}": (f"INT{bits}", np.array([[-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]], f"int{bits}")) for bits in (8, 16, 32, 64)},
        "float16": ("FP16", np.array([[65504, -0.0]], np.float16)),
        "bfloat16": ("BF16", np.array([[1.5, -3.0]], bfloat16)),
        "float32": ("FP32", np.array([[3.4e38, 0.1]], np.float32)),
        "float64": ("FP64", np.array([[-1.7e308, 5e-324]], np.float64)),
        "string": ("BYTES", np.array([["ö", ""]], np.object_)),
    }
    assert len(pairs) == 14
    return pairs
