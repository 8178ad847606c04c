"""Every call is answered with its id, in the metadata: with the answer, or with the status where that is all."""

import re

import pytest
from tritonclient.grpc import service_pb2 as pb

import grpc

PATH = "/inference.GRPCInferenceService/"
MADE = re.compile(r"[0-9a-f]{10}-[0-9]+")


@pytest.fixture(scope="module")
def channel(thread_server):
    with thread_server(tasks=[{"id": "sum", "model_file": "sum.py"}]) as pool, grpc.insecure_channel(pool.server.grpc_address) as channel:
        grpc.channel_ready_future(channel).result(10)
        yield channel


def method(channel, name):
    request, answer = getattr(pb, f"{name}Request"), getattr(pb, f"{name}Response")
    return channel.unary_unary(PATH + name, request.SerializeToString, answer.FromString)


def infer(name="sum"):
    given = pb.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[1, 3])
    given.contents.fp32_contents.extend([1, 2, 3])
    return pb.ModelInferRequest(model_name=name, inputs=[given])


def ids(metadata):
    return [value for key, value in metadata or () if key == "x-request-id"]


@pytest.mark.parametrize("name", ["mine", "a b~", "x" * 126, "x" * 127, "x" * 128])
def test_a_client_may_name_its_call(channel, name):
    for call, request in (("ServerLive", pb.ServerLiveRequest()), ("ModelInfer", infer())):
        _, done = method(channel, call).with_call(request, metadata=[("x-request-id", name)], timeout=10)
        assert ids(done.initial_metadata()) == [name]


@pytest.mark.parametrize("metadata", [[], [("x-request-id", "x" * 129)]])
def test_else_it_is_named(channel, metadata):
    found = [ids(method(channel, "ModelInfer").with_call(infer(), metadata=metadata, timeout=10)[1].initial_metadata()) for _ in range(4)]
    assert all(MADE.fullmatch(name) for (name,) in found)
    assert len({name for (name,) in found}) == 4


@pytest.mark.parametrize(("path", "request_"), [("ModelInfer", infer("none")), ("NoSuchMethod", pb.ServerLiveRequest())])
def test_a_call_that_is_refused_has_one_as_well(channel, path, request_):
    for metadata, wanted in (([("x-request-id", "mine")], "mine"), ([], None)):
        call = channel.unary_unary(PATH + path, type(request_).SerializeToString)
        with pytest.raises(grpc.RpcError) as caught:
            call(request_, metadata=metadata, timeout=10)
        (name,) = ids(caught.value.trailing_metadata())
        assert name == wanted or (wanted is None and MADE.fullmatch(name))


def test_an_answer_in_many_frames_has_one(channel):
    given = infer()
    given.inputs[0].shape[0] = 20_000
    given.inputs[0].ClearField("contents")
    given.raw_input_contents.append(bytes(4 * 3 * 20_000))
    _, done = method(channel, "ModelInfer").with_call(given, metadata=[("x-request-id", "long")], timeout=10)
    assert ids(done.initial_metadata()) == ["long"]


def test_a_compressed_answer_has_one(channel):
    _, done = method(channel, "ModelInfer").with_call(
        infer(), metadata=[("x-request-id", "small")], timeout=10, compression=grpc.Compression.Gzip
    )
    assert ids(done.initial_metadata()) == ["small"]


def test_streams_have_one(channel):
    stream = channel.stream_stream(
        PATH + "ModelStreamInfer", pb.ModelInferRequest.SerializeToString, pb.ModelStreamInferResponse.FromString
    )
    call = stream(iter([infer(), infer()]), metadata=[("x-request-id", "talk")], timeout=10)
    assert len(list(call)) == 2
    assert ids(call.initial_metadata()) == ["talk"]
