"""The same fault is the same answer over HTTP and gRPC, as the table of errors has it."""

import base64
import gzip
import itertools
import json
import struct

import pytest

import grpc
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.grpc.messages import Messages
from zeromind.grpc.status import TABLE
from zeromind.http import oip_status
from zeromind.limits import TENSORS

PAIRS = {(oip_status.status(ZeroMindError(kind, "")), TABLE[kind].name) for kind in ErrorKind}
ROW = struct.pack("<3f", 1, 2, 3)
LIMIT = 4 << 20
LONG = "a" * (TENSORS.request_id + 1)


def tensor(name="x", datatype="FP32", shape=(1, 3), data=ROW, **parameters):
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": data, "parameters": parameters}


def request(*inputs, model="sum", version="", outputs=(), request_id="", **parameters):
    return {
        "inputs": inputs or (tensor(),),
        "model": model,
        "version": version,
        "outputs": outputs,
        "id": request_id,
        "parameters": parameters,
    }


def cases():
    """Requests that are wrong, one way each."""
    shapes = [(), (3,), (1, 4), (1, 3, 1), (3, 1), (-1, 3), (1, -3), (0, 3), (1, 0), (0, 0), (0, 4), (1 << 62, 3), (1 << 32, 1 << 32)]
    shapes += [(1,) * size for size in (TENSORS.dimensions, TENSORS.dimensions + 1, 200)] + [((1 << 63) - 1, 1, 1), (0, 1 << 62), (0, -1)]
    yield from (request(tensor(shape=shape)) for shape in shapes)
    yield from (request(tensor(data=b"")), *(request(tensor(data=ROW[:size])) for size in range(1, 12)))
    yield from (request(tensor(data=ROW + bytes(size))) for size in (1, 2, 3, 4, 8, 12, 24, 4096))
    # gRPC takes a datatype that can be converted without loss, since it has no numbers of 16 bits; what cannot be neither wire takes.
    for model, datatype, size in itertools.product(("sum",), ("FP64", "INT64", "UINT64", "BYTES"), (0, 1, 11, 25)):
        yield request(tensor(datatype=datatype, data=bytes(size)), model=model)
    yield from (request(tensor(datatype=name)) for name in ("", "FP32 ", "fp32", "FLOAT", "FP128", "BYTES", "\0", "é"))
    names = ["", "y", "X", "x ", "x\0", "x" * 300, "é", "../x", "sum"]
    yield from (request(tensor(name=name)) for name in names)
    yield from (request(tensor(), tensor(name=name)) for name in ["x", *names])
    yield from (request(outputs=(name,)) for name in names[:-1])
    yield from (request(outputs=("sum", name)) for name in ("sum", *names[:-1]))
    models = ["none", "Sum", "sum.", "a" * 128]
    yield from (request(model=name) for name in models)
    yield from (request(version=version) for version in ("2", "10", "99999999999999999999"))
    yield from (request(request_id=text) for text in (LONG, "a\0b", "\0"))
    wrong = [-1, True, 1.5, "x", "", 1 << 40, -(1 << 63)]
    yield from (request(**{name: value}) for name, value in itertools.product(("priority", "timeout"), wrong) if value != 1 << 40)
    yield from (request(**{name: 1}) for name in ("triton_x", "triton_", "headers", "triton_enable"))
    yield from (request(filters=value) for value in (1, "maybe", 2.5))
    yield request(text="a" * (TENSORS.parameters + 1))
    memory = "shared_memory_region", "shared_memory_byte_size", "shared_memory_offset"
    for region, size, offset in itertools.product(("none", 5, ""), (12, -1, "x", 1 << 62), (0, -1, 1 << 62)):
        yield request(tensor(data=None, **dict(zip(memory, (region, size, offset), strict=True))))
    yield from of_many_inputs()


def of_many_inputs():
    """The same of a model with an input of each kind."""
    kinds = {"float": ("FP32", (1, 2), 8), "half": ("FP16", (1,), 2), "int": ("INT64", (1,), 8), "byte": ("UINT8", (1,), 1)}
    kinds["flag"] = "BOOL", (1,), 1
    good = [tensor(name, kind, shape, bytes(size)) for name, (kind, shape, size) in kinds.items()]
    text = tensor("text", "BYTES", (1, 1), struct.pack("<I", 1) + b"a")
    yield from (request(*[*good, text][:at], *[*good, text][at + 1 :], model="kinds") for at in range(6))
    for data in (b"", b"\1", b"\1\0\0\0", b"\xff\xff\xff\xffa", text["data"] * 2, text["data"] + b"\0", b"\2\0\0\0a"):
        yield request(*good, {**text, "data": data}, model="kinds")
    for shape in ((1,), (1, 2), (2, 1), (0, 1), (1, TENSORS.texts + 1)):
        yield request(*good, {**text, "shape": list(shape)}, model="kinds")
    yield from (request(*good[:-1], {**good[-1], "data": bytes((value,))}, text, model="kinds") for value in (2, 255))
    for at, (name, size) in itertools.product(range(5), (("BYTES", 0), ("FP64", 3), ("INT8", 0))):
        yield request(*good[:at], {**good[at], "datatype": name, "data": bytes(size)}, *good[at + 1 :], text, model="kinds")


@pytest.fixture(scope="module")
def pool(thread_server):
    tasks = [{"id": name, "model_file": f"{name}.py", "isolation": "thread"} for name in ("sum", "kinds")]
    with (
        thread_server(tasks=tasks, allow_shared_memory=True, max_body_bytes=LIMIT) as client,
        grpc.insecure_channel(client.address) as channel,
    ):
        client.call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        yield client


def over_http(pool, asked):
    """Status and sentence."""
    inputs = [{**one, "parameters": {**one["parameters"]}} for one in asked["inputs"]]
    for one in inputs:
        if one["data"] is not None:
            one["parameters"]["binary_data_size"] = len(one["data"])
    rest = b"".join(one.pop("data") or b"" for one in inputs)
    document = {"inputs": inputs, "parameters": asked["parameters"], "outputs": [{"name": name} for name in asked["outputs"]]}
    head = json.dumps({**document, **({"id": asked["id"]} if asked["id"] else {})}).encode()
    version = f"/versions/{asked['version']}" if asked["version"] else ""
    answer = pool.post(
        f"/v2/models/{asked['model']}{version}/infer", head + rest, headers={"Inference-Header-Content-Length": str(len(head))}
    )
    return answer.status, "" if answer.status == 200 else answer.json["error"]


def over_grpc(pool, messages, asked):
    """Code and sentence."""

    def option(value):
        kind = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}[type(value)]
        return {kind: value}

    def options(values):
        return {name: option(value) for name, value in values.items()}

    inputs = [{**one, "parameters": options(one["parameters"]), "data": None} for one in asked["inputs"]]
    raws = [base64.b64encode(one["data"]).decode() for one in asked["inputs"] if one["data"] is not None]
    fields = {
        "model_name": asked["model"], "model_version": asked["version"], "id": asked["id"], "inputs": inputs, "raw_input_contents": raws,
        "outputs": [{"name": name} for name in asked["outputs"]], "parameters": options(asked["parameters"]),
    }  # fmt: skip
    try:
        pool.call(messages.write("inference.ModelInferRequest", fields), timeout=20)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


@pytest.mark.proves("G21", "F22", "F23", "F24", "F25", "T21", "T20")
def test_g21_the_same_fault_has_the_same_answer_on_both_wires(pool):
    messages = Messages()
    asked = list(cases())
    differ = []
    for one in asked:
        (status, words), (code, told) = over_http(pool, one), over_grpc(pool, messages, one)
        if (status, code) not in PAIRS | {(200, "OK")}:
            differ.append(f"{str(one)[:300]}: {status} {words[:200]!r}, but {code} {told[:200]!r}")
    assert not differ, "\n".join(differ)
    assert len(asked) >= 200
    assert over_http(pool, request())[0] == 200


@pytest.mark.proves("G21", "F26", "T14", "T18")
def test_g21_both_wires_take_as_much(pool):
    messages = Messages()
    for size, answers in ((LIMIT - 1000, (400, "INVALID_ARGUMENT")), (LIMIT + 1000, (413, "RESOURCE_EXHAUSTED"))):
        asked = request(tensor(data=bytes(size)))
        assert (over_http(pool, asked)[0], over_grpc(pool, messages, asked)[0]) == answers
    # What expands to more than a hundred times itself is too large as well.
    packed = gzip.compress(bytes(LIMIT - 1000))
    assert pool.post("/v2/models/sum/infer", packed, headers={"Content-Encoding": "gzip"}).status == 413
    message = messages.write("inference.ModelInferRequest", {"id": "0" * (LIMIT - 1000)})
    with pytest.raises(grpc.RpcError) as caught:
        pool.call(message, timeout=20, compression=grpc.Compression.Gzip)
    assert caught.value.code().name == "RESOURCE_EXHAUSTED"
    assert "times" in caught.value.details()
