"""gRPC's health check, watched by real clients."""

import json

import pytest

import grpc

WATCH = "/grpc.health.v1.Health/Watch"
SERVING, NOT_SERVING, UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"


@pytest.fixture
def pool(grpc_server):
    with grpc_server(tasks=[{"id": "sum", "model_file": "sum.py"}]) as client:
        yield client


def watching(channel, service=b""):
    return channel.unary_stream(WATCH)(b"\x0a" + bytes([len(service)]) + service if service else b"", timeout=30)


def test_who_watches_is_told_now_and_when_the_pool_stops(pool):
    with grpc.insecure_channel(pool.grpc) as channel:
        whole, one = watching(channel), watching(channel, b"inference.GRPCInferenceService")
        assert (next(whole), next(one)) == (SERVING, SERVING)
        pool.loop.call_soon_threadsafe(pool.server.engine.stop)
        assert (next(whole), next(one)) == (NOT_SERVING, NOT_SERVING)
        with pytest.raises(grpc.RpcError) as caught:
            next(whole)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_pool_that_loads_is_not_serving_until_it_has_loaded(spawn, models, tmp_path, free_port):
    config, port = tmp_path / "slow.json", free_port
    slow = {"id": "slow", "model_file": str(models / "slow.py"), "load_s": 3.0, "allow_code": True}
    config.write_text(json.dumps({"tasks": [slow]}))
    spawn(["serve", "-c", str(config), "--port", str(port), "--grpc-port", "0"], wait=False)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        statuses = channel.unary_stream(WATCH)(b"", timeout=30, wait_for_ready=True)
        assert next(statuses) == NOT_SERVING
        assert next(statuses) == SERVING


def test_a_service_that_is_none_here_is_unknown(pool):
    with grpc.insecure_channel(pool.grpc) as channel:
        assert next(watching(channel, b"other")) == UNKNOWN


def test_who_leaves_is_forgotten(pool, waiting):
    watchers = pool.server.engine._watchers
    before = len(watchers)
    with grpc.insecure_channel(pool.grpc) as channel:
        statuses = watching(channel)
        assert next(statuses) == SERVING
        assert len(watchers) == before + 1
        statuses.cancel()
        waiting(lambda: len(watchers) == before)


@pytest.mark.parametrize("messages", [[], [b"", b""]])
def test_exactly_one_message_is_taken(pool, messages):
    with grpc.insecure_channel(pool.grpc) as channel:
        statuses = channel.stream_stream(WATCH)(iter(messages), timeout=30)
        with pytest.raises(grpc.RpcError, match="exactly one"):
            list(statuses)
