"""Messages counted before they are parsed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as pb

from zeromind.codecs import oip_grpc
from zeromind.codecs.protobuf import count, field, varint
from zeromind.errors import ErrorKind, ZeroMindError


@given(st.integers(0, 2**64 - 1), st.integers(1, 15), st.binary(max_size=300))
def test_what_is_written_is_what_protobuf_writes(value, number, data):
    message = pb.InferParameter(uint64_param=value)
    assert message.SerializeToString() == b"\x28" + varint(value)
    assert pb.ModelInferRequest(raw_input_contents=[data]).SerializeToString() == field(7, data)
    assert count(field(number, data) * 3, {}, 3) == 3


@given(st.binary(max_size=60))
def test_any_bytes_are_counted_or_refused(data):
    try:
        assert count(data, {4: {2: {}}, 5: {5: {3: 10}}}, 20) <= 20
    except ValueError:
        return


def test_inner_fields_are_counted():
    inner = field(5, field(4, b"") * 10)
    assert count(inner, {}, 20) == 1
    assert count(inner, {5: {}}, 20) == 11
    with pytest.raises(ValueError, match="too many"):
        count(inner, {5: {}}, 10)


@pytest.mark.parametrize(
    "data",
    [
        field(5, b"") * 300_000,
        field(5, field(4, b"") * 300_000),
        field(5, field(5, field(8, b"") * 300_000)),
        field(5, field(5, field(3, b"\1" * (9 << 20)))),
        field(6, field(2, b"") * 300_000),
        field(4, b"") * 300_000,
        b"\x0b" * 100_000,
    ],
)
def test_messages_that_would_swell_are_refused(data):
    with pytest.raises(ZeroMindError) as caught:
        oip_grpc.check_infer(data)
    assert caught.value.kind is ErrorKind.INVALID_INPUT


def test_big_tensors_pass():
    oip_grpc.check_infer(pb.ModelInferRequest(raw_input_contents=[bytes(12 << 20)] * 2).SerializeToString())
    message = pb.ModelInferRequest()
    message.inputs.add().contents.fp32_contents.extend([0.5] * 1_000_000)
    oip_grpc.check_infer(message.SerializeToString())
