"""The Open Inference Protocol's inference route, on the short way and on the long one."""

import gzip
import json
import zlib
from multiprocessing import shared_memory

import numpy as np
import pytest

from zeromind.codecs.oip_raw import pack_bytes

SAMPLES = '''
"""Says what it got, in bytes that are no text where it is asked to."""

import numpy as np


class Skill:
    inputs = {"text": ("string", [None])}
    outputs = {"text_out": ("string", [None]), "scores": ("float32", [None, 3])}

    def predict(self, text):
        scores = np.array([[0.25, 0.5, np.nan]], np.float32).repeat(len(text), 0)
        return {"text_out": [b"\\xff" if one == "bytes" else one.encode() for one in text], "scores": scores}
'''


@pytest.fixture(scope="module")
def pool(thread_server, models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    (folder / "samples.py").write_text(SAMPLES)
    tasks = [
        {"id": "double", "model_file": "double.onnx"},
        {"id": "kinds", "model_type": "python", "model_file": "kinds.py"},
        {"id": "samples", "model_file": str(folder / "samples.py"), "allow_code": True},
        {"id": "scaled", "model_file": "double.onnx"} | FILTERED,
    ]
    settings = {"roots": [str(models), str(folder)], "filter_folders": [str(models / "filters")], "allow_shared_memory": True}
    with thread_server(tasks=tasks, max_body_bytes=1 << 20, **settings) as client:
        yield client


TENSOR = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}
LONG_WAY = "?long=way"
WAYS = pytest.mark.parametrize("way", ["", LONG_WAY])
FILTERED = {"input_filters": {"x": ["own.Split"]}, "output_filters": {"y": ["own.Scale"]}}
ROW = np.array([[1, 2, 3, 4]], np.float32)
LENGTH = "Inference-Header-Content-Length"


def entry(array, name="x", datatype="FP32", **parameters):
    return {"name": name, "shape": array.shape, "datatype": datatype, "parameters": parameters or {"binary_data_size": array.nbytes}}


def ask(pool, document, rest=b"", model="double", way="", **headers):
    """A request with bytes behind its JSON."""
    head = json.dumps(document).encode()
    headers = {LENGTH: str(len(head)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return pool.post(f"/v2/models/{model}/infer{way}", head + rest, headers=headers)


def parts(answer):
    """The JSON of an answer and the arrays' bytes behind it."""
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == "application/octet-stream"
    length = int(answer.headers[LENGTH])
    document, at, found = json.loads(answer.data[:length]), length, {}
    for output in document["outputs"]:
        if "parameters" in output:
            assert list(output["parameters"]) == ["binary_data_size"]
            found[output["name"]] = answer.data[at : at + output["parameters"]["binary_data_size"]]
            at += output["parameters"]["binary_data_size"]
    assert at == len(answer.data)
    return document, found


@pytest.mark.parametrize("way", ["", LONG_WAY])
def test_tensors_in_tensors_out(pool, way):
    answer = pool.post(f"/v2/models/double/infer{way}", {"id": "a", "inputs": [TENSOR]})
    assert (answer.status, answer.headers["Server"], answer.headers["Content-Type"]) == (200, "0Mind", "application/json")
    output = {"name": "y", "shape": [1, 4], "datatype": "FP32", "data": [2.0, 4.0, 6.0, 8.0]}
    assert answer.json == {"model_name": "double", "model_version": "1", "id": "a", "outputs": [output]}


@pytest.mark.parametrize("way", ["", LONG_WAY])
@pytest.mark.parametrize(
    ("model", "body", "status"),
    [
        ("none", {"inputs": [TENSOR]}, 404),
        ("double", {"inputs": []}, 400),
        ("double", b"{", 400),
        ("double", {"inputs": [{**TENSOR, "shape": [4]}]}, 400),
    ],
)
def test_a_fault_is_one_sentence(pool, way, model, body, status):
    answer = pool.post(f"/v2/models/{model}/infer{way}", body, headers={"Content-Type": "application/json"})
    assert answer.status == status
    assert list(answer.json) == ["error"]
    assert pool.post("/v2/models/double/infer", {"inputs": [TENSOR]}).status == 200


@pytest.mark.parametrize("way", ["", LONG_WAY])
def test_the_content_type_does_not_matter(pool, way):
    for _ in range(2):  # the second time its head is known
        answer = pool.post(f"/v2/models/double/infer{way}", {"inputs": [TENSOR]}, headers={"Content-Type": "text/plain"})
        assert answer.status == 200


def test_only_post_is_answered(pool):
    answer = pool.get("/v2/models/double/infer")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


# --- tensors as bytes


@WAYS
def test_bytes_in_bytes_out(pool, way):
    for request_id in ("", "", "7", "é"):  # the second time the JSON is known
        more = {"id": request_id} if request_id else {}
        document, found = parts(
            ask(pool, {**more, "inputs": [entry(ROW)], "parameters": {"binary_data_output": True}}, ROW.tobytes(), way=way)
        )
        output = {"name": "y", "datatype": "FP32", "shape": [1, 4], "parameters": {"binary_data_size": 16}}
        assert document == {"model_name": "double", "model_version": "1", "outputs": [output], **more}
        assert np.frombuffer(found["y"], np.float32).tolist() == [2, 4, 6, 8]


@WAYS
def test_either_side_may_be_json(pool, way):
    answer = ask(pool, {"inputs": [entry(ROW)]}, ROW.tobytes(), way=way)
    assert (answer.headers["Content-Type"], LENGTH in answer.headers, answer.json["outputs"][0]["data"]) == (
        "application/json",
        False,
        [2.0, 4.0, 6.0, 8.0],
    )
    _, found = parts(ask(pool, {"inputs": [TENSOR], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}, way=way))
    assert np.frombuffer(found["y"], np.float32).tolist() == [2, 4, 6, 8]


@WAYS
def test_every_kind_of_tensor(pool, way):
    arrays = {
        "float": np.array([[1.5, np.inf]], np.float32), "half": np.array([0.5], np.float16), "int": np.array([-3]),
        "byte": np.array([255], np.uint8), "flag": np.array([True]), "text": "é\0".encode(),
    }  # fmt: skip
    names = {"float": "FP32", "half": "FP16", "int": "INT64", "byte": "UINT8", "flag": "BOOL", "text": "BYTES"}
    raw = {name: pack_bytes([array]) if name == "text" else array.tobytes() for name, array in arrays.items()}
    inputs = [
        {
            "name": name,
            "datatype": names[name],
            "shape": [1, 1] if name == "text" else array.shape,
            "parameters": {"binary_data_size": len(raw[name])},
        }
        for name, array in arrays.items()
    ]
    document, found = parts(
        ask(
            pool,
            {"inputs": inputs[::-1], "parameters": {"binary_data_output": True}},
            b"".join(raw[one["name"]] for one in inputs[::-1]),
            "kinds",
            way,
        )
    )
    assert found == {f"{name}_out": data for name, data in raw.items()}
    assert {output["name"][:-4]: output["datatype"] for output in document["outputs"]} == names
    answer = ask(pool, {"inputs": inputs, "outputs": [{"name": "half_out"}, {"name": "float_out"}]}, b"".join(raw.values()), "kinds", way)
    assert [output["data"] for output in answer.json["outputs"]] == [[0.5], [1.5, None]]


@WAYS
def test_no_rows(pool, way):
    empty = np.empty((0, 4), np.float32)
    for document in (
        {"inputs": [{**TENSOR, "shape": [0, 4], "data": []}]},
        {"inputs": [entry(empty)]},
        {"inputs": [entry(empty)], "parameters": {"binary_data_output": True}},
    ):
        answer = ask(pool, document, way=way)
        assert answer.status == 200, answer
        assert (answer.headers["Content-Type"], answer.json["outputs"][0]["shape"]) == ("application/json", [0, 4])


@WAYS
def test_a_body_that_is_all_data(pool, way):
    two = np.arange(8, dtype=np.float32)
    answer = pool.post(f"/v2/models/double/infer{way}", two.tobytes(), headers={LENGTH: "0"})
    document, found = parts(answer)
    assert document["outputs"][0]["shape"] == [2, 4]
    assert np.frombuffer(found["y"], np.float32).tolist() == (2 * two).tolist()
    document, found = parts(pool.post(f"/v2/models/samples/infer{way}", b"hi", headers={LENGTH: "0"}))
    assert found["text_out"] == pack_bytes([b"hi"])
    for model, body, words in (("double", bytes(15), "has 15 bytes of data"), ("kinds", b"1", "only input; this one has 6")):
        answer = pool.post(f"/v2/models/{model}/infer{way}", body, headers={LENGTH: "0"})
        assert (answer.status, words in answer.json["error"]) == (400, True)


@WAYS
@pytest.mark.parametrize(
    ("document", "rest", "words"),
    [
        ({"inputs": [entry(ROW)]}, bytes(17), "unexpected additional input data"),
        ({"inputs": [TENSOR]}, bytes(1), "unexpected additional input data"),
        ({"inputs": [entry(ROW)]}, bytes(15), "only 15 bytes are left"),
        ({"inputs": [entry(ROW, binary_data_size=12)]}, bytes(12), "has 12 bytes of data; FP32 of shape [1, 4] has 16"),
        ({"inputs": [entry(ROW, binary_data_size=-1)]}, b"", "a whole number from 0 on"),
        ({"inputs": [entry(ROW, binary_data_size=True)]}, b"", "a whole number from 0 on"),
        ({"inputs": [{**TENSOR, **entry(ROW)}]}, bytes(16), "has data and binary_data_size: give one"),
        ({"inputs": [{**entry(ROW), "parameters": {}}]}, b"", "has no data"),
        ({"inputs": [entry(ROW, datatype="FP64")]}, bytes(16), "has datatype 'FP64', the model takes FP32"),
        ({"inputs": [entry(ROW.T)]}, bytes(16), "has shape [4, 1]"),
        ({"inputs": [entry(ROW, shared_memory_region="r", shared_memory_byte_size=16)]}, b"", "Unable to find shared memory region: 'r'"),
        ({"inputs": [entry(ROW, shared_memory_region="r")]}, b"", "lacks 'shared_memory_byte_size'"),
        ({"inputs": [TENSOR], "outputs": [{"name": "z"}]}, b"", "no output 'z'"),
        ({"inputs": [TENSOR], "outputs": [{"name": "y"}, {"name": "y"}]}, b"", "asked for twice"),
        ({"inputs": [TENSOR], "parameters": {"triton_x": 1}}, b"", "reserved"),
        ({"inputs": [TENSOR], "parameters": {"binary_data_output": 1}}, b"", "true or false"),
        (
            {"inputs": [TENSOR], "outputs": [{"name": "y", "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 16}}]},
            b"",
            "Unable to find",
        ),
        ({"inputs": [TENSOR], "id": 5}, b"", "id"),
    ],
)
def test_what_is_refused(pool, way, document, rest, words):
    for _ in range(2):
        answer = ask(pool, document, rest, way=way)
        assert answer.status == 400
        assert words in answer.json["error"]
        ask(pool, {"inputs": [entry(ROW)]}, ROW.tobytes(), way=way)  # whose JSON is remembered


@WAYS
@pytest.mark.parametrize("length", ["1000", "-1", "x", "1" * 30, "²"])
def test_a_length_that_cannot_be(pool, way, length):
    answer = pool.post(f"/v2/models/double/infer{way}", {"inputs": [TENSOR]}, headers={LENGTH: length.encode().decode("latin-1")})
    assert (answer.status, LENGTH in answer.json["error"]) == (400, True)


def test_bytes_without_a_length(pool):
    answer = pool.post("/v2/models/double/infer", {"inputs": [entry(ROW)]})
    assert (answer.status, f"needs the header {LENGTH}" in answer.json["error"]) == (400, True)


@WAYS
def test_bytes_that_are_no_text(pool, way):
    document = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["bytes"]}]}
    answer = ask(pool, document, model="samples", way=way)
    assert (answer.status, "ask for 'binary_data': true" in answer.json["error"]) == (400, True)
    _, found = parts(
        ask(pool, {**document, "outputs": [{"name": "text_out", "parameters": {"binary_data": True}}]}, model="samples", way=way)
    )
    assert found["text_out"] == pack_bytes([b"\xff"])


@WAYS
def test_classes(pool, way):
    wanted = [{"name": "scores", "parameters": {"classification": 2}}, {"name": "text_out"}]
    document = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a"]}], "outputs": wanted}
    answer = ask(pool, document, model="samples", way=way)
    assert answer.json["outputs"] == [
        {"name": "scores", "datatype": "BYTES", "shape": [1, 2], "data": ["0.500000:1", "0.250000:0"]},
        {"name": "text_out", "datatype": "BYTES", "shape": [1], "data": ["a"]},
    ]
    wanted[0]["parameters"]["binary_data"] = True
    assert parts(ask(pool, document, model="samples", way=way))[1]["scores"] == pack_bytes([b"0.500000:1", b"0.250000:0"])


@WAYS
def test_shared_memory(pool, way):
    region = shared_memory.SharedMemory(create=True, size=64)
    name = f"region{bool(way)}"
    try:
        pool.server.engine.regions.register(name, region.name, 0, 64)
        region.buf[16:32] = ROW.tobytes()
        there = {"shared_memory_region": name, "shared_memory_byte_size": 16}
        wanted = [{"name": "y", "parameters": {**there, "shared_memory_offset": 48}}]
        answer = ask(pool, {"inputs": [entry(ROW, **there, shared_memory_offset=16)], "outputs": wanted}, way=way)
        assert answer.json["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [1, 4]}]
        assert np.frombuffer(bytes(region.buf[48:]), np.float32).tolist() == [2, 4, 6, 8]
        wanted[0]["parameters"]["shared_memory_byte_size"] = 15
        answer = ask(pool, {"inputs": [TENSOR], "outputs": wanted}, way=way)
        assert (answer.status, "should be at least 16 bytes" in answer.json["error"]) == (400, True)
    finally:
        region.close()
        region.unlink()


@WAYS
def test_filters(pool, way):
    samples = {"name": "x", "datatype": "BYTES", "shape": [1], "data": ['"1 2 3 4"']}
    output = {"name": "y", "datatype": "BYTES", "shape": [1], "data": ["[4.0,8.0,12.0,16.0]"]}
    assert ask(pool, {"inputs": [samples]}, model="scaled", way=way).json["outputs"] == [output]
    raw = pack_bytes([b'"1 2 3 4"'])
    document = {
        "inputs": [{**samples, "data": 0, "parameters": {"binary_data_size": len(raw)}}],
        "parameters": {"binary_data_output": True},
    }
    del document["inputs"][0]["data"]
    assert parts(ask(pool, document, raw, "scaled", way))[1]["y"] == pack_bytes([b"[4.0,8.0,12.0,16.0]"])
    for off in (False, "off"):
        answer = ask(pool, {"inputs": [TENSOR], "parameters": {"filters": off}}, model="scaled", way=way)
        assert answer.json["outputs"][0]["data"] == [2.0, 4.0, 6.0, 8.0]


def test_filters_that_the_query_turns_off(pool):
    answer = ask(pool, {"inputs": [TENSOR]}, model="scaled", way="?filters=off")
    assert answer.json["outputs"][0]["data"] == [2.0, 4.0, 6.0, 8.0]


# --- routes, compression


@WAYS
def test_versions_and_names(pool, way):
    for route in ("double/versions/1", "d%6Fuble", "d%6Fuble/versions/1"):
        assert pool.post(f"/v2/models/{route}/infer{way}", {"inputs": [TENSOR]}).status == 200
    for version in ("2", "x"):
        answer = pool.post(f"/v2/models/double/versions/{version}/infer{way}", {"inputs": [TENSOR]})
        assert (answer.status, f"'double' version {version} is not found" in answer.json["error"]) == (404, True)
    answer = pool.post(f"/v2/models/none/infer{way}", {"inputs": [TENSOR]})
    assert (answer.status, answer.json) == (404, {"error": "Request for unknown model: 'none' is not found"})


@WAYS
@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress), ("identity", bytes)]
)
@pytest.mark.parametrize("rows", [1, 20_000])
def test_compressed_requests(pool, way, coding, pack, rows):
    array = np.random.default_rng(1).random((rows, 4)).astype(np.float32)
    head = json.dumps({"inputs": [entry(array)], "parameters": {"binary_data_output": True}}).encode()
    answer = pool.post(
        f"/v2/models/double/infer{way}", pack(head + array.tobytes()), headers={LENGTH: str(len(head)), "Content-Encoding": coding}
    )
    assert parts(answer)[1]["y"] == (2 * array).tobytes()


@WAYS
def test_bodies_that_cannot_be_expanded(pool, way):
    def post(body, coding):
        return pool.post(f"/v2/models/double/infer{way}", body, headers={"Content-Encoding": coding})

    answer = post(b"x", "br")
    assert (answer.status, answer.headers["Accept-Encoding"]) == (501, "gzip, deflate")
    assert post(b"no gzip", "gzip").status == 400
    assert post(gzip.compress(b"{}")[:-4], "gzip").status == 400
    assert post(gzip.compress(bytes((1 << 20) + 1)), "gzip").status == 413
    assert post(gzip.compress(bytes(1 << 28), 1), "gzip").status == 413


@WAYS
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip;q=0.5, deflate", "deflate"),
        ("br, *;q=0.1", "gzip"),
        ("gzip;q=0", ""),
        ("identity, gzip;q=0.5", ""),
        ("br", ""),
    ],
)
@pytest.mark.parametrize("rows", [1, 10_000])
def test_compressed_answers(pool, way, accepted, coding, rows):
    array = np.ones((rows, 4), np.float32)
    answer = ask(
        pool, {"inputs": [entry(array)], "parameters": {"binary_data_output": True}}, array.tobytes(), way=way, Accept_Encoding=accepted
    )
    assert answer.headers.get("Content-Encoding", "") == coding
    expand = {"gzip": gzip.decompress, "deflate": zlib.decompress, "": bytes}[coding]
    answer.data = expand(answer.data)
    assert parts(answer)[1]["y"] == (2 * array).tobytes()
