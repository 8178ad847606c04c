"""What is asked again, what is not, and by when there is an answer at the latest."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import uvloop

from zeromind.client import AsyncClient, Busy, Client, DeadlineExceeded, InvalidInput, ServerFailed, Unavailable
from zeromind.client.dialogue import Dialogue
from zeromind.client.rest import Rest
from zeromind.client.step import Lost, Pause, Reply, Send

from .conftest import CLIENTS

FULL = b"HTTP/1.1 503 Busy\r\nRetry-After: %d\r\nError-Kind: BUSY\r\nContent-Length: 16\r\n\r\n" + b'{"error":"busy"}'
INDEX = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


def unused_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture(params=[name for name in CLIENTS if name.endswith("http")])
def http(request):
    """A function that gives a client of an address, over HTTP."""
    with contextlib.ExitStack() as stack:
        yield lambda url, **keys: stack.enter_context(CLIENTS[request.param][0](url, **keys))


def refusal(ask):
    """The Busy with which it is answered at last."""
    while True:
        try:
            ask()
        except Busy as error:
            return error


# --- over sockets


def test_a_server_that_was_killed_is_asked_again_when_it_is_back(connect, spawn, folder, tmp_path):
    port, file = unused_port(), tmp_path / "pool.json"
    tasks = [{"id": "add", "model_file": "add.py", "isolation": "thread"}]
    file.write_text(json.dumps({"tasks": tasks, "roots": [str(folder)], "code_roots": [str(folder)]}))
    arguments = ["-c", str(file), "--port", str(port), "--grpc-port", "0"]
    first = spawn(arguments)
    client = connect(f"{'grpc' if 'grpc' in connect.kind else 'http'}://127.0.0.1:{port}", retries=1000, timeout_s=60)
    assert client.predict("add", [1, 2]).value.tolist() == [3]
    first.process.kill()
    first.process.wait()
    started = threading.Thread(target=spawn, args=(arguments,), kwargs={"wait": False})
    started.start()
    try:
        assert client.predict("add", [1, 2]).value.tolist() == [3]
    finally:
        started.join()


def test_nobody_there(connect):
    port = unused_port()
    client = connect(f"{'grpc' if 'grpc' in connect.kind else 'http'}://127.0.0.1:{port}", retries=1)
    with pytest.raises(Unavailable, match=rf"no server answers at .*127.0.0.1:{port}.*zeromind serve") as caught:
        client.predict("add", [1, 2])
    assert caught.value.status is None
    assert client.ready() is False


def test_a_full_queue_is_told_and_asked_again(connect, serve):
    over = threading.Event()
    with serve(tasks=[{"id": "slow", "model_file": "lab.py", "max_batch_size": 1}], max_queue=1) as pool:
        client = connect(pool, retries=0)
        client.predict("slow", "echo")

        def crowd():
            with Client(pool.url, retries=0) as other:
                while not over.is_set():
                    with contextlib.suppress(Busy):
                        other.predict("slow", "sleep:0.1")

        threads = [threading.Thread(target=crowd) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            assert refusal(lambda: client.predict("slow", "echo")).status in (14, 503)
        finally:
            over.set()
            patient = connect(pool, retries=1000)
            assert patient.predict("slow", "echo").text("echo").tolist() == ["echo"]
            for thread in threads:
                thread.join()


def test_the_servers_own_pause_is_kept(http, scripted):
    with scripted(lambda number: FULL % 1 if number == 0 else INDEX) as server:
        start = time.monotonic()
        assert http(server.address.url).models() == ()
        assert time.monotonic() - start >= 1
        assert len(server.requests) == 2


def test_no_pause_that_the_deadline_does_not_leave(http, scripted):
    with scripted(lambda _: FULL % 30) as server:
        start = time.monotonic()
        with pytest.raises(Busy, match="busy"):
            http(server.address.url, timeout_s=20).models()
        assert time.monotonic() - start < 20
        assert len(server.requests) == 1


def test_a_connection_that_breaks_before_the_answer_is_tried_again(http, scripted):
    with scripted(lambda number: None if number < 2 else INDEX) as server:
        assert http(server.address.url).models() == ()
        assert len(server.requests) == 3


def test_a_connection_that_was_closed_meanwhile_costs_no_try(http, scripted, waiting):
    closing = INDEX.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
    with scripted(lambda _: closing) as server:
        client = http(server.address.url, retries=0)
        for _ in range(3):
            assert client.models() == ()
    with pytest.raises(Unavailable):
        client.models()


def test_loads_and_drops_are_not_done_twice(http, scripted):
    with scripted(lambda _: None) as server:
        client = http(server.address.url, retries=5)
        for deed in (lambda: client.load({"id": "a"}), lambda: client.drop("a")):
            with pytest.raises(Unavailable):
                deed()
        assert len(server.requests) == 2
    with scripted(lambda _: FULL % 0) as server, pytest.raises(Busy):
        http(server.address.url, retries=5).drop("a")
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"HTTP/1.1 200"])
def test_an_answer_that_has_begun_is_not_asked_for_again(http, answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    accepted.append(connection)
                    connection.recv(65536)
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(Unavailable, match="ended the connection within its answer"):
                http(f"http://127.0.0.1:{listener.getsockname()[1]}").models()
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
        assert len(accepted) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]",
    ],
)
def test_what_is_no_server_of_ours(http, scripted, answer):
    with scripted(lambda _: answer) as server:
        with pytest.raises(ServerFailed, match="no 0Mind server"):
            http(server.address.url).models()
        assert len(server.requests) == 1


def test_the_deadline_holds_whatever_the_server_does(connect):
    """It accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        client = connect(f"{'grpc' if 'grpc' in connect.kind else 'http'}://127.0.0.1:{port}", timeout_s=60)
        start = time.monotonic()
        with pytest.raises((DeadlineExceeded, Unavailable)):
            client.models(timeout_s=0.5)
        assert time.monotonic() - start < 30


def test_an_answer_that_drips_does_not_outlast_the_deadline(http):
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not over.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(DeadlineExceeded):
                http(f"http://127.0.0.1:{listener.getsockname()[1]}").models(timeout_s=0.5)
        finally:
            over.set()
            thread.join()


def test_a_loop_that_was_blocked_has_not_seen_that_a_connection_was_closed():
    async def main(listener):
        async with AsyncClient(f"http://127.0.0.1:{listener.getsockname()[1]}", retries=0) as client:
            for _ in range(3):
                task = asyncio.ensure_future(client.models())
                connection, _ = await asyncio.to_thread(listener.accept)
                with connection:
                    await asyncio.to_thread(connection.recv, 65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
                    assert await task == ()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        asyncio.run(main(listener))


def test_a_client_that_is_closed(connect, pool):
    client = connect(pool)
    assert client.ready()
    client.close()
    if "grpc" in connect.kind:
        with pytest.raises(Unavailable, match="this client is closed"):
            client.models()
        with pytest.raises(Unavailable, match="this client is closed"):
            list(client.stream("count", [1]))
    else:
        assert client.models()


def test_a_client_that_is_closed_within_a_call(pool):
    async def main():
        client = AsyncClient(pool.grpc_url)
        call = asyncio.ensure_future(client.predict("lab", "sleep:2"))
        await asyncio.sleep(0.5)
        await client.close()
        with pytest.raises(Unavailable, match="this client is closed"):
            await call

    asyncio.run(main())


@pytest.mark.parametrize("scheme", ["url", "grpc_url"])
def test_another_event_loop_is_refused_at_once(pool, scheme):
    client = AsyncClient(getattr(pool, scheme))

    async def once():
        assert await client.ready()
        await client.close()

    asyncio.run(once())
    with pytest.raises(RuntimeError, match="one event loop"):
        asyncio.run(client.ready())


# --- the dialogue alone: nothing sleeps


class Clock:
    """A time that passes as it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def converse(replies, timeout_s=60.0, retries=2, question="models", takes_s=0.0):
    """The outcome of a question to which these replies come, and the pauses between them."""
    clock = Clock()
    dialogue = Dialogue(Rest(), "http://a", timeout_s, retries, clock)
    steps = dialogue.models(None) if question == "models" else dialogue.drop("m", None)
    replies, pauses = iter(replies), []
    try:
        step = next(steps)
        while True:
            if isinstance(step, Pause):
                pauses.append(step.seconds)
                clock.now += step.seconds
                step = steps.send(None)
                continue
            assert isinstance(step, Send)
            assert 0 < step.seconds <= timeout_s
            clock.now += takes_s
            reply = next(replies)
            step = steps.throw(reply) if isinstance(reply, Exception) else steps.send(reply)
    except StopIteration as end:
        return end.value, pauses
    except Exception as error:
        return error, pauses


def reply(status, **fields):
    return Reply(status, {name.replace("_", "-"): value for name, value in fields.items()}, memoryview(b"[]"))


BUSY = reply(503, error_kind="BUSY")


def test_pauses_grow_and_are_not_all_alike():
    _, pauses = converse([BUSY] * 7 + [reply(200)], retries=10, timeout_s=600.0)
    assert len(pauses) == 7
    for number, pause in enumerate(pauses):
        assert min(2.5, 0.05 * 2**number) <= pause <= min(5.0, 0.1 * 2**number)
    assert converse([BUSY] * 7 + [reply(200)], retries=10)[1] != pauses


def test_no_more_tries_than_allowed():
    for retries in range(3):
        error, pauses = converse([BUSY] * 9, retries=retries)
        assert (type(error), len(pauses)) == (Busy, retries)


@pytest.mark.parametrize("kind", ["INVALID_INPUT", "WORKER_CRASHED", "OUT_OF_MEMORY", "DEADLINE", "INTERNAL", "UNAUTHENTICATED"])
def test_what_would_be_no_better_the_next_time_is_not_tried_again(kind):
    assert converse([reply(500, error_kind=kind)] * 3)[1] == []


@pytest.mark.parametrize(
    ("lost", "tries"), [(Lost("refused", sent=False), 2), (Lost("broken", sent=True), 0), (Lost("bad name", False, True), 0)]
)
def test_what_may_have_been_done_is_not_done_again(lost, tries):
    error, pauses = converse([lost] * 9, question="drop")
    assert (type(error), len(pauses)) == (Unavailable, tries)


def test_the_deadline_is_for_all_tries_together():
    error, pauses = converse([BUSY] * 99, retries=99, timeout_s=2.0, takes_s=0.4)
    assert isinstance(error, (Busy, DeadlineExceeded))
    assert len(pauses) < 5


def test_the_servers_pause_is_kept_unless_it_is_too_long():
    assert converse([reply(503, retry_after="7"), reply(200)])[1] == [7.0]
    error, pauses = converse([reply(503, retry_after="61"), reply(200)])
    assert (type(error), pauses) == (Busy, [])
    assert converse([reply(503, retry_after="Wed, 21 Oct"), reply(200)])[0] == ()


# --- threads, and what is left behind


def test_one_client_in_sixteen_threads(pool):
    for url in (pool.url, pool.grpc_url):
        with Client(url) as client:
            wrong = []

            def ask(number, client=client, wrong=wrong):
                for turn in range(40):
                    rows = np.full((1 + (number + turn) % 5, 2), number, np.float32)
                    if client.predict("add", rows).value.tolist() != [2.0 * number] * len(rows):
                        wrong.append(number)

            threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert wrong == []


FORKS = """
import os, sys
from zeromind.client import Client
client = Client(sys.argv[1], timeout_s=60)
for turn in range(3):
    assert client.predict("add", [1, 2]).value.tolist() == [3]
child = os.fork()
for number in range(50):
    assert client.predict("add", [number, child and 1]).value.tolist() == [number + (child and 1)]
if not child:
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""


def test_both_sides_of_a_fork_go_on(pool):
    done = subprocess.run([sys.executable, "-c", FORKS, pool.url], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_many_tasks_of_one_loop(pool, run):
    async def main(url):
        async with AsyncClient(url) as client:
            rows = [np.full((1, 2), number, np.float32) for number in range(100)]
            answers = await asyncio.gather(*(client.predict("add", row) for row in rows))
            assert [answer.value.tolist() for answer in answers] == [[2.0 * number] for number in range(100)]
            late = asyncio.create_task(client.predict("lab", "sleep:1"))
            await asyncio.sleep(0.1)
            late.cancel()
            with pytest.raises(asyncio.CancelledError):
                await late
            assert (await client.predict("add", [1, 2])).value.tolist() == [3]

    for url in (pool.url, pool.grpc_url):
        run(main(url))


@pytest.mark.parametrize(
    ("url", "keys", "words"),
    [
        ("ftp://a", {}, "must begin with http://, https://, grpc://, grpcs://"),
        ("http://", {}, "http://host:port"),
        ("grpc://a:1/path", {}, "no more"),
        ("http://a", {"key": "a\r\nb"}, "no API key"),
        ("grpcs://a:1", {"verify": False}, "verify=False"),
    ],
)
def test_addresses_and_keys_that_are_none(url, keys, words):
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match=words):
            kind(url, **keys).models().send(None)


def test_a_name_that_cannot_be_found(http):
    with pytest.raises(Unavailable):
        http("http://nowhere.invalid", retries=0).models()
    with pytest.raises(InvalidInput):
        http("http://nowhere.invalid").predict("m", 1, timeout_s=-1)
