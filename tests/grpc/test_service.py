"""The service as its real client sees it."""

import io
import json

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from PIL import Image
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

import grpc

KINDS = {
    "bool": ("BOOL", np.array([[True, False]])),
    "uint8": ("UINT8", np.array([[0, 255]], np.uint8)),
    "uint16": ("UINT16", np.array([[0, 65535]], np.uint16)),
    "uint32": ("UINT32", np.array([[0, 2**32 - 1]], np.uint32)),
    "uint64": ("UINT64", np.array([[0, 2**64 - 1]], np.uint64)),
    "int8": ("INT8", np.array([[-128, 127]], np.int8)),
    "int16": ("INT16", np.array([[-(2**15), 2**15 - 1]], np.int16)),
    "int32": ("INT32", np.array([[-(2**31), 2**31 - 1]], np.int32)),
    "int64": ("INT64", np.array([[-(2**63), 2**63 - 1]], np.int64)),
    "float16": ("FP16", np.array([[65504, -0.0]], np.float16)),
    "float32": ("FP32", np.array([[np.nan, 3.4e38]], np.float32)),
    "float64": ("FP64", np.array([[-np.inf, 5e-324]], np.float64)),
    "string": ("BYTES", np.array([["\0", "ö"]], np.object_)),
}


def tensor(name, array, datatype="FP32"):
    given = triton_grpc.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array)
    return given


def refused(call, *arguments, **more):
    with pytest.raises(InferenceServerException) as caught:
        call(*arguments, **more)
    return caught.value.status().removeprefix("StatusCode."), caught.value.message()


def test_health(triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("sum")
    assert triton.is_model_ready("sum", "1")
    assert not triton.is_model_ready("sum", "2")
    assert not triton.is_model_ready("absent")


def test_server_metadata(triton):
    assert triton.get_server_metadata().name == "0Mind"


def test_model_metadata(triton):
    metadata = triton.get_model_metadata("double", as_json=True)
    assert metadata == {
        "name": "double",
        "versions": ["1"],
        "platform": "onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": ["-1", "4"]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": ["-1", "4"]}],
    }


def test_tensors_with_filters_are_described_as_bytes(triton):
    metadata = triton.get_model_metadata("words", as_json=True)
    assert metadata["inputs"] == [{"name": "x", "datatype": "BYTES", "shape": ["-1"]}]
    assert metadata["outputs"] == [{"name": "sum", "datatype": "BYTES", "shape": ["-1"]}]


def test_every_datatype_comes_back_bit_by_bit(triton):
    inputs = [tensor(name, array, datatype) for name, (datatype, array) in KINDS.items()]
    result = triton.infer("every", inputs, request_id="7", model_version="1")
    assert result.get_response().id == "7"
    assert result.get_response().model_name == "every"
    for name, (datatype, array) in KINDS.items():
        got = result.as_numpy(f"{name}_out")
        assert result.get_output(f"{name}_out").datatype == datatype
        assert got.dtype == array.dtype
        if datatype == "BYTES":
            assert got.tolist() == [[text.encode() for text in row] for row in array.tolist()]
        else:
            assert got.tobytes() == array.tobytes()


def test_typed_contents_are_the_same(raw):
    fields = {"FP32": "fp32_contents", "FP64": "fp64_contents", "BOOL": "bool_contents", "BYTES": "bytes_contents"}
    fields |= {"INT64": "int64_contents", "UINT64": "uint64_contents"}
    request = service_pb2.ModelInferRequest(model_name="every")
    given = {name: entry for name, entry in KINDS.items() if name != "float16"} | {"float16": ("FP32", np.array([[1, 2]], np.float32))}
    for name, (datatype, array) in given.items():
        field = fields.get(datatype, "uint_contents" if datatype.startswith("U") else "int_contents")
        entry = request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        getattr(entry.contents, field).extend(one.encode() if isinstance(one, str) else one for one in array.reshape(-1).tolist())
    response = service_pb2.ModelInferResponse.FromString(raw.call("ModelInfer", request))
    contents = dict(zip((output.name for output in response.outputs), response.raw_output_contents, strict=True))
    for name, (datatype, array) in given.items():
        if datatype != "BYTES" and name != "float16":
            assert contents[f"{name}_out"] == array.tobytes()
    assert contents["float16_out"] == np.array([1, 2], np.float16).tobytes()
    assert contents["string_out"] == b"\x01\0\0\0\0\x02\0\0\0\xc3\xb6"


def test_requested_outputs_come_in_the_order_of_the_request(triton):
    names = ["string_out", "uint8_out"]
    inputs = [tensor(name, array, datatype) for name, (datatype, array) in KINDS.items()]
    response = triton.infer("every", inputs, outputs=[triton_grpc.InferRequestedOutput(name) for name in names]).get_response()
    assert [output.name for output in response.outputs] == names
    assert len(response.raw_output_contents) == 2


def test_an_empty_tensor(triton):
    result = triton.infer("sum", [tensor("x", np.empty((0, 3), np.float32))])
    assert result.as_numpy("sum").shape == (0,)


def test_twelve_megabytes_both_ways(triton):
    array = np.arange(3 << 20, dtype=np.float32).reshape(-1, 4)
    assert array.nbytes == 12 << 20
    assert (triton.infer("double", [tensor("x", array)]).as_numpy("y") == 2 * array).all()


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests(triton, algorithm):
    array = np.zeros((1000, 3), np.float32)
    result = triton.infer("sum", [tensor("x", array)], compression_algorithm=algorithm)
    assert result.as_numpy("sum").tolist() == [0] * 1000


@pytest.mark.parametrize(
    ("model", "given", "code", "words"),
    [
        ("absent", [tensor("x", np.zeros((1, 3), np.float32))], "NOT_FOUND", "unknown model: 'absent' is not found"),
        ("sum", [tensor("x", np.zeros((1, 4), np.float32))], "INVALID_ARGUMENT", "shape [1, 4], the model takes [any, 3]"),
        ("sum", [tensor("x", np.zeros((1, 3)), "FP64")] * 2, "INVALID_ARGUMENT", "given twice"),
        ("sum", [tensor("y", np.zeros((1, 3), np.float32))], "INVALID_ARGUMENT", "no input 'y'; its inputs are 'x'"),
        ("sum", [tensor("x", np.array([["1", "2", "3"]], np.object_), "BYTES")], "INVALID_ARGUMENT", "holds object"),
        ("every", [tensor("string", np.array([["a", "b"]], np.object_), "BYTES")], "INVALID_ARGUMENT", "lacks the input"),
        ("lab", [tensor("order", np.array(["refuse"], np.object_), "BYTES")], "INVALID_ARGUMENT", "not this one"),
        ("lab", [tensor("order", np.array(["fail"], np.object_), "BYTES")], "INTERNAL", "failed on this input"),
        ("lab", [tensor("order", np.array(["exit:1"], np.object_), "BYTES")], "INTERNAL", ""),
    ],
)
def test_what_is_refused_and_how(triton, model, given, code, words):
    got, message = refused(triton.infer, model, given)
    assert (got, message) == (code, message)
    assert words in message
    assert "secret" not in message


def test_other_versions_and_outputs_are_refused(triton):
    given = [tensor("x", np.zeros((1, 3), np.float32))]
    assert refused(triton.infer, "sum", given, model_version="2")[0] == "NOT_FOUND"
    assert refused(triton.get_model_metadata, "sum", "2")[0] == "NOT_FOUND"
    code, message = refused(triton.infer, "sum", given, outputs=[triton_grpc.InferRequestedOutput("y")])
    assert (code, message) == ("INVALID_ARGUMENT", "the model has no output 'y'; its outputs are 'sum'")


def test_malformed_messages_are_refused(raw):
    assert raw.fails("ModelInfer", b"\xff\xff\xff\xff") == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "the message is no inference.ModelInferRequest",
    )


def test_filters_take_and_give_one_sample_per_element(triton):
    given = tensor("x", np.array([json.dumps("1 2 3"), json.dumps("4 5 6")], np.object_), "BYTES")
    result = triton.infer("words", [given])
    assert result.as_numpy("sum").tolist() == [b"12.0", b"30.0"]
    injected = tensor("x", np.array(['"1 2 3","4 5 6"'], np.object_), "BYTES")
    assert "is no JSON text" in refused(triton.infer, "words", [injected])[1]
    assert "takes BYTES of shape [any]" in refused(triton.infer, "words", [tensor("x", np.zeros((1, 3), np.float32))])[1]


def png(level):
    buffer = io.BytesIO()
    Image.new("L", (8, 8), level).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("levels", [[255], [255, 0, 51]])
def test_picture_files_are_elements(triton, levels):
    given = tensor("picture", np.array([png(level) for level in levels], np.object_), "BYTES")
    assert triton.infer("picture", [given]).as_numpy("mean").tolist() == pytest.approx([level / 255 for level in levels])


def test_a_picture_for_an_input_that_takes_none_is_refused(triton):
    given = tensor("x", np.array([png(0)], np.object_), "BYTES")
    assert "takes no image/png files" in refused(triton.infer, "words", [given])[1]


def test_the_index_and_unload(triton, pool):
    pool.load({"id": "spare", "model_file": "double.onnx"})
    index = {model.name: (model.version, model.state) for model in triton.get_model_repository_index().models}
    assert index["spare"] == ("1", "READY")
    assert set(index) >= {"sum", "every", "lab"}
    triton.unload_model("spare")
    assert "spare" not in pool.ids()
    assert refused(triton.unload_model, "absent")[0] == "NOT_FOUND"


def test_kserve_clients_name_the_model_in_the_first_field(raw, pool):
    pool.load({"id": "spare", "model_file": "double.onnx"})
    raw.call("RepositoryModelUnload", b"\x0a\x05spare")
    assert "spare" not in pool.ids()


def test_a_model_that_failed_to_load_stands_in_the_index(grpc_server):
    with grpc_server(tasks=[{"id": "broken", "model_file": "broken.onnx"}]) as client:
        triton = triton_grpc.InferenceServerClient(client.grpc)
        (entry,) = triton.get_model_repository_index().models
        assert (entry.name, entry.state) == ("broken", "UNAVAILABLE")
        assert entry.reason
        triton.close()


def test_grpc_health(raw):
    check = "/grpc.health.v1.Health/Check"
    assert raw.call(check) == b"\x08\x01"
    assert raw.call(check, b"\x0a\x1einference.GRPCInferenceService") == b"\x08\x01"
    assert raw.fails(check, b"\x0a\x05other")[0] == grpc.StatusCode.NOT_FOUND
