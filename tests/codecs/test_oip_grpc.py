"""Tensors in gRPC's messages: what comes back, what is refused; the messages are tritonclient's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.grpc import service_pb2 as pb

from zeromind import datatypes
from zeromind.codecs import oip_grpc as codec
from zeromind.codecs.oip_tensors import pack_bytes, unpack_bytes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Encoded, InferResponse, Interface, ModelSpec, Run, TensorSpec

PNG = b"\x89PNG\r\n\x1a\n..."
PLAIN = [name for name in datatypes.NUMPY_OF if name not in ("BYTES", "BF16")]


def interface(datatype="FP32", shape=(None, 2), **more):
    spec = (TensorSpec("x", datatype, shape),)
    return Interface(ModelSpec(spec, (TensorSpec("y", datatype, shape), TensorSpec("z", datatype, shape)), True), "python", **more)


FILTERED = {"filtered_inputs": frozenset("x"), "filtered_outputs": frozenset("y"), "media": {"x": ("image/png",)}}


def request(data=b"", datatype="FP32", shape=(1, 2), name="x", **more):
    message = pb.ModelInferRequest(model_name="m", **more)
    message.inputs.add(name=name, datatype=datatype, shape=shape)
    message.raw_input_contents.append(data)
    return message


def refused(message, served=None):
    with pytest.raises(ZeroMindError) as caught:
        codec.decode_infer(message, served or interface())
    assert caught.value.kind in (ErrorKind.INVALID_INPUT, ErrorKind.INPUT_MISSING)
    return caught.value.message


def encoded(response, served, message=None):
    pieces = codec.encode_response(message or pb.ModelInferRequest(model_name="m"), served, response)
    return pb.ModelInferResponse.FromString(b"".join(pieces))


@given(
    st.sampled_from(PLAIN).flatmap(
        lambda name: arrays.arrays(datatypes.NUMPY_OF[name], arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    )
)
def test_arrays_come_back_bit_by_bit(array):
    datatype = datatypes.DATATYPE_OF[array.dtype]
    served = interface(datatype, array.shape)
    decoded = codec.decode_infer(request(array.tobytes(), datatype, array.shape, id="7"), served)
    assert decoded.id == "7"
    assert decoded.inputs["x"].shape == array.shape
    assert decoded.inputs["x"].dtype == array.dtype
    response = encoded(InferResponse({"y": decoded.inputs["x"], "z": array}, Run(1, 0)), served)
    assert [(one.name, one.datatype, tuple(one.shape)) for one in response.outputs] == [(one, datatype, array.shape) for one in "yz"]
    assert list(response.raw_output_contents) == [array.tobytes()] * 2
    assert (response.model_name, response.model_version, response.id) == ("m", "1", "")


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_bfloat16_has_two_bytes_on_the_wire_and_four_inside(shape):
    numbers = np.full(shape, -1.5, np.float32)
    raw = datatypes.to_bfloat16(numbers).tobytes()
    assert len(raw) == 2 * numbers.size
    served = interface("BF16", shape)
    decoded = codec.decode_infer(request(raw, "BF16", shape), served).inputs["x"]
    assert (decoded.dtype, decoded.shape) == (np.float32, shape)
    np.testing.assert_array_equal(decoded, numbers)
    response = encoded(InferResponse({"y": decoded, "z": numbers}, Run(1, 0)), served)
    assert [(one.datatype, tuple(one.shape)) for one in response.outputs] == [("BF16", shape)] * 2
    assert list(response.raw_output_contents) == [raw, raw]
    assert "2 bytes of data; BF16 of shape [1, 2] has 4" in refused(request(raw[:2].ljust(2), "BF16"), interface("BF16"))


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bytes_come_back(items):
    assert unpack_bytes(pack_bytes(items), len(items)) == items
    served = interface("BYTES", (None,))
    decoded = codec.decode_infer(request(pack_bytes(items), "BYTES", [len(items)]), served).inputs["x"]
    assert decoded.tolist() == items
    assert encoded(InferResponse({"y": decoded, "z": decoded}, Run(1, 0)), served).raw_output_contents[0] == pack_bytes(items)


@given(st.binary(max_size=40), st.integers(0, 5))
def test_bytes_that_are_no_tensor_are_refused(data, count):
    try:
        items = unpack_bytes(data, count)
    except ValueError:
        return
    assert pack_bytes(items) == data
    assert len(items) == count


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (request(bytes(7)), "has 7 bytes of data; FP32 of shape [1, 2] has 8"),
        (request(bytes(8), shape=[2]), "shape [2], the model takes [any, 2]"),
        (request(bytes(8), shape=[-1, 2]), "sizes from 0 on"),
        (request(bytes(8), shape=[1 << 62, 1 << 62]), "bytes of data"),
        (request(b"", shape=[0] * 33), "up to 32 sizes"),
        (request(bytes(8), "FP8"), "known are BOOL"),
        (request(bytes(16), "INT64", name="other"), "no input 'other'"),
        (request(bytes(16), "FP64", shape=[2, 2]), "has 16 bytes"),
        (request(b"\2\0", "BOOL"), "each byte must be 0 or 1"),
        (request(b"", "BYTES", shape=[1 << 21]), "BYTES tensors may have 1048576"),
        (request(b"\5\0\0\0abc", "BYTES", shape=[1]), "end within element 0 of 1"),
        (request(b"\0\0\0\0\0", "BYTES", shape=[1]), "go on behind element 1"),
        (pb.ModelInferRequest(), "lacks the input 'x'"),
        (pb.ModelInferRequest(raw_input_contents=[b""]), "1 entries for 0 inputs"),
    ],
)
def test_what_does_not_fit(message, words):
    assert words in refused(message)


def test_raw_and_typed_contents_do_not_mix():
    message = request(bytes(8))
    message.inputs[0].contents.fp32_contents.extend([1, 2])
    assert "send one of them" in refused(message)


@pytest.mark.parametrize(
    ("datatype", "field", "values", "words"),
    [
        ("INT8", "int_contents", [1, 128], "not INT8"),
        ("UINT16", "uint_contents", [1, 65536], "not UINT16"),
        ("FP32", "fp64_contents", [1, 2], "has 0 fp32_contents; shape [1, 2] has 2"),
        ("FP16", "fp32_contents", [1, 2], "raw_input_contents only"),
    ],
)
def test_typed_contents_that_do_not_fit(datatype, field, values, words):
    message = pb.ModelInferRequest()
    entry = message.inputs.add(name="x", datatype=datatype, shape=[1, 2])
    getattr(entry.contents, field).extend(values)
    assert words in refused(message)


def test_numbers_are_widened_but_never_bent():
    served = interface("INT64")
    small = np.array([[1, 2]], np.int8)
    assert codec.decode_infer(request(small.tobytes(), "INT8"), served).inputs["x"].dtype == np.int64
    assert "holds float32" in refused(request(bytes(8)), served)


def elements(*items):
    return request(pack_bytes(items), "BYTES", [len(items)])


def test_what_filters_get():
    served = interface(**FILTERED)
    assert codec.decode_infer(elements(PNG), served).inputs["x"] == Encoded("image/png", PNG)
    assert codec.decode_infer(elements(b"1", b' {"a":[]}'), served).inputs["x"] == Encoded("application/json", b'[1, {"a":[]}]')
    mixed = codec.decode_infer(elements(PNG, b"1"), served).inputs["x"]
    assert mixed.data.startswith(b'[{"image":"iVBOR')
    assert mixed.data.endswith(b'"},1]')


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (elements(b"1,2"), "element 0 of input 'x': it is no JSON text"),
        (elements(b"1", b"2]["), "element 1"),
        (elements(b""), "no JSON text"),
        (elements(b"\xff\xd8\xff..."), "takes no image/jpeg files"),
        (elements(), "each element a picture file, or one sample"),
        (request(bytes(8)), "takes BYTES of shape [any]"),
        (request(pack_bytes([b"1"]), "BYTES", [1, 1]), "takes BYTES of shape [any]"),
    ],
)
def test_what_filters_do_not_get(message, words):
    assert words in refused(message, interface(**FILTERED))


def test_what_filters_give():
    served = interface(**FILTERED)
    values = {"y": Encoded("application/json", b'[{"label":"cat"},null,[1,2]]'), "z": np.zeros((1, 2), np.float32)}
    response = encoded(InferResponse(values, Run(1, 0)), served)
    assert (response.outputs[0].datatype, list(response.outputs[0].shape)) == ("BYTES", [3])
    assert response.raw_output_contents[0] == pack_bytes([b'{"label":"cat"}', b"null", b"[1,2]"])


def test_requested_outputs():
    message = request(bytes(8), outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in "zy"])
    response = encoded(InferResponse({"y": np.zeros(1, np.float32), "z": np.ones(1, np.float32)}, Run(1, 0)), interface(), message)
    assert [one.name for one in response.outputs] == ["z", "y"]
    message.outputs.add(name="z")
    assert "asked for twice" in refused(message)
    message.outputs[2].name = "w"
    assert "no output 'w'" in refused(message)


def test_what_is_not_served_is_refused():
    message = request(bytes(8))
    message.inputs[0].parameters["shared_memory_region"].string_param = "r"
    assert "shared_memory_region" in refused(message)
    message = request(bytes(8))
    message.outputs.add(name="y").parameters["classification"].int64_param = 3
    assert "classification" in refused(message)
    message.outputs[0].parameters.clear()
    message.outputs[0].parameters["binary_data"].bool_param = True
    codec.decode_infer(message, interface())


def test_descriptions():
    described = codec.describe(interface(**FILTERED))
    assert described["inputs"] == [{"name": "x", "datatype": "BYTES", "shape": [-1]}]
    assert described["outputs"][1] == {"name": "z", "datatype": "FP32", "shape": [-1, 2]}
