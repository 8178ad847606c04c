"""Tensors in gRPC's messages: what comes back, what is refused; the messages are tritonclient's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.grpc import service_pb2 as pb

from zeromind import datatypes
from zeromind.codecs import oip_frame
from zeromind.codecs import oip_grpc as codec
from zeromind.codecs.oip_parameters import selection
from zeromind.codecs.oip_raw import pack_bytes, unpack_bytes
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
        decoded_of(message, served or interface())
    assert caught.value.kind in (ErrorKind.INVALID_INPUT, ErrorKind.INPUT_MISSING)
    return caught.value.message


class Region:
    """One region of shared memory, named r."""

    def __init__(self, data=bytes(64)):
        self.data = bytearray(data)

    def read(self, name, offset, byte_size):
        assert name == "r"
        return bytes(self.data[offset : offset + byte_size])

    def write(self, name, offset, data):
        assert name == "r"
        self.data[offset : offset + len(data)] = data


def decoded_of(message, served, memory=None, **more):
    return codec.decode(message, served, memory or Region(), **more)[0]


def encoded(response, served, message=None, memory=None):
    asked = codec.Asked(message or pb.ModelInferRequest(model_name="m"), served)
    return pb.ModelInferResponse.FromString(b"".join(asked.encode(response, memory or Region())))


@given(
    st.sampled_from(PLAIN).flatmap(
        lambda name: arrays.arrays(datatypes.NUMPY_OF[name], arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    )
)
def test_arrays_come_back_bit_by_bit(array):
    datatype = datatypes.DATATYPE_OF[array.dtype]
    served = interface(datatype, array.shape)
    decoded = decoded_of(request(array.tobytes(), datatype, array.shape, id="7"), served)
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
    decoded = decoded_of(request(raw, "BF16", shape), served).inputs["x"]
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
    decoded = decoded_of(request(pack_bytes(items), "BYTES", [len(items)]), served).inputs["x"]
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
        (pb.ModelInferRequest(raw_input_contents=[b""]), "more entries than"),
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
    assert decoded_of(request(small.tobytes(), "INT8"), served).inputs["x"].dtype == np.int64
    assert "holds float32" in refused(request(bytes(8)), served)


def elements(*items):
    return request(pack_bytes(items), "BYTES", [len(items)])


def test_what_filters_get():
    served = interface(**FILTERED)
    assert decoded_of(elements(PNG), served).inputs["x"] == Encoded("image/png", PNG)
    assert decoded_of(elements(b"1", b' {"a":[]}'), served).inputs["x"] == Encoded("application/json", b'[1, {"a":[]}]')
    mixed = decoded_of(elements(PNG, b"1"), served).inputs["x"]
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


def output(**parameters):
    wanted = pb.ModelInferRequest.InferRequestedOutputTensor(name="y")
    for name, value in parameters.items():
        kind = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}[type(value)]
        setattr(wanted.parameters[name], kind, value)
    return wanted


NUMBERS = InferResponse({"y": np.array([[1, 3]], np.float32), "z": np.zeros((1, 2), np.float32)}, Run(1, 0))


def test_the_highest_classes_with_their_labels():
    message = request(bytes(8), outputs=[output(classification=2)])
    served = interface(labels={"y": ("cat", "dog")})
    response = encoded(NUMBERS, served, message)
    assert (response.outputs[0].datatype, list(response.outputs[0].shape)) == ("BYTES", [1, 2])
    assert codec_items(response, 2) == [b"3.000000:1:dog", b"1.000000:0:cat"]
    message.outputs[0].parameters["classification"].uint64_param = 1
    assert codec_items(encoded(NUMBERS, served, message), 1) == [b"3.000000:1:dog"]


def codec_items(response, count):
    return unpack_bytes(response.raw_output_contents[0], count)


def test_tensors_in_shared_memory():
    memory = Region(bytes(4) + np.array([[5, 6]], np.float32).tobytes() + bytes(20))
    message = pb.ModelInferRequest(model_name="m")
    tensor = message.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    tensor.parameters["shared_memory_region"].string_param = "r"
    tensor.parameters["shared_memory_byte_size"].int64_param = 8
    tensor.parameters["shared_memory_offset"].uint64_param = 4
    assert decoded_of(message, interface(), memory).inputs["x"].tolist() == [[5, 6]]
    message.outputs.append(output(shared_memory_region="r", shared_memory_byte_size=8, shared_memory_offset=16))
    message.outputs.add(name="z")
    response = encoded(NUMBERS, interface(), message, memory)
    assert list(response.raw_output_contents) == [b"", bytes(8)]
    assert memory.data[16:24] == np.array([1, 3], np.float32).tobytes()
    message.outputs[0].parameters["shared_memory_byte_size"].int64_param = 7
    with pytest.raises(ZeroMindError, match="at least 8 bytes"):
        encoded(NUMBERS, interface(), message, memory)


def test_raw_contents_are_of_the_inputs_that_are_not_in_shared_memory():
    spec = (TensorSpec("a", "FP32", (None,)), TensorSpec("b", "FP32", (None,)))
    served = Interface(ModelSpec(spec, spec, True), "python")
    message = pb.ModelInferRequest()
    tensor = message.inputs.add(name="a", datatype="FP32", shape=[1])
    tensor.parameters["shared_memory_region"].string_param = "r"
    tensor.parameters["shared_memory_byte_size"].int64_param = 4
    message.inputs.add(name="b", datatype="FP32", shape=[1])
    message.raw_input_contents.append(np.array([7], np.float32).tobytes())
    got = decoded_of(message, served, Region(np.array([3], np.float32).tobytes())).inputs
    assert (got["a"].tolist(), got["b"].tolist()) == ([3], [7])
    message.raw_input_contents.append(b"")
    assert "more entries" in refused(message, served)
    del message.raw_input_contents[:]
    assert "has 0 fp32_contents" in refused(message, served)  # typed ones, then


def test_parameters():
    message = request(bytes(8))
    message.parameters["priority"].uint64_param = 2
    message.parameters["timeout"].int64_param = 1500
    message.parameters["mine"].double_param = 0.5
    message.parameters["triton_enable_empty_final_response"].bool_param = True
    decoded = decoded_of(message, interface())
    assert (decoded.priority, decoded.timeout_s, decoded.parameters) == (2, 0.0015, {"mine": 0.5})
    assert codec.wants_empty_final(message)
    message.parameters["triton_other"].bool_param = True
    assert "reserved" in refused(message)


@pytest.mark.parametrize("way", ["argument", "parameter"])
def test_the_bare_model(way):
    message, served = request(bytes(8)), interface(**FILTERED)
    if way == "parameter":
        message.parameters["filters"].bool_param = False
    decoded, asked = codec.decode(message, served, Region(), way == "argument")
    assert not decoded.filters
    assert decoded.inputs["x"].tolist() == [[0, 0]]
    assert pb.ModelInferResponse.FromString(b"".join(asked.encode(NUMBERS, Region()))).outputs[0].datatype == "FP32"


# --- frames: messages that come again


def learned(message, served):
    frames, data = oip_frame.Frames(), message.SerializeToString()
    decoded, asked = codec.decode(message, served, Region())
    frames.learn(data, message, decoded, served, asked.wanted)
    return frames, asked


@given(
    st.sampled_from([name for name in PLAIN if name not in ("BOOL", "BF16")]).flatmap(
        lambda name: arrays.arrays(datatypes.NUMPY_OF[name], arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    )
)
def test_a_frame_means_what_its_message_does(array):
    datatype = datatypes.DATATYPE_OF[array.dtype]
    served = interface(datatype, array.shape)
    frames, asked = learned(request(bytes(array.nbytes), datatype, array.shape), served)
    data = request(array.tobytes(), datatype, array.shape).SerializeToString()
    frame = frames.find(data)
    if not array.nbytes:
        assert frame is None or frame.decode(data).inputs["x"].shape == array.shape
        return
    decoded = frame.decode(data)
    assert decoded.inputs["x"].tobytes() == array.tobytes()
    assert (decoded.inputs["x"].shape, decoded.inputs["x"].dtype) == (array.shape, array.dtype)
    response = InferResponse({"y": array, "z": array}, Run(1, 0))
    assert b"".join(frame.encode(response)) == b"".join(asked.encode(response, Region()))


def test_frames_of_several_inputs():
    spec = (TensorSpec("a", "FP32", (None,)), TensorSpec("b", "INT64", (None,)))
    served = Interface(ModelSpec(spec, spec[:1], True), "python")

    def message(floats, integers):
        made = pb.ModelInferRequest(model_name="m")
        made.inputs.add(name="b", datatype="INT64", shape=[len(integers)])
        made.inputs.add(name="a", datatype="FP32", shape=[len(floats)])
        made.raw_input_contents.extend([np.array(integers, np.int64).tobytes(), np.array(floats, np.float32).tobytes()])
        return made

    frames, _ = learned(message([0, 0], [0]), served)
    data = message([1, 2], [3]).SerializeToString()
    got = frames.find(data).decode(data).inputs
    assert (list(got), got["a"].tolist(), got["b"].tolist()) == (["a", "b"], [1, 2], [3])
    cut = data.replace(b"\x3a\x08", b"\x3a\x07", 1)
    assert frames.find(cut) is None


def test_what_stands_behind_the_tensors_is_not_overlooked():
    frames, _ = learned(request(bytes(8)), interface())
    more = request(bytes(8)).SerializeToString() + pb.ModelInferRequest(id="7").SerializeToString()
    other = request(bytes(11), "INT8", (1, 11))  # as long as that, and its data begin at the same place
    assert len(other.SerializeToString()) == len(more)
    served = interface("INT8", (1, 11))
    frames.learn(other.SerializeToString(), other, decoded_of(other, served), served, selection((), served, True))
    assert frames.find(other.SerializeToString()) is not None
    assert frames.find(more) is None


def unlike(**changes):
    message = request(bytes(8))
    if "id" in changes:
        message.id = "7"
    if "parameter" in changes:
        message.parameters["mine"].bool_param = True
    if "output" in changes:
        message.outputs.append(output(classification=1))
    if "integers" in changes:
        message.inputs[0].datatype = "INT32"
    return message


@pytest.mark.parametrize(
    ("message", "served"),
    [
        (unlike(id=1), interface()),
        (unlike(parameter=1), interface()),
        (unlike(output=1), interface()),
        (unlike(integers=1), interface()),
        (request(bytes(2), "BOOL"), interface("BOOL")),
        (request(pack_bytes([b"a", b"b"]), "BYTES"), interface("BYTES")),
        (request(bytes(4), "BF16"), interface("BF16")),
    ],
)
def test_messages_that_are_not_plain_are_not_remembered(message, served):
    frames, _ = learned(message, served)
    assert frames.find(message.SerializeToString()) is None
