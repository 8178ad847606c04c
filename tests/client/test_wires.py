"""What a client writes the server reads, and the other way round, of any tensors."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeromind import datatypes
from zeromind.client import rest, rpc, value
from zeromind.client.ask import Terms
from zeromind.client.message import LAYOUTS, decode
from zeromind.client.rest import Rest
from zeromind.client.rpc import Rpc
from zeromind.client.step import Reply
from zeromind.codecs import oip, oip_grpc
from zeromind.codecs.oip_raw import LENGTH
from zeromind.codecs.protobuf import members
from zeromind.errors import ZeroMindError
from zeromind.grpc.messages import Messages
from zeromind.tensors import InferResponse, Interface, ModelSpec, Run, TensorSpec

MESSAGES = Messages()
NAMES = st.text(min_size=1, max_size=12)
PARAMETERS = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda name: name not in ("filters", "headers") and not name.startswith("triton_")),
    st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    max_size=4,
)


class Memory:
    """Regions that there are not."""

    def read(self, name, offset, byte_size):
        raise AssertionError

    def write(self, name, offset, data):
        raise AssertionError


@st.composite
def tensors(draw, count=3):
    """Named arrays of any datatype and shape, with their datatypes."""
    found = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=count, unique=True)):
        datatype = draw(st.sampled_from(sorted(datatypes.NUMPY_OF)))
        shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
        if datatype == "BYTES":
            array = draw(hnp.arrays(np.object_, shape, elements=st.binary(max_size=9), fill=st.nothing()))
        elif datatype == "BF16":
            array = datatypes.from_bfloat16(draw(hnp.arrays(np.uint16, shape)))
        else:
            array = draw(hnp.arrays(datatypes.NUMPY_OF[datatype], shape))
        found[name] = (datatype, array)
    return found


def specs(found):
    return tuple(TensorSpec(name, datatype, array.shape) for name, (datatype, array) in found.items())


def same(one, other):
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    assert one.tolist() == other.tolist() if one.dtype.hasobject else one.tobytes() == other.tobytes()


def answered_by_http(request, interface, response):
    body, fields = b"".join(request.pieces), dict(request.fields)
    codec = oip.Codec(interface, "m", Memory())
    seen, asked = codec.decode(body, int(fields[LENGTH]))
    data, json_bytes = codec.encode(response, asked)
    return seen, Reply(200, {LENGTH.lower(): str(json_bytes)} if json_bytes else {}, memoryview(data))


def answered_by_grpc(request, interface, response):
    parsed = MESSAGES.parse("inference.ModelInferRequest", b"".join(request.pieces))
    seen, asked = oip_grpc.decode(parsed, interface, Memory())
    return seen, Reply(0, {}, memoryview(b"".join(asked.encode(response, Memory()))))


WIRES = [(Rest(), answered_by_http), (Rpc(), answered_by_grpc)]


@pytest.mark.parametrize(("wire", "answered"), WIRES, ids=["http", "grpc"])
@given(inputs=tensors(), outputs=tensors(), parameters=PARAMETERS, data=st.data())
def test_requests_and_answers_come_as_they_were_sent(wire, answered, inputs, outputs, parameters, data):  # noqa: PLR0917 - hypothesis gives most
    interface = Interface(ModelSpec(specs(inputs), specs(outputs), batches=False), "python", parameters=True)
    wanted = data.draw(st.lists(st.sampled_from(list(outputs)), unique=True))
    own = {"timeout", "priority", "binary_data_output"}
    terms = Terms({name: entry for name, entry in parameters.items() if name not in own}, outputs=tuple(wanted))
    sent = value.tensors({name: array for name, (_, array) in inputs.items()}, interface)
    question = wire.predict("m", sent, terms, interface, 5.0)
    response = InferResponse({name: array for name, (_, array) in outputs.items()}, Run(1, 0.0))
    seen, reply = answered(question.request, interface, response)
    assert seen.inputs.keys() == inputs.keys()
    for name, (_, array) in inputs.items():
        same(seen.inputs[name], array)
    told = dict(seen.parameters or {})
    assert told == dict(terms.parameters)
    assert [type(entry) for entry in told.values()] == [type(terms.parameters[name]) for name in told]
    answer = question.read(reply)
    assert list(answer) == (wanted or list(outputs))
    for name in answer:
        same(answer[name], outputs[name][1])


@given(st.binary(max_size=60))
def test_what_is_no_message_is_told(data):
    interface = Interface(ModelSpec((), (), batches=False), "")
    for read in (
        lambda: list(members(data)),
        lambda: decode(data, LAYOUTS["RepositoryIndex"]),
        lambda: decode(data, LAYOUTS["ModelStatistics"]),
        lambda: rpc._prediction(memoryview(data), {}, "m", interface),
    ):
        with contextlib.suppress(ValueError, IndexError, ZeroMindError):
            read()


def test_json_stands_before_aligned_bytes():
    for name in ("x", "xy", "a longer name"):
        text = rest._outline(((name, "FP64", (1,), 8),), (), ())
        assert len(text) % 8 == 0
