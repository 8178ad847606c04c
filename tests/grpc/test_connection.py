"""Clients that bend HTTP/2, by intent or not."""

import asyncio
import contextlib
import socket
import struct
import threading

import pytest
from h2 import events
from h2.exceptions import StreamClosedError

from zeromind.access.audit import Audit
from zeromind.access.gate import Gate
from zeromind.access.hosts import Hosts
from zeromind.engine import Engine
from zeromind.grpc.listener import Listener
from zeromind.grpc.service import Service
from zeromind.limits import GrpcLimits as Limits

pytestmark = pytest.mark.proves("T18")

LIVE = b"\0\0\0\0\0"
CALM, PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, COMPRESSION = 11, 1, 3, 5, 6, 7, 9


def frame(kind, flags=0, stream_id=0, payload=b""):
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream_id) + payload


@pytest.fixture
def limited(configured):
    """A function that serves no models within limits and gives its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listeners = []

    async def start(limits, sock):
        engine = Engine(configured())
        engine.start()
        listeners.append((Listener(Service(engine, Gate(Hosts()), Audit()), limits), engine))
        listeners[-1][0].start([sock])

    async def close():
        for listener, engine in listeners:
            await listener.close(0.1)
            await engine.close()

    def serve(**limits):
        sock = socket.create_server(("127.0.0.1", 0))
        asyncio.run_coroutine_threadsafe(start(Limits(**limits), sock), loop).result(5)
        return sock.getsockname()[1]

    yield serve
    asyncio.run_coroutine_threadsafe(close(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def is_alive(client):
    return client.trailers(client.ask())["grpc-status"] == "0"


def test_many_calls_on_one_connection(frames):
    client = frames()
    ids = [client.ask() for _ in range(200)]
    for stream_id in ids:
        assert client.trailers(stream_id)["grpc-status"] == "0"


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"])
def test_another_protocol_is_sent_away_in_words_that_a_browser_shows(limited, said):
    with socket.create_connection(("127.0.0.1", limited()), timeout=5) as sock:
        sock.sendall(said)
        answer = b""
        while part := sock.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"this port speaks gRPC alone" in answer


@pytest.mark.parametrize("size", [1, 7, 100])
def test_bytes_may_come_in_any_pieces(frames, size):
    client = frames()
    stream_id = client.begin()
    client.h2.send_data(stream_id, LIVE, end_stream=True)
    data = client.h2.data_to_send()
    for start in range(0, len(data), size):
        client.sock.sendall(data[start : start + size])
    assert client.trailers(stream_id)["grpc-status"] == "0"


@pytest.mark.proves("T18")
def test_rapid_resets_are_bounded(limited, frames):
    client = frames(limited(resets_per_s=5))
    for _ in range(80):
        client.h2.reset_stream(client.begin("ModelInfer"))
    with contextlib.suppress(OSError):
        client.flush()
    assert client.goodbye() == CALM


def test_a_few_resets_are_borne(frames):
    client = frames()
    for _ in range(100):
        client.h2.reset_stream(client.begin("ModelInfer"))
    client.flush()
    assert is_alive(client)


@pytest.mark.proves("T18")
@pytest.mark.parametrize(
    "nothing",
    [
        frame(6, payload=bytes(8)),
        frame(4),
        frame(2, 0, 1, bytes(5)),
        frame(99, 0, 1),
        frame(0, 0, 1),
    ],
    ids=["ping", "settings", "priority", "unknown", "data"],
)
def test_frames_that_carry_nothing_are_bounded(limited, frames, nothing):
    client = frames(limited(controls_per_s=5))
    client.begin()
    client.flush()
    with contextlib.suppress(OSError):
        client.sock.sendall(nothing * 100)
    assert client.goodbye() == CALM


@pytest.mark.proves("T18")
def test_more_streams_than_allowed_are_refused(limited, frames):
    client = frames(limited(streams=3))
    ids = [client.begin() for _ in range(4)]
    client.flush()
    event = client.read(lambda event: isinstance(event, events.StreamReset))
    assert (event.stream_id, event.error_code) == (ids[3], REFUSED)
    client.h2.send_data(ids[0], LIVE, end_stream=True)
    client.flush()
    assert client.trailers(ids[0])["grpc-status"] == "0"


def block(client, fields):
    return client.h2.encoder.encode([*client.HEAD, *fields])


@pytest.mark.proves("T18")
def test_header_lists_are_bounded(frames):
    client = frames()
    client.flush()
    data = block(client, [("x", "y" * 1000)] * 20)
    client.sock.sendall(frame(1, 0, 1, data[:100]) + frame(9, 4, 1, data[100:]))
    assert client.goodbye() == CALM


@pytest.mark.proves("T18")
def test_endless_field_blocks_are_cut_off(frames):
    client = frames()
    client.flush()
    client.sock.sendall(frame(1, 0, 1, b"") + frame(9, 0, 1) * 50)
    assert client.goodbye() == CALM


@pytest.mark.proves("T18")
@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(0, 0, 0, b"x"), PROTOCOL),
        (frame(0, 0, 7, b"x"), PROTOCOL),
        (frame(0, 8, 1, b"\x09x"), PROTOCOL),
        (frame(0, 0, 1, bytes(70_000)), SIZE),
        (frame(1, 4, 2), PROTOCOL),
        (frame(1, 4, 3, b"\xff\xff\xff\xff\xff\xff\xff"), COMPRESSION),
        (frame(1, 0, 3) + frame(6, payload=bytes(8)), PROTOCOL),
        (frame(1, 0x24, 3, struct.pack(">IB", 3, 0)), PROTOCOL),
        (frame(2, 0, 1, bytes(4)), SIZE),
        (frame(3, 0, 1, bytes(3)), SIZE),
        (frame(3, 0, 9, bytes(4)), PROTOCOL),
        (frame(4, 0, 0, bytes(5)), SIZE),
        (frame(4, 1, 0, bytes(6)), SIZE),
        (frame(4, 0, 1), PROTOCOL),
        (frame(4, 0, 0, struct.pack(">HI", 4, 1 << 31)), FLOW),
        (frame(4, 0, 0, struct.pack(">HI", 5, 100)), PROTOCOL),
        (frame(4, 0, 0, struct.pack(">HI", 2, 2)), PROTOCOL),
        (frame(5, 4, 1, bytes(4)), PROTOCOL),
        (frame(6, 0, 0, bytes(7)), SIZE),
        (frame(8, 0, 0, bytes(4)), PROTOCOL),
        (frame(8, 0, 0, struct.pack(">I", (1 << 31) - 1)), FLOW),
        (frame(8, 0, 9, struct.pack(">I", 1)), PROTOCOL),
        (frame(9, 4, 1), PROTOCOL),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(frames, sent, code):
    client = frames()
    client.begin("ModelInfer")
    client.flush()
    client.sock.sendall(sent)
    assert client.goodbye() == code
    assert client.ends()


def test_data_behind_the_end_of_a_stream(frames):
    client = frames()
    stream_id = client.ask("ModelInfer", order("sleep:0.2"))
    client.sock.sendall(frame(0, 0, stream_id, b"x"))
    assert client.goodbye() == CLOSED


def test_data_of_a_call_that_was_refused_are_read_over(frames):
    client = frames()
    stream_id = client.begin("Nothing")
    client.flush()
    assert client.trailers(stream_id)["grpc-status"] == "12"
    client.sock.sendall(frame(0, 0, stream_id, bytes(1000)) + frame(0, 1, stream_id))
    assert is_alive(client)


def test_malformed_requests_are_reset_and_cost_the_connection_nothing(frames):
    client = frames()
    client.flush()
    client.sock.sendall(frame(1, 5, 1, client.h2.encoder.encode([(":method", "POST"), ("Upper", "x")])))
    client.h2.get_next_available_stream_id()
    client.h2.streams.clear()
    data = client.sock.recv(65536)
    while frame(3, 0, 1, struct.pack(">I", PROTOCOL)) not in data:
        data += client.sock.recv(65536)
    client.sock.sendall(frame(1, 4, 3, block(client, [])) + frame(0, 1, 3, LIVE))
    while b"grpc-status" not in data:
        data += client.sock.recv(65536)


def test_padding_and_priorities_are_read_over(frames):
    client = frames()
    client.flush()
    head = b"\x02" + struct.pack(">IB", 0, 15) + block(client, []) + b"\0\0"
    client.sock.sendall(frame(1, 0x2C, 1, head) + frame(0, 9, 1, b"\x03" + LIVE + b"\0\0\0"))
    data = b""
    while b"grpc-status\x010" not in data:
        data += client.sock.recv(65536)


def test_a_client_that_shuts_down_its_side_is_answered(frames):
    client = frames()
    stream_id = client.ask("ModelInfer", order("sleep:0.2"))
    client.sock.shutdown(socket.SHUT_WR)
    assert client.trailers(stream_id)["grpc-status"] == "0"
    assert client.ends()


def order(text, model=b"lab"):
    tensor = b"\x0a\x05order\x12\x05BYTES\x1a\x01\x01"
    data = struct.pack("<I", len(text)) + text.encode()
    return b"\x0a" + bytes((len(model),)) + model + b"\x2a" + bytes((len(tensor),)) + tensor + b"\x3a" + bytes((len(data),)) + data


def test_small_windows_and_frames_of_a_client(frames):
    client = frames()
    client.h2.update_settings({4: 3, 1: 0})
    client.flush()
    client.read(lambda event: isinstance(event, events.SettingsAcknowledged))
    stream_id = client.ask("ServerMetadata")
    got = b""
    while len(got) < 5 or len(got) < 5 + int.from_bytes(got[1:5], "big"):
        event = client.read(lambda event: isinstance(event, events.DataReceived))
        assert len(event.data) <= 3
        got += event.data
        with contextlib.suppress(StreamClosedError):  # it was the last of them
            client.h2.increment_flow_control_window(3, stream_id)
        client.flush()
    assert b"0Mind" in got
    assert client.trailers(stream_id)["grpc-status"] == "0"


def test_a_client_that_takes_nothing_is_given_up(limited, frames):
    client = frames(limited(write_s=0.2))
    client.h2.update_settings({4: 0})
    client.flush()
    stream_id = client.ask("ServerMetadata")
    event = client.read(lambda event: isinstance(event, events.StreamReset))
    assert event.stream_id == stream_id
    assert client.ask() > stream_id


def test_a_message_that_does_not_come_is_not_waited_for(limited, frames):
    client = frames(limited(body_s=0.2))
    stream_id = client.begin()
    client.flush()
    assert client.trailers(stream_id)["grpc-status"] == "4"


@pytest.mark.proves("T18")
def test_big_messages_that_do_not_come_are_bounded_together(limited, frames):
    client = frames(limited(buffer_bytes=20_000))
    ids = [client.begin("ModelInfer") for _ in range(3)]
    for stream_id in ids:
        client.h2.send_data(stream_id, struct.pack(">BI", 0, 1 << 20) + bytes(8_000))
    client.flush()
    assert client.trailers(ids[2])["grpc-status"] == "8"
    assert is_alive(client)


def test_silent_clients(limited, frames):
    port = limited(open_s=0.1, keepalive_s=0.2, pong_s=0.2)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as silent:
        while silent.recv(65536):
            pass
    client = frames(port)
    client.flush()
    client.read(lambda event: isinstance(event, events.PingReceived))
    assert is_alive(client)
    client.read(lambda event: isinstance(event, events.PingReceived))  # and says no more, not even that it heard


@pytest.mark.proves("T18")
def test_connections_are_bounded(limited, frames):
    port = limited(connections=1)
    first = frames(port)
    assert is_alive(first)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as second, contextlib.suppress(ConnectionError):
        assert second.recv(10) == b""
    assert is_alive(first)


def test_a_client_that_does_not_read_is_not_listened_to(limited, frames):
    """Pings are answered; whoever does not take the answers cannot make us hold them all."""
    client = frames(limited(controls_per_s=1e6, write_s=0.5))
    client.flush()
    client.sock.settimeout(1)
    pings, sent = frame(6, payload=bytes(8)) * 10_000, 0
    with contextlib.suppress(OSError):
        while sent < 1000:
            client.sock.sendall(pings)
            sent += 1
    assert sent < 1000
