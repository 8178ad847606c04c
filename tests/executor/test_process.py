"""A worker process: its death is noticed, its memory comes back, it never outlives the server."""

import asyncio
import gc
import os
import signal
import socket
import time
import weakref
from pathlib import Path

import numpy as np
import psutil
import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor import process
from zeromind.executor.arena import KEPT_BYTES, SLOT_BYTES, SLOTS
from zeromind.executor.order import Order
from zeromind.executor.process import ProcessExecutor
from zeromind.scheduler.dispatcher import Dispatcher
from zeromind.scheduler.queue import BatchQueue
from zeromind.tensors import Encoded, InferRequest

SKILL = """
import math, os, struct, sys, threading, time
import numpy as np

class Skill:
    inputs = {{"x": ("float32", {shape})}}
    outputs = {{"y": ("float32", {shape})}}

    def predict(self, x):
        {body}
"""
OPEN = "[None, None]"
"""A shape with which the frames tell of each request."""
SAID = "os.write(int(sys.argv[1]), struct.pack({})); time.sleep(9)"
GARBAGE = {
    "noise": r"os.write(int(sys.argv[1]), b'\xff' * 64); time.sleep(9)",
    "no answers": "os.write(int(sys.argv[1]), struct.pack('<IBI', 5, 1, 0)); time.sleep(9)",
    "rows that nobody sent": "os.write(int(sys.argv[1]), struct.pack('<IBIId', 17, 1, 0, 7, 0)); time.sleep(9)",
    "another slot": "os.write(int(sys.argv[1]), struct.pack('<IBIIBdQHHBBQQQ', 52, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 0, 4, 1)); time.sleep(9)",
    **{f"a run of {one} s": SAID.format(f"'<IBBIIddd', 34, 1, 0, 0, 1, float('{one}'), 0, 0") for one in ("nan", "-1", "1e300")},
    "endless filters": SAID.format("'<IBBIIBIdddQHHBBQQQ', 77, 1, 0, 1, 1, 0, 1, 0, math.inf, 0, 1, 1, 0, 0, 1, 0, 4, 1"),
}


@pytest.fixture
def order(models):
    file = str(models / "lab.py")
    return Order({"id": "t", "model_type": "python", "model_file": file}, file, (str(models),), False, True)


@pytest.fixture
def skill(models, tmp_path):
    """A function: the order for a skill whose ``predict`` has that body."""

    def build(body, shape="[None]", **task):
        file = tmp_path / "skill.py"
        file.write_text(SKILL.format(body=body, shape=shape))
        task = {"id": "t", "model_type": "python", "model_file": str(file), **task}
        return Order(task, str(file), (str(models),), False, True, filter_folders=(str(tmp_path / "filters"),), writes=(str(tmp_path),))

    return build


def executor(order):
    made = ProcessExecutor(order, lambda: made.rooms.append(1), lambda: made.deaths.append(1))
    made.rooms, made.deaths = [], []
    return made


def send(made, *requests, rows=1):
    """A future of the outcome of a batch."""
    future = asyncio.get_running_loop().create_future()

    def answered(outcome):
        assert not future.done(), "answered twice"
        future.set_result(outcome if isinstance(outcome, ZeroMindError) else [kept(answer) for answer in outcome])

    made.send(requests, [rows] * len(requests), answered)
    return future


def kept(answer):
    return answer if isinstance(answer, ZeroMindError) else answer.copy()


def orders(*words):
    return InferRequest({"order": np.array([word.encode() for word in words], object)})


def x(value):
    return InferRequest({"x": np.asarray(value, np.float32)})


async def until(condition):
    end = asyncio.get_running_loop().time() + 20
    while not condition():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)


# --- deaths


@pytest.mark.parametrize("word", ["exit:0", "exit:3", "signal:SIGSEGV", "signal:SIGKILL"])
def test_a_death_fails_all_that_is_under_way_and_is_told_once(order, word, is_gone):
    async def main():
        made = executor(order)
        await made.start(20)
        pid = made.pid
        runs, staged = send(made, orders(word)), send(made, orders("a"))
        assert [(await one).kind for one in (runs, staged)] == [ErrorKind.WORKER_CRASHED] * 2
        await asyncio.sleep(0.2)
        assert (made.alive, made.room, made.under_way, made.deaths) == (False, False, 0, [1])
        await made.stop()
        assert is_gone(pid)
        assert (made.memory(), made.deaths) == (0, [1])

    asyncio.run(main())


@pytest.mark.proves("F4", "G1")
@pytest.mark.parametrize("halted", [True, False], ids=["sent to one that halts", "sent to one that is dead"])
def test_what_was_not_read_before_a_death_had_not_begun(order, halted):
    async def main():
        made = executor(order)
        await made.start(20)
        await send(made, orders("a"))
        if halted:
            os.kill(made.pid, signal.SIGSTOP)
            await until(lambda: psutil.Process(made.pid).status() == psutil.STATUS_STOPPED)
        else:  # within one turn of the loop, which therefore has not noticed
            os.kill(made.pid, signal.SIGKILL)
            os.waitid(os.P_PID, made.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - so that it cannot
        unread = send(made, orders("b"))
        os.kill(made.pid, signal.SIGKILL)
        fault = await unread
        assert (fault.kind, fault.begun) == (ErrorKind.WORKER_CRASHED, False)
        await made.stop()

    asyncio.run(main())


def test_what_a_worker_died_of_had_begun(order):
    async def main():
        made = executor(order)
        await made.start(20)
        assert (await send(made, orders("signal:SIGKILL"))).begun
        await made.stop()

    asyncio.run(main())


def test_a_death_in_idleness_is_noticed(order):
    async def main():
        made = executor(order)
        await made.start(20)
        os.kill(made.pid, signal.SIGKILL)
        await until(lambda: made.deaths)
        assert not made.alive
        await made.stop()

    asyncio.run(main())


LETS_GO = (
    "threading.Timer(0.3, lambda: (__import__('socket').socket(fileno=os.dup(int(sys.argv[1]))).shutdown(2), "
    "__import__('ctypes').PyDLL(None).sleep(60))).start(); return 2 * x"
)
"""The worker's socket, and then holds the interpreter's lock."""


@pytest.mark.proves("F32")
def test_f32_one_that_lets_go_of_the_server_and_lives_on_is_ended(skill, is_gone):
    async def main():
        made = executor(skill(LETS_GO))
        await made.start(20)
        assert (await send(made, x([1.0])))[0].outputs["y"].tolist() == [2.0]
        await until(lambda: made.deaths)
        assert is_gone(made.pid)
        await made.stop()

    asyncio.run(main())


def test_what_was_answered_before_a_death_counts(skill, is_gone):
    async def main():
        made = executor(skill("threading.Timer(0.2, os._exit, [0]).start(); return 2 * x"))
        await made.start(20)
        future = send(made, x([3]))
        end = time.monotonic() + 20
        while not is_gone(made.pid):  # the loop stands still: answer and death come in one moment
            assert time.monotonic() < end
            time.sleep(0.01)  # noqa: ASYNC251 - standing still is the point
        (answer,) = await future
        assert answer.outputs["y"].tolist() == [6]
        await until(lambda: made.deaths)
        await made.stop()

    asyncio.run(main())


@pytest.mark.parametrize("what", GARBAGE)
def test_a_worker_that_talks_nonsense_is_ended(skill, what, is_gone):
    async def main():
        made = executor(skill(GARBAGE[what]))
        await made.start(20)
        pid = made.pid
        start = time.monotonic()
        fault = await send(made, x([1]))
        assert fault.kind is ErrorKind.WORKER_CRASHED
        assert time.monotonic() - start < 6
        await until(lambda: made.deaths)
        assert is_gone(pid)
        assert made.deaths == [1]
        await made.stop()

    asyncio.run(main())


def test_an_end_that_was_asked_for_is_no_death(order, caplog):
    async def main():
        made = executor(order)
        await made.start(20)
        assert 5e6 < made.memory() < 1e9
        await made.stop()
        await asyncio.sleep(0.1)
        assert made.deaths == []

    asyncio.run(main())
    assert "ended" not in caplog.text


# --- the start


def test_loading_that_is_cancelled_leaves_no_process(models, is_gone):
    file = str(models / "slow.py")
    order = Order({"id": "t", "model_type": "python", "model_file": file, "load_s": 30}, file, (), False, True)

    async def main():
        made = executor(order)
        start = asyncio.create_task(made.start(60))
        await until(lambda: made.pid is not None)
        pid = made.pid
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert is_gone(pid)

    asyncio.run(main())


def test_cancelling_at_any_moment_of_the_start_leaves_nothing_open(order, is_gone):
    async def main():
        open_before = psutil.Process().num_fds()
        for steps in (0, 1, 2, 5, 20):
            made = executor(order)
            start = asyncio.create_task(made.start(20))
            for _ in range(steps):
                await asyncio.sleep(0)
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
            await made.stop()
            assert made.pid is None or is_gone(made.pid)
        await until(lambda: psutil.Process().num_fds() <= open_before + 1)  # what watches for children

    asyncio.run(main())


def test_no_more_processes_is_a_fault_of_loading(order, monkeypatch):
    monkeypatch.setattr("sys.executable", "/no/such/python")

    async def main():
        made = executor(order)
        with pytest.raises(ZeroMindError) as caught:
            await made.start(5)
        assert caught.value.kind is ErrorKind.LOAD_FAILED
        assert made._arena is None

    asyncio.run(main())


def test_no_more_memory_is_told_and_may_pass(order, monkeypatch):
    def refuse(*_):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(os, "truncate", refuse)

    async def main():
        with pytest.raises(ZeroMindError, match="Cannot allocate memory") as caught:
            await executor(order).start(5)
        assert caught.value.kind is ErrorKind.BUSY

    asyncio.run(main())


def test_a_file_in_the_working_directory_is_no_module_of_the_standard_library(order, tmp_path, monkeypatch):
    (tmp_path / "types.py").write_text("raise RuntimeError('taken for the real one')")
    monkeypatch.chdir(tmp_path)

    async def main():
        made = executor(order)
        await made.start(20)
        await made.stop()

    asyncio.run(main())


# uvloop forks to start a process; JAX, where an earlier test has imported it into this one, warns of any fork.
@pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")
def test_it_works_on_uvloop_and_without_memfd(order, monkeypatch):
    uvloop = pytest.importorskip("uvloop")
    monkeypatch.delattr(os, "memfd_create", raising=False)

    async def main():
        made = executor(order)
        await made.start(20)
        answers = [send(made, orders(word)) for word in ("a", "b")]
        assert [(await one)[0].outputs["echo"].tolist() for one in answers] == [[b"a"], [b"b"]]
        assert (await send(made, orders("signal:SIGSEGV"))).kind is ErrorKind.WORKER_CRASHED
        await until(lambda: made.deaths)
        await made.stop()

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


# --- batches


def test_one_batch_runs_and_one_is_staged(order):
    async def main():
        made = executor(order)
        await made.start(20)
        first, second = send(made, orders("sleep:0.1")), send(made, orders("b"))
        assert (made.under_way, made.room) == (SLOTS, False)
        assert [(await one)[0].outputs["echo"].tolist() for one in (first, second)] == [[b"sleep:0.1"], [b"b"]]
        assert (made.under_way, made.room, len(made.rooms)) == (0, True, 2)
        await made.stop()

    asyncio.run(main())


def test_frames_larger_than_the_sockets_buffer_arrive(skill):
    """The second one is larger by far, and the worker does not read while its model runs."""

    async def main():
        made = executor(skill("time.sleep(0.2); return x + 1", OPEN))
        await made.start(20)
        made._link._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        count = 20_000
        first = send(made, x([[1]]))
        await asyncio.sleep(0.1)
        second = send(made, *(x([[number]]) for number in range(count)))
        assert len(made._link._unsent) > 100_000
        assert (await first)[0].outputs["y"].tolist() == [[2]]
        third = send(made, x([[5]]))
        assert [int(answer.outputs["y"][0, 0]) for answer in await second] == list(range(1, count + 1))
        assert (await third)[0].outputs["y"].tolist() == [[6]]
        assert not made._link._unsent
        await made.stop()

    asyncio.run(main())


def test_a_death_with_a_frame_half_sent_is_noticed(skill):
    async def main():
        made = executor(skill("time.sleep(1); os._exit(1)", OPEN))
        await made.start(20)
        made._link._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        first = send(made, x([[1]]))
        await asyncio.sleep(0.1)
        second = send(made, *(x([[number]]) for number in range(20_000)))
        assert made._link._unsent
        assert [(await one).kind for one in (first, second)] == [ErrorKind.WORKER_CRASHED] * 2
        await until(lambda: made.deaths)
        await made.stop()

    asyncio.run(main())


FILTERS = """
import pathlib, time

FOLDER = pathlib.Path({folder!r})


class Marked:
    side = "input"

    def apply(self, value, spec):
        if value[0] == 2:  # the second batch: it waits until the model runs on the first
            wait_for("model runs")
            (FOLDER / "filter ran").touch()
        return value


def wait_for(name):
    end = time.monotonic() + 10
    while not (FOLDER / name).exists():
        if time.monotonic() > end:
            raise RuntimeError(name)
        time.sleep(0.005)
"""


def test_the_filters_of_the_next_batch_run_beside_the_model(skill, tmp_path):
    """Each waits for the other: one after the other they would never meet."""
    (tmp_path / "filters").mkdir()
    (tmp_path / "filters" / "marks.py").write_text(FILTERS.format(folder=str(tmp_path)))
    body = f"""folder = {str(tmp_path)!r}
        open(folder + "/model runs", "w").close()
        for _ in range(1000):
            if os.path.exists(folder + "/filter ran"):
                return x
            time.sleep(0.01)
        raise RuntimeError("alone")"""

    async def main():
        made = executor(skill(body, input_filters={"x": ["marks.Marked"]}))
        await made.start(20)
        batches = [send(made, InferRequest({"x": Encoded("application/json", text)})) for text in (b"[1]", b"[2]")]
        assert [(await batch)[0].outputs["y"].tolist() for batch in batches] == [[1], [2]]
        await made.stop()

    asyncio.run(main())


# --- memory


def held(made):
    """How much memory the arena takes, in bytes."""
    return os.fstat(made._arena.descriptor).st_blocks * 512


def test_large_requests_leave_no_more_memory_than_is_kept(skill, monkeypatch):
    monkeypatch.setattr(process, "_CEASED_S", 0.05)

    async def main():
        made = executor(skill("return x + 1"))
        await made.start(20)
        resident = []
        for _ in range(6):
            big = np.zeros(16 << 20, np.float32)
            (answer,) = await send(made, x(big), rows=len(big))
            assert answer.outputs["y"][-1] == 1
            del answer, big
            resident.append(psutil.Process().memory_info().rss)
        await until(lambda: held(made) <= SLOTS * KEPT_BYTES + (1 << 20))
        assert resident[-1] - resident[1] < SLOTS * KEPT_BYTES + (16 << 20)
        await made.stop()

    asyncio.run(main())


def test_large_responses_of_a_stream_leave_no_more_memory_either(skill, monkeypatch):
    monkeypatch.setattr(process, "_CEASED_S", 0.05)

    async def main():
        made = executor(skill("yield np.ones(24 << 20, np.float32)"))
        await made.start(20)
        done = asyncio.Event()

        def answered(outcome):
            if outcome[0].final:
                done.set()
            else:
                assert held(made) > 2 * KEPT_BYTES
                made.go_on(True)

        made.send([x([1])], [1], answered)
        await asyncio.wait_for(done.wait(), 20)
        await until(lambda: held(made) <= SLOTS * KEPT_BYTES + (1 << 20))
        await made.stop()

    asyncio.run(main())


def test_memory_that_large_requests_use_again_and_again_stays(skill, monkeypatch):
    monkeypatch.setattr(process, "_CEASED_S", 0.5)

    async def main():
        made = executor(skill("return x + 1"))
        await made.start(20)
        for _ in range(4):
            await send(made, x(np.zeros(16 << 20, np.float32)), rows=16 << 20)
            assert held(made) >= 2 * (64 << 20)
        await made.stop()

    asyncio.run(main())


def test_a_request_larger_than_a_slot_is_refused_and_the_next_one_served(skill):
    async def main():
        made = executor(skill("return x"))
        await made.start(20)
        for _ in range(SLOTS + 1):
            size = SLOT_BYTES // 4 + 1
            fault = await send(made, x(np.zeros(size, np.float32)), rows=size)
            assert fault.kind is ErrorKind.BODY_TOO_LARGE
            assert (made.under_way, made.room) == (0, True)
        (answer,) = await send(made, x([1]))
        assert answer.outputs["y"].tolist() == [1]
        assert held(made) < KEPT_BYTES
        await made.stop()

    asyncio.run(main())


def test_answers_that_fit_only_one_by_one_are_given_one_by_one(skill, monkeypatch):
    """Requests must not fail because of those that they were joined with."""
    monkeypatch.setattr(process, "_CEASED_S", 0.05)
    rows = SLOT_BYTES // 4 // 2 + (1 << 20)
    order = skill(f"return np.zeros((len(x), {rows}), np.float32)")
    file = Path(order.model_file)
    file.write_text(file.read_text().replace('outputs = {"y": ("float32", [None])}', 'outputs = {"y": ("float32", [None, None])}'))

    async def main():
        made = executor(order)
        await made.start(20)
        fault = await send(made, x([1]), x([2]))
        assert (fault.kind, "too large" in fault.message) == (ErrorKind.PREDICTION_FAILED, True)
        assert held(made) <= KEPT_BYTES
        dispatcher = Dispatcher([made], BatchQueue(8, 8, 1 << 20))
        made._on_room = dispatcher.pump
        shapes = []
        for _ in range(3):
            dispatcher.submit(x([1]), time.monotonic() + 60, lambda answer: shapes.append(answer.outputs["y"].shape))
        await until(lambda: len(shapes) == 3)
        assert shapes == [(1, rows)] * 3
        await until(lambda: held(made) <= SLOTS * KEPT_BYTES + (1 << 20))
        await dispatcher.close()
        await made.stop()

    asyncio.run(main())


def test_an_answer_larger_than_a_slot_is_a_fault(skill):
    async def main():
        made = executor(skill(f"return np.zeros({SLOT_BYTES // 4 + 1}, np.float32)"))
        await made.start(20)
        fault = await send(made, x(np.zeros(SLOT_BYTES // 4 + 1, np.bool_)[:1]))
        assert fault.kind is ErrorKind.PREDICTION_FAILED
        await made.stop()

    asyncio.run(main())


def shared():
    """The names of all shared memory."""
    return sorted(Path("/dev/shm").iterdir())


def test_nothing_is_left_of_the_shared_memory(order):
    async def main():
        made = executor(order)
        before = shared()
        await made.start(20)
        arena = made._arena
        answers = []
        made.send([orders("a")], [1], lambda outcome: answers.append(outcome[0].outputs["pid"].copy()))
        await until(lambda: answers)
        assert shared() == before
        await made.stop()
        assert arena._map.closed, "nothing looks at it any more"

    asyncio.run(main())


def test_the_memory_of_one_that_died_at_work_does_not_wait_for_the_garbage_collector(skill):
    async def main():
        made = executor(skill("os._exit(1)"))
        await made.start(20)
        memory = weakref.ref(made._arena)
        assert (await send(made, x([1.0]))).kind is ErrorKind.WORKER_CRASHED
        await made.stop()
        assert memory() is None

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()
