"""Load as it is driven and counted, on real sockets."""

import asyncio
import threading
import time

import numpy as np
import pytest
import uvloop

from zeromind.bench.call import Call
from zeromind.bench.load import Load, Plan
from zeromind.client.address import Address

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def drive(server, rate, seconds, run=uvloop.run, **more):
    return run(Load(server.call, Plan(rate, seconds, **{"timeout_s": 5.0, "connections": 8, **more})).run())


def error(status, body):
    return b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def accounted(result):
    """Whether every request is in exactly one place."""
    return result.requests == result.answered + result.failures + result.unfinished


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_an_open_loop_sends_what_the_schedule_says_and_counts_it_exactly(scripted, arrivals, run):
    with scripted() as server:
        result = drive(server, 200, 0.5, run, arrivals=arrivals, warmup_s=0.25)
    assert (result.requests, result.sent, result.answered) == (100, 100, 100)
    assert (result.failed, result.unfinished, result.backlog) == ({}, 0, 0)
    assert 100 < len(server.requests) <= 150, "those of the warm-up are sent, too, as far as there was time"
    assert set(server.requests) == {server.call.wire()}
    assert result.generator_us > 0
    assert not result.interrupted


def test_a_closed_loop_keeps_each_client_busy_and_no_more(scripted):
    async def answer(_):
        await asyncio.sleep(0.005)
        return OK

    with scripted(answer) as server:
        result = drive(server, None, 0.5, connections=3)
    assert result.requests == result.sent == result.answered == len(server.requests) > 3
    assert server.most_busy == 3
    assert result.rate is None
    assert min(result.latency_ms.values()) >= 5


def test_an_open_loop_does_not_wait_for_answers(scripted):
    all_there = asyncio.Event()

    async def answer(number):
        if number == 9:
            all_there.set()
        await all_there.wait()
        return OK

    with scripted(answer) as server:
        result = drive(server, 100, 0.1, connections=10)
    assert result.answered == 10
    assert server.most_busy == 10


def test_requests_under_way_are_bounded_by_the_connections(scripted):
    async def answer(_):
        await asyncio.sleep(0.05)
        return OK

    with scripted(answer) as server:
        result = drive(server, 200, 0.2, connections=2)
    assert result.answered == 40
    assert server.most_busy == 2
    assert result.waited >= 20


def test_latency_counts_from_when_a_request_was_due_so_that_a_stall_shows(scripted):
    """The server answers at once, but for half a second in which it does nothing at all."""

    def answer(number):
        if number == 50:
            time.sleep(0.5)
        return OK

    with scripted(answer) as server:
        stalled = drive(server, 200, 1.5, arrivals="constant", connections=4)
    assert stalled.answered == 300
    assert stalled.latency_ms["max"] >= 500
    assert stalled.latency_ms["p90"] >= 250, "a hundred of three hundred fell due while it slept"
    assert stalled.waited >= 80


def test_a_server_that_is_too_slow_is_told(scripted):
    one_at_a_time = asyncio.Lock()

    async def answer(_):
        async with one_at_a_time:
            await asyncio.sleep(0.02)
        return OK

    with scripted(answer) as server:
        result = drive(server, 200, 1.0, connections=4, timeout_s=0.5)
    assert result.requests == 200
    assert accounted(result)
    assert result.behind
    assert result.backlog >= 140, "it can do 50 a second"
    assert "the server did not keep up" in result.verdict
    assert result.failed["unsent"] >= 100
    assert result.latency_ms["p99"] >= 500, "what was never sent has waited all the same"


def test_what_the_warm_up_leaves_unsent_does_not_hold_up_what_is_measured(scripted):
    async def answer(_):
        await asyncio.sleep(0.05)
        return OK

    with scripted(answer) as server:
        result = drive(server, 1000, 0.1, warmup_s=0.5, connections=1, timeout_s=0.5)
    assert result.answered > 0
    assert result.backlog <= 100


def test_failures_are_counted_by_status_with_what_the_server_said(scripted):
    def answer(number):
        return {0: error(503, b'{"errors": [{"message": "no, thanks"}]}'), 1: error(500, b"oh")}.get(number % 5, OK)

    with scripted(answer) as server:
        result = drive(server, 200, 0.5)
    assert (result.requests, result.answered, result.failures) == (100, 60, 40)
    assert result.failed == {"503": 20, "500": 20}
    assert result.messages == {"503": "no, thanks", "500": "oh"}


def test_connections_that_are_lost_are_counted_and_opened_anew(scripted):
    with scripted(lambda number: None if number % 10 == 3 else OK) as server:
        result = drive(server, 200, 0.5, connections=2)
    assert result.failed == {"lost": 10}
    assert result.answered == 90


def test_a_server_that_closes_after_each_answer_fails_nothing(scripted):
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    with scripted(lambda _: closing) as server:
        result = drive(server, 100, 0.3, connections=4)
    assert (result.answered, result.failed) == (30, {})


@pytest.mark.parametrize(
    "reply", [b"what?\r\n\r\n", OK + OK, b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"]
)
def test_what_is_no_answer_is_garbled(scripted, reply):
    with scripted(lambda number: reply if number == 5 else OK) as server:
        result = drive(server, 100, 0.2, connections=1)
    assert result.requests == 20
    assert accounted(result)
    assert result.failures <= 1, "an answer too many spoils the connection, perhaps before the next request"
    assert set(result.failed) <= {"garbled"}


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 204 Nothing\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000,
    ],
)
def test_answers_of_every_form_are_understood(scripted, reply):
    with scripted(lambda _: reply) as server:
        result = drive(server, 100, 0.2)
    assert (result.answered, result.failed) == (20, {})


def test_an_answer_that_never_comes_is_given_up_in_time(scripted):
    async def answer(_):
        await asyncio.Event().wait()

    with scripted(answer) as server:
        start = time.monotonic()
        result = drive(server, 40, 0.5, connections=2, timeout_s=0.3)
        assert time.monotonic() - start < 10
    assert result.requests == 20
    assert accounted(result)
    assert result.answered == 0
    assert set(result.failed) == {"timeout", "unsent"}
    assert result.latency_ms["p99"] >= 300, "they count with the time until they were given up"
    assert result.throughput == 0


def test_a_server_that_is_gone_ends_the_run(scripted):
    with scripted() as server:
        ending = threading.Timer(0.3, server.stop)
        ending.start()
        result = drive(server, 100, 60, timeout_s=0.5)
        ending.join()
    assert result.gone
    assert "has gone" in result.verdict
    assert result.answered > 0
    assert accounted(result)
    assert result.seconds < 30


def test_a_server_that_comes_back_is_used_again(scripted):
    with scripted(lambda number: None if number < 8 else OK) as server:
        result = drive(server, 100, 0.5)
    assert result.failed == {"lost": 8}
    assert result.answered == 42


@pytest.mark.parametrize("rate", [100, None])
def test_stop_ends_early_with_what_was_measured(scripted, rate):
    async def stopped(server):
        load = Load(server.call, Plan(rate, 60, connections=4))

        def watch(_):
            if load.tally.good >= 20:
                load.stop()

        return await load.run(watch)

    with scripted() as server:
        result = uvloop.run(stopped(server))
    assert result.interrupted
    assert 20 <= result.answered == result.requests == len(server.requests)
    assert result.failed == {}
    assert 0 < result.seconds < 30


def test_stop_does_not_wait_for_what_does_not_come(scripted):
    async def answer(_):
        await asyncio.Event().wait()

    async def stopped(server):
        load = Load(server.call, Plan(100, 60, connections=4, timeout_s=60))

        def watch(_):
            if len(server.requests) == 4:
                load.stop()

        return await load.run(watch)

    with scripted(answer) as server:
        start = time.monotonic()
        result = uvloop.run(stopped(server))
        assert time.monotonic() - start < 20
    assert (result.answered, result.failed) == (0, {})
    assert result.unfinished == result.requests >= 4


def test_stop_in_the_warm_up_leaves_nothing_measured(scripted):
    async def stopped(server):
        load = Load(server.call, Plan(100, 60, warmup_s=60))
        return await load.run(lambda _: load.stop())

    with scripted() as server:
        result = uvloop.run(stopped(server))
    assert (result.requests, result.seconds, result.latency_ms) == (0, 0, {})
    assert "no request fell into" in result.verdict


def test_no_server_is_an_oserror(scripted):
    with scripted() as server:
        pass
    with pytest.raises(OSError, match="Connect"):
        drive(server, 100, 1)


def test_a_server_that_closes_at_once_is_not_stormed():
    accepted = []

    def shut(_, writer):
        accepted.append(writer)
        writer.transport.abort()

    async def driven():
        server = await asyncio.start_server(shut, "127.0.0.1", 0)
        call = Call(Address("127.0.0.1", server.sockets[0].getsockname()[1]), "/", b"")
        try:
            return await Load(call, Plan(100, 0.3, connections=4, timeout_s=0.3)).run()
        except OSError:
            return None
        finally:
            server.close()

    result = uvloop.run(driven())
    assert result is None or not result.answered
    assert 0 < len(accepted) < 100


def test_a_header_with_a_line_break_is_refused():
    with pytest.raises(ValueError, match="line break"):
        Load(Call(Address("127.0.0.1", 1), "/x", b"", headers={"X": "a\r\nY: b"}), Plan(1, 1))


def test_the_same_seed_gives_the_same_schedule():
    plan = Plan(50, 2)
    times = [plan.schedule(0, np.random.default_rng(3)).behind(2).tolist() for _ in range(2)]
    assert times[0] == times[1]
    assert len(times[0]) == 100
