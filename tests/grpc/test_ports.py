"""Where gRPC is answered: on the pool's port beside HTTP, and on one of its own."""

import http.client
import re
import socket
import threading

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

import grpc
from zeromind.grpc.frame import PREFACE

READY = "/inference.GRPCInferenceService/ServerReady"


def asked(address):
    with grpc.insecure_channel(address) as channel:
        return channel.unary_unary(READY)(b"", timeout=10)


def test_by_default_it_has_a_port_of_its_own_and_shares_the_other(thread_server):
    with thread_server(tasks=[]) as client:
        assert client.server.grpc_address not in ("", client.address)
        assert asked(client.server.grpc_address) == b"\x08\x01"
        assert asked(client.address) == b"\x08\x01"


def test_without_a_port_of_its_own(thread_server):
    with thread_server(tasks=[], grpc_port=0) as client:
        assert client.server.grpc_address == client.address
        assert asked(client.address) == b"\x08\x01"


@pytest.fixture
def on_port(spawn, tmp_path):
    """A function that serves nothing on a port."""
    (tmp_path / "empty.json").write_text("{}")
    return lambda port: spawn(["-c", str(tmp_path / "empty.json"), "--port", str(port)])


def test_it_is_the_next_port(on_port, neighbours):
    port = neighbours()
    server = on_port(port)
    assert f"grpc 127.0.0.1:{port + 1}" in server.log.read_text()
    assert asked(f"127.0.0.1:{port + 1}") == b"\x08\x01"


def test_where_the_next_port_is_taken_the_first_answers(on_port, neighbours):
    port = neighbours()
    with socket.create_server(("127.0.0.1", port + 1)):
        server = on_port(port)
        log = server.log.read_text()
    assert re.search(rf"port {port + 1} is taken.*port {port} answers it", re.sub(r"\s+", " ", log))
    assert f"grpc 127.0.0.1:{port}" in log
    assert asked(server.address) == b"\x08\x01"


def test_both_wires_on_one_port_at_once(pool):
    array = np.ones((1, 3), np.float32)
    given = [triton_http.InferInput("x", [1, 3], "FP32"), triton_grpc.InferInput("x", [1, 3], "FP32")]
    for one in given:
        one.set_data_from_numpy(array)
    clients = [triton_http.InferenceServerClient(pool.address), triton_grpc.InferenceServerClient(pool.address)]
    given[0].set_data_from_numpy(array, binary_data=False)
    results = []

    def ask(client, tensor):
        for _ in range(20):
            response = client.infer("sum", [tensor]) if client is clients[1] else pool.predict("sum", {"x": [[1, 1, 1]]}).json["result"]
            results.append(response["sum"] if isinstance(response, dict) else response.as_numpy("sum").tolist())

    threads = [threading.Thread(target=ask, args=pair) for pair in zip(clients, given, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    assert results == [[3.0]] * 40


@pytest.mark.parametrize("size", [1, 5, len(PREFACE) - 1])
def test_a_preface_may_come_in_pieces(pool, size, frames):
    client = frames(pool.server.url.rpartition(":")[2])
    stream_id = client.begin()
    client.h2.send_data(stream_id, bytes(5), end_stream=True)
    data = client.h2.data_to_send()
    for start in range(0, len(data), size):
        client.sock.sendall(data[start : start + size])
    assert client.trailers(stream_id)["grpc-status"] == "0"


def test_what_only_begins_like_a_preface_is_http(pool):
    port = int(pool.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(b"P")
        sock.sendall(b"OST /model/predict?id=sum HTTP/1.1\r\nHost: localhost\r\n")
        sock.sendall(b"Content-Type: application/json\r\nContent-Length: 15\r\n\r\n")
        sock.sendall(b'{"x":[[1,2,3]]}')
        response = http.client.HTTPResponse(sock)
        response.begin()
        assert response.status == 200
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(b"PRI * HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 4")


def test_a_client_that_leaves_within_the_preface(pool):
    port = int(pool.address.rpartition(":")[2])
    for _ in range(3):
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            sock.sendall(PREFACE[:10])
    assert asked(pool.address) == b"\x08\x01"


def test_the_main_port_drains_grpc_too(thread_server):
    states = []
    with thread_server(tasks=[{"id": "lab", "model_file": "lab.py", "isolation": "thread"}], grpc_port=0) as client:
        channel = grpc.insecure_channel(client.address)
        tensor = triton_grpc.InferInput("order", [1], "BYTES")
        tensor.set_data_from_numpy(np.array(["sleep:0.6"], np.object_))
        running = triton_grpc.InferenceServerClient(client.address)
        done = threading.Event()
        running.async_infer("lab", [tensor], lambda result, error: (states.append(error or "answered"), done.set()))
        client.post("/v2/health/live")
        while not client.server.engine.registry.get("lab").pending:
            pass
    assert done.wait(10)
    assert states == ["answered"]
    running.close()
    channel.close()
