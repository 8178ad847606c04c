"""Bodies too large, or in pieces: refused in words that the client can read, and no more is kept than the limit."""

import json
import socket

import pytest

pytestmark = pytest.mark.proves("F26")

MIB = 1 << 20
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def pool(thread_server):
    with thread_server(tasks=[{"id": "sum", "model_type": "python", "model_file": "sum.py"}], max_body_bytes=MIB) as client:
        yield client


def check_alive(pool):
    assert pool.predict("sum", {"x": [[1, 2, 3]]}).json["result"] == {"sum": [6]}
    assert pool.ids() == ["sum"]


def raw(pool, parts, timeout=10):
    """The whole answer to bytes that no client library would send."""
    host, port = pool.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout) as link:
        for part in parts:
            try:
                link.sendall(part)
            except ConnectionError:
                break  # the server has answered and closed
        data = b""
        while True:
            head, _, rest = data.partition(b"\r\n\r\n")
            length = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            if rest and length and len(rest) >= length[0]:
                return int(head.split()[1]), json.loads(rest[: length[0]])
            more = link.recv(65536)
            assert more, data
            data += more


def head(route, *headers):
    return "".join(line + "\r\n" for line in (f"POST {route} HTTP/1.1", "Host: localhost", *headers, "")).encode()


@pytest.mark.parametrize("route", ["/model/predict?id=sum", "/model/predict", "/model/load", "/model/list", "/info", "/command/stop"])
@pytest.mark.parametrize("length", [MIB + 1, 10**15])
def test_a_body_that_announces_too_many_bytes_is_refused_before_it_comes(pool, route, length):
    status, data = raw(pool, [head(route, f"Content-Length: {length}", "Content-Type: application/json")])
    assert status == 413
    assert (data["errors"][0]["code"], data["errors"][0]["params"]) == (0, [MIB])
    assert "max_body_bytes" in data["errors"][0]["message"]
    check_alive(pool)


@pytest.mark.parametrize("route", ["/model/predict?id=sum", "/model/load", "/model/list"])
def test_a_body_in_pieces_that_grows_too_large_is_refused(pool, route):
    piece = b"%x\r\n%s\r\n" % (1 << 16, b" " * (1 << 16))
    start = head(route, "Transfer-Encoding: chunked", "Content-Type: application/json")
    status, data = raw(pool, [start, *[piece] * (MIB >> 16), b"1\r\n \r\n"])
    assert (status, data["errors"][0]["code"]) == (413, 0)
    check_alive(pool)


def test_a_client_that_sends_all_of_a_large_body_can_read_the_answer(pool):
    size = MIB + (1 << 16)
    start = head("/model/predict?id=sum", f"Content-Length: {size}", "Content-Type: application/json")
    status, data = raw(pool, [start, b" " * size])
    assert (status, data["errors"][0]["code"]) == (413, 0)
    check_alive(pool)


def test_a_body_of_just_the_limit_is_read(pool):
    body = b'{"x": [[1, 2, 3]]}'
    answer = pool.predict("sum", body + b" " * (MIB - len(body)))
    assert answer.status == 200


def test_a_body_in_pieces_is_read(pool):
    body = b'{"x": [[1, 2, 3]]}'
    pieces = [b"1\r\n%c\r\n" % byte for byte in body]
    status, data = raw(
        pool, [head("/model/predict?id=sum", "Transfer-Encoding: chunked", "Content-Type: application/json"), *pieces, b"0\r\n\r\n"]
    )
    assert (status, data["result"]) == (200, {"sum": [6]})
