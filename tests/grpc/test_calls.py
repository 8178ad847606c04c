"""Calls that do not go the usual way: late, cancelled, too big, many at once, while the pool stops."""

import time
import urllib.parse

from tritonclient.grpc import service_pb2

import grpc


def order(text, model="lab"):
    request = service_pb2.ModelInferRequest(model_name=model)
    request.inputs.add(name="order", datatype="BYTES", shape=[1])
    request.raw_input_contents.append(len(text).to_bytes(4, "little") + text.encode())
    return request


def batch(answer):
    """How many requests the model ran together with this one."""
    response = service_pb2.ModelInferResponse.FromString(answer)
    return int.from_bytes(response.raw_output_contents[1], "little")


def test_a_deadline_that_passes(raw):
    start = time.monotonic()
    code, _ = raw.fails("ModelInfer", order("sleep:4"), timeout=0.3)
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - start < 3.5, "before the model is through"


def test_the_server_keeps_the_deadline_itself(frames):
    client = frames()
    start = time.monotonic()
    trailers = client.trailers(client.ask("ModelInfer", order("sleep:4").SerializeToString(), grpc_timeout="200m"))
    assert trailers["grpc-status"] == "4"
    assert 0.15 < time.monotonic() - start < 3.5


def test_a_deadline_ends_a_message_that_does_not_come(frames):
    client = frames()
    stream_id = client.begin("ModelInfer", grpc_timeout="100m")
    client.flush()
    assert client.trailers(stream_id)["grpc-status"] == "4"


def test_a_cancelled_call_that_waits_never_reaches_the_model(raw, pool):
    pid, method = pool.pid(), raw.method("ModelInfer")
    calls = []
    for text in ("sleep:0.5", "echo", "exit:1"):  # one runs, one is with the worker already, one waits
        calls.append(method.future(order(text).SerializeToString(), timeout=10))
        time.sleep(0.1)
    calls[2].cancel()
    assert calls[0].result()
    assert calls[1].result()
    assert pool.pid() == pid


def test_calls_that_wait_together_run_together(raw):
    method = raw.method("ModelInfer")
    first = method.future(order("sleep:0.3").SerializeToString(), timeout=10)
    time.sleep(0.1)
    others = [method.future(order("echo").SerializeToString(), timeout=10) for _ in range(20)]
    assert batch(first.result()) == 1
    assert max(batch(other.result()) for other in others) >= 10


def test_a_message_that_is_too_big(raw):
    code, message = raw.fails("ModelInfer", bytes((16 << 20) + 1))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "max_body_bytes" in message
    assert raw.call("ServerLive") == b"\x08\x01"


def test_unknown_methods_and_other_protocols(raw, frames):
    for path in ("/inference.GRPCInferenceService/Nothing", "/other/Method", "/"):
        code, message = raw.fails(path)
        assert code is grpc.StatusCode.UNIMPLEMENTED
        assert path in message
    client = frames()
    client.h2.send_headers(1, [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x")], end_stream=True)
    client.flush()
    response = client.read(lambda event: hasattr(event, "headers"))
    assert dict(response.headers)[":status"] == "415"


def test_encodings_that_are_not_served_are_answered_with_those_that_are(frames):
    client = frames()
    trailers = client.trailers(client.ask("ServerLive", grpc_encoding="snappy"))
    assert (trailers["grpc-status"], trailers["grpc-accept-encoding"]) == ("12", "identity,gzip,deflate")
    assert "snappy" in urllib.parse.unquote(trailers["grpc-message"])


def test_draining_answers_what_runs_and_sends_clients_elsewhere(grpc_server):
    states = []
    with grpc_server(tasks=[{"id": "lab", "model_file": "lab.py", "isolation": "thread"}]) as client:
        channel = grpc.insecure_channel(client.grpc)
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        running = call.future(order("sleep:0.6").SerializeToString(), timeout=10)
        time.sleep(0.2)
        running.add_done_callback(lambda _: states.append("answered"))
        channel.subscribe(lambda state: state is grpc.ChannelConnectivity.IDLE and states.append("told to go"))
    assert batch(running.result()) == 1
    assert states == ["told to go", "answered"]
    channel.close()


def test_the_command_says_where_it_listens(spawn, free_port):
    server = spawn(grpc_port=free_port)
    assert f"grpc 127.0.0.1:{free_port}" in server.log.read_text()
    channel = grpc.insecure_channel(f"127.0.0.1:{free_port}")
    assert channel.unary_unary("/inference.GRPCInferenceService/ServerReady")(b"", timeout=5) == b"\x08\x01"
    channel.close()
    server.signal()
    assert server.wait() == 0
    assert server.complaints() == []


def test_a_port_that_is_taken_is_named(spawn, pool):
    server = spawn(grpc_port=pool.grpc_port, wait=False)
    assert server.wait() == 1
    assert "Error: grpc_port: 127.0.0.1:" in server.log.read_text()
    assert "choose another with --grpc-port" in server.log.read_text()
