"""The server is asked to stop under load: it says so at once, what it accepted is answered, what comes later is told to go elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time

import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

import grpc
from faults.clients import Talker
from faults.versions import NAME, task, versioned

KEPT, FRESH = 4, 2


class Load:
    """Clients on connections that they keep, on fresh ones, and of gRPC; each notes how its requests ended, until it is turned away."""

    def __init__(self, server):
        self.server = server
        self.answered = 0
        self.turned_away = 0
        self.wrong = []

    async def run(self, wait):
        """Ask, each request to take that long, until everybody has been turned away."""
        rpc = asyncio.to_thread(self._rpc, wait)
        await asyncio.gather(rpc, *(self._web(wait, kept=True) for _ in range(KEPT)), *(self._web(wait, kept=False) for _ in range(FRESH)))

    async def _web(self, wait, kept):
        talker = Talker(self.server.address)
        while True:
            if not kept:
                talker.close()
            try:  # whoever finds the door closed has asked for nothing
                if talker.writer is None:
                    talker.reader, talker.writer = await asyncio.open_connection(talker.host, talker.port)
            except ConnectionRefusedError:
                return
            try:
                status, answer, _ = await talker.ask(f"/model/predict?id={NAME}", {"wait": [wait]})
            except (OSError, EOFError) as error:  # a request that went unheard
                self.wrong.append((kept, repr(error)))
                return
            if status == 503:
                assert answer["errors"][0]["code"] == 106
                assert talker.writer is None  # Connection: close
                self.turned_away += 1
                return
            self._note(status, answer)

    def _rpc(self, wait):
        tensor = triton.InferInput("wait", [1], "FP32").set_data_from_numpy(np.full(1, wait, np.float32))
        with contextlib.closing(triton.InferenceServerClient(self.server.address)) as client:
            while True:
                try:
                    version = int(client.infer(NAME, [tensor], client_timeout=30).as_numpy("version")[0])
                except InferenceServerException as error:
                    if error.status() != "StatusCode.UNAVAILABLE":
                        self.wrong.append(error)
                    self.turned_away += 1
                    return
                self._note(200, {"result": {"version": [version]}})

    def _note(self, status, answer):
        if status == 200 and answer["result"] == {"version": [1]}:
            self.answered += 1
        else:
            self.wrong.append((status, answer))


def unready_after(server):
    """How many seconds after now the server says that it is not ready any more, on a new connection each."""
    begun = time.monotonic()
    while server.get("/v2/health/ready").status == 200:
        assert time.monotonic() - begun < 5
    return time.monotonic() - begun


@pytest.mark.proves("G6", "F16")
@pytest.mark.timeout(36000)
def test_g6_a_server_that_stops_under_load_fails_nothing_that_it_accepted(spawn, tmp_path, size, is_gone):
    late = []
    for number in range(size(10, 200)):
        server = versioned(spawn, tmp_path)
        if number == 0:
            assert server.load(task(1, instances=2)).status == 200
        workers = server.workers()
        assert len(workers) == 2  # also those that came back with the state
        load = Load(server)
        late.append(asyncio.run(asyncio.wait_for(stopped(server, load, wait=0.05 * (number % 3)), 60)))
        assert load.wrong == [], number
        assert load.turned_away > 0
        assert server.wait(10) == 0
        assert all(map(is_gone, workers))
        assert server.complaints() == []
    assert sorted(late)[len(late) // 2] < 0.1
    assert max(late) < 1


async def stopped(server, load, wait):
    """Stop the server under that load; the seconds until it said that it was not ready."""
    running = asyncio.create_task(load.run(wait))
    while load.answered < 20 and not load.wrong:  # noqa: ASYNC110 - it is noted by threads
        await asyncio.sleep(0.01)
    # One request holds the door open: nobody is to be turned away by the end of the process.
    talker = Talker(server.address)
    held = asyncio.create_task(talker.ask(f"/model/predict?id={NAME}", {"wait": [1.0]}))
    await asyncio.sleep(0.1)
    server.signal()
    late = await asyncio.to_thread(unready_after, server)
    status, answer, _ = await held
    assert (status, answer["result"]) == (200, {"version": [1]})
    await running
    talker.close()
    return late


@pytest.mark.proves("F16")
def test_f16_while_it_drains_it_says_so_on_every_wire(spawn, tmp_path):
    server = versioned(spawn, tmp_path)
    assert server.load(task(1)).status == 200
    channel = grpc.insecure_channel(server.address)
    known = triton.InferenceServerClient(server.address)
    assert known.is_server_ready()
    running = threading.Thread(target=server.predict, args=(NAME, {"wait": [1.5]}))
    running.start()
    time.sleep(0.3)
    server.signal()
    time.sleep(0.2)
    assert server.get("/v2/health/live").status == 200
    ready = server.get("/v2/health/ready")
    assert (ready.status, ready.headers["Connection"]) == (400, "close")
    for answer in (
        server.predict(NAME, {"wait": [0]}),
        server.load(task(2, "other")),
        server.drop(NAME),
        server.post(f"/v2/models/{NAME}/infer", {"inputs": [{"name": "wait", "datatype": "FP32", "shape": [1], "data": [0]}]}),
        server.post(f"/v2/repository/models/{NAME}/unload"),
    ):
        assert (answer.status, answer.headers["Connection"], answer.headers["Retry-After"]) == (503, "close", "1"), answer
    for client in (known, triton.InferenceServerClient(server.address)):
        with contextlib.closing(client), pytest.raises(InferenceServerException) as caught:
            client.is_server_ready(client_timeout=5)
        assert caught.value.status() == "StatusCode.UNAVAILABLE"
    channel.close()
    running.join()
    assert server.wait(10) == 0


@pytest.mark.proves("F16")
def test_f16_it_serves_on_for_balancers_to_notice_and_then_turns_away(spawn, tmp_path):
    server = versioned(spawn, tmp_path, pre_stop_s=1.5)
    assert server.load(task(1)).status == 200
    begun = time.monotonic()
    server.signal()
    assert unready_after(server) < 1
    while time.monotonic() - begun < 1.2:
        answer = server.predict(NAME, {"wait": [0]})
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
    assert server.wait(10) == 0
    assert time.monotonic() - begun > 1.5


@pytest.mark.proves("F16")
@pytest.mark.parametrize("keys", [{"pre_stop_s": 60}, {"drain_s": 60}])
def test_f16_a_second_signal_ends_it_fast(spawn, tmp_path, is_gone, keys):
    server = versioned(spawn, tmp_path, **keys)
    assert server.load(task(1)).status == 200
    answers = []
    running = threading.Thread(target=lambda: answers.append(server.predict(NAME, {"wait": [30]})))
    running.start()
    time.sleep(0.3)
    workers = [child.pid for child in psutil.Process(server.process.pid).children()]
    server.signal()
    time.sleep(0.3)
    assert server.process.poll() is None
    begun = time.monotonic()
    server.signal(signal.SIGINT)
    assert server.wait(10) == 0
    assert time.monotonic() - begun < 6
    running.join()
    assert (answers[0].status, answers[0].error["code"]) == (503, 106)
    assert all(map(is_gone, workers))
