"""The same request over every wire gives the same tensors, bit for bit."""

import json
import math
import socket

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc

from zeromind import datatypes

EVERY = '''
"""Gives back what it gets, of every datatype."""

KINDS = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "bfloat16", "string"
)


class Skill:
    inputs = {kind: (kind, [None, 3]) for kind in KINDS}
    outputs = {f"{kind}_out": (kind, [None, 3]) for kind in KINDS}

    def predict(self, **values):
        return {f"{kind}_out": value for kind, value in values.items()}
'''
LENGTH = "Inference-Header-Content-Length"


def numbers(datatype):
    """Two rows of three: the ends of the type, and what rounds badly in another."""
    dtype = datatypes.NUMPY_OF[datatype]
    if datatype == "BOOL":
        return np.array([[True, False, True], [False, False, True]])
    if datatype == "BYTES":
        return datatypes.as_bytes(np.array([["a", 'é\n"', ""], ["NaN", "\0", "日本"]], object))
    if dtype.kind in "iu":
        least, most = datatypes.bounds(datatype)
        return np.array([[least, most, 1], [most - 1, 0, least + 1]], dtype)
    if datatype == "BF16":
        return datatypes.from_bfloat16(np.array([[0x3DCD, 0x7F7F, 0x8000], [0x0001, 0xC0A1, 0x3F80]], np.uint16))
    tiny = np.finfo(dtype)
    return np.array([[0.1, tiny.max, -0.0], [tiny.smallest_subnormal, -1 / 3, 1 + tiny.eps]], dtype)


class Model:
    """A served model, asked over each of the wires."""

    def __init__(self, pool, name):
        self.pool, self.name = pool, name
        info = pool.get(f"/model/info?id={name}").json
        self.inputs, self.outputs = ([self.spec(entry) for entry in info[side].values()] for side in ("inputs", "outputs"))

    @staticmethod
    def spec(entry):
        return entry["name"], datatypes.parse_datatype(entry["type"])

    def ask(self, route, body, headers=None):
        answer = self.pool.post(route, body, headers=headers)
        assert answer.status == 200, answer
        return answer

    def made(self, values):
        """The output tensors in what stands for them in JSON, by name."""
        return {name: self.array(values[name], datatype) for name, datatype in self.outputs}

    @staticmethod
    def array(values, datatype, shape=None):
        array = datatypes.as_bytes(np.array(values, object)) if datatype == "BYTES" else np.array(values, datatypes.NUMPY_OF[datatype])
        return array if shape is None else array.reshape(shape)

    def zeromind(self, inputs):
        return self.made(self.ask(f"/model/predict?id={self.name}", listed(inputs)).json["result"])

    def v2_json(self, inputs):
        tensors = [self.described(name, datatype, inputs[name]) | {"data": listed(inputs)[name]} for name, datatype in self.inputs]
        answer = self.ask(f"/v2/models/{self.name}/infer", {"inputs": tensors}).json
        return {entry["name"]: self.array(entry["data"], entry["datatype"], entry["shape"]) for entry in answer["outputs"]}

    def v2_binary(self, inputs):
        raws = {name: raw(inputs[name], datatype) for name, datatype in self.inputs}
        tensors = [
            self.described(name, datatype, inputs[name]) | {"parameters": {"binary_data_size": len(raws[name])}}
            for name, datatype in self.inputs
        ]
        head = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}}).encode()
        body = head + b"".join(raws[name] for name, _ in self.inputs)
        answer = self.ask(f"/v2/models/{self.name}/infer", body, {LENGTH: str(len(head))})
        assert answer.headers["Content-Type"] == "application/octet-stream"
        at = int(answer.headers[LENGTH])
        found = {}
        for entry in json.loads(answer.data[:at])["outputs"]:
            size = entry["parameters"]["binary_data_size"]
            found[entry["name"]] = unraw(answer.data[at : at + size], entry["datatype"], entry["shape"])
            at += size
        assert at == len(answer.data)
        return found

    def v2_grpc(self, inputs):
        tensors = [tritonclient.grpc.InferInput(name, inputs[name].shape, datatype) for name, datatype in self.inputs]
        for tensor in tensors:
            array = inputs[tensor.name()]
            tensor.set_data_from_numpy(array.astype(ml_dtypes.bfloat16) if tensor.datatype() == "BF16" else array)
        answer = self.pool.triton.infer(self.name, tensors)
        return {name: answer.as_numpy(name).astype(datatypes.NUMPY_OF[datatype]) for name, datatype in self.outputs}

    def tensorflow_rows(self, inputs):
        names = [name for name, _ in self.inputs]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*(listed(inputs)[name] for name in names), strict=True)]
        instances = rows if len(names) > 1 else [row[names[0]] for row in rows]
        predictions = self.ask(f"/v1/models/{self.name}:predict", {"instances": instances}).json["predictions"]
        if len(self.outputs) == 1:
            return self.made({self.outputs[0][0]: predictions})
        return self.made({name: [row[name] for row in predictions] for name, _ in self.outputs})

    def tensorflow_columns(self, inputs):
        outputs = self.ask(f"/v1/models/{self.name}:predict", {"inputs": listed(inputs)}).json["outputs"]
        return self.made(outputs if len(self.outputs) > 1 else {self.outputs[0][0]: outputs})

    @staticmethod
    def described(name, datatype, array):
        return {"name": name, "datatype": datatype, "shape": list(array.shape)}


WIRES = ("zeromind", "v2_json", "v2_binary", "tensorflow_rows", "tensorflow_columns")  # each compared with v2_grpc


def listed(inputs):
    return {name: datatypes.as_text(array).tolist() if array.dtype == object else array.tolist() for name, array in inputs.items()}


def raw(array, datatype):
    if datatype == "BYTES":
        return b"".join(len(item).to_bytes(4, "little") + item for item in array.reshape(-1).tolist())
    return (datatypes.to_bfloat16(array) if datatype == "BF16" else array).tobytes()


def unraw(data, datatype, shape):
    if datatype == "BF16":
        return datatypes.from_bfloat16(np.frombuffer(data, "<u2")).reshape(shape)
    if datatype != "BYTES":
        return np.frombuffer(data, datatypes.NUMPY_OF[datatype].newbyteorder("<")).reshape(shape)
    items = np.empty(math.prod(shape), object)
    for index in range(len(items)):
        size = int.from_bytes(data[:4], "little")
        items[index], data = data[4 : 4 + size], data[4 + size :]
    assert not data
    return items.reshape(shape)


def is_finite(values):
    return np.asarray(values).dtype.kind != "f" or bool(np.isfinite(values).all())


def assert_bit_equal(mine, its):
    assert mine.keys() == its.keys()
    for name, array in its.items():
        assert (mine[name].dtype, mine[name].shape) == (array.dtype, array.shape), name
        if array.dtype == object:
            assert mine[name].tolist() == array.tolist(), name
        else:
            assert mine[name].tobytes() == array.tobytes(), name


@pytest.fixture(scope="module")
def pool(thread_server, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    skill = tmp_path_factory.mktemp("every") / "every.py"
    skill.write_text(EVERY)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    tasks = [{"id": "every", "model_file": str(skill)}]
    with thread_server(tasks=tasks, grpc_port=port, roots=[str(folder)], code_roots=[str(folder)]) as client:
        client.triton = tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{port}")
        yield client
        client.triton.close()


@pytest.fixture(scope="module")
def served(pool, one_case):
    answer = pool.load({"id": "case", "model_file": str(one_case.path), **one_case.task})
    assert answer.status == 200, answer
    yield Model(pool, "case")
    pool.drop("case")


@pytest.mark.parametrize("wire", WIRES)
def test_every_adapter_answers_alike(served, one_case, wire):
    rows = np.flatnonzero([all(is_finite(array[row]) for array in one_case.inputs.values()) for row in range(5)])  # JSON has no others
    inputs = {name: one_case.inputs[name].astype(datatypes.NUMPY_OF[kind])[rows] for name, kind in served.inputs}
    reference = served.v2_grpc(inputs)
    for name, expected in one_case.expected.items():
        one_case.agree(reference[name], expected[rows])
    assert_bit_equal(getattr(served, wire)(inputs), reference)


@pytest.mark.parametrize("wire", ["v2_grpc", *WIRES])
def test_every_datatype_comes_back_as_it_went(pool, wire):
    model = Model(pool, "every")
    assert {kind for _, kind in model.inputs} == set(datatypes.NUMPY_OF)
    inputs = {name: numbers(kind) for name, kind in model.inputs}
    assert_bit_equal(getattr(model, wire)(inputs), {f"{name}_out": array for name, array in inputs.items()})
