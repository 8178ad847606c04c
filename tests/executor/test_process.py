"""A worker process: its death is noticed, its memory comes back, it never outlives the server."""

import asyncio
import os
import signal

import numpy as np
import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.order import Order
from zeromind.executor.process import ProcessExecutor
from zeromind.executor.supervised import SupervisedExecutor
from zeromind.tensors import InferRequest


@pytest.fixture
def order(models):
    file = str(models / "lab.py")
    return Order({"id": "t", "model_type": "python", "model_file": file}, file, (str(models),), False, True)


async def until(condition):
    end = asyncio.get_running_loop().time() + 20
    while not condition():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)


def orders(*words):
    return InferRequest({"order": np.array([word.encode() for word in words], object)})


@pytest.mark.parametrize("word", ["exit:0", "exit:3", "signal:SIGSEGV", "signal:SIGKILL"])
def test_a_death_fails_the_call_and_is_told_once(order, word, is_gone):
    async def main():
        deaths = []
        made = ProcessExecutor(order, lambda: deaths.append(1))
        await made.start(20)
        pid = made.pid
        with pytest.raises(ZeroMindError) as caught:
            await made.run([orders(word)], 5)
        assert caught.value.kind is ErrorKind.WORKER_CRASHED
        await asyncio.sleep(0.2)
        assert (made.alive, deaths) == (False, [1])
        await made.stop()
        assert is_gone(pid)
        assert (made.memory(), deaths) == (0, [1])

    asyncio.run(main())


def test_a_death_in_idleness_is_noticed(order):
    async def main():
        died = asyncio.Event()
        made = ProcessExecutor(order, died.set)
        await made.start(20)
        os.kill(made.pid, signal.SIGKILL)
        await asyncio.wait_for(died.wait(), 5)
        assert not made.alive
        await made.stop()

    asyncio.run(main())


def test_an_end_that_was_asked_for_is_no_death(order, caplog):
    async def main():
        deaths = []
        made = ProcessExecutor(order, lambda: deaths.append(1))
        await made.start(20)
        assert 5e6 < made.memory() < 1e9
        await made.stop()
        await asyncio.sleep(0.1)
        assert deaths == []

    asyncio.run(main())
    assert "ended" not in caplog.text


def test_loading_that_is_cancelled_leaves_no_process(models, is_gone):
    file = str(models / "slow.py")
    order = Order({"id": "t", "model_type": "python", "model_file": file, "load_s": 30}, file, (), False, True)

    async def main():
        made = ProcessExecutor(order)
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
        for steps in (0, 1, 2, 5, 20):
            made = ProcessExecutor(order)
            start = asyncio.create_task(made.start(20))
            for _ in range(steps):
                await asyncio.sleep(0)
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
            await made.stop()
            assert made.pid is None or is_gone(made.pid)

    asyncio.run(main())


def test_no_more_processes_is_a_fault_of_loading(order, monkeypatch):
    monkeypatch.setattr("sys.executable", "/no/such/python")

    async def main():
        with pytest.raises(ZeroMindError) as caught:
            await ProcessExecutor(order).start(5)
        assert caught.value.kind is ErrorKind.LOAD_FAILED

    asyncio.run(main())


def test_a_supervised_worker_comes_back_with_another_process(order):
    async def main():
        made = SupervisedExecutor(order, "process", 20)
        await made.start()
        for restarts in (1, 2):
            pid = made.current.pid
            with pytest.raises(ZeroMindError):
                await made.run([orders("exit:1")], 5)
            await asyncio.wait_for(made.ready(), 10)
            (answer,) = await made.run([orders("a")], 5)
            assert answer.outputs["pid"][0] not in (pid, os.getpid())
            assert made.restarts == restarts
        await made.stop()

    asyncio.run(main())


def test_a_restart_that_fails_is_tried_again(order, models, tmp_path):
    flag = tmp_path / "flag"
    file = tmp_path / "once.py"
    file.write_text(f"import os\nif not os.path.exists({str(flag)!r}): raise RuntimeError('not yet')\n" + (models / "lab.py").read_text())
    order = Order({"id": "t", "model_type": "python", "model_file": str(file)}, str(file), (), False, True)

    async def main():
        flag.touch()
        made = SupervisedExecutor(order, "process", 20)
        await made.start()
        flag.unlink()
        os.kill(made.current.pid, signal.SIGKILL)
        await until(lambda: not made.current.alive)
        back = asyncio.create_task(made.ready())
        await until(lambda: made.restarts >= 2)
        flag.touch()
        await asyncio.wait_for(back, 20)
        assert made.restarts >= 2
        await made.stop()

    asyncio.run(main())


def test_a_file_in_the_working_directory_is_no_module_of_the_standard_library(order, tmp_path, monkeypatch):
    (tmp_path / "types.py").write_text("raise RuntimeError('taken for the real one')")
    monkeypatch.chdir(tmp_path)

    async def main():
        made = ProcessExecutor(order)
        await made.start(20)
        await made.stop()

    asyncio.run(main())
