"""A worker that comes back when its process dies, however often."""

import asyncio
import os
import signal

import numpy as np
import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.order import Order
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


async def ask(made, word):
    await until(lambda: made.room)
    future = asyncio.get_running_loop().create_future()
    request = InferRequest({"order": np.array([word.encode()], object)})
    made.send([request], [1], lambda outcome: future.set_result(outcome if isinstance(outcome, ZeroMindError) else outcome[0].copy()))
    return await future


def test_it_comes_back_with_another_process_and_tells_that_it_has_room(order):
    async def main():
        made = SupervisedExecutor(order, "process", 20)
        rooms = []
        await made.start()
        made.on_room = lambda: rooms.append(made.current.pid)
        for restarts in (1, 2):
            pid = made.current.pid
            assert (await ask(made, "exit:1")).kind is ErrorKind.WORKER_CRASHED
            assert not made.room
            await until(lambda: rooms)
            assert rooms == [made.current.pid]
            rooms.clear()
            answer = await ask(made, "a")
            assert answer.outputs["pid"][0] not in (pid, os.getpid())
            assert made.restarts == restarts
            rooms.clear()
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
        await until(lambda: made.restarts >= 2)
        assert not made.room
        flag.touch()
        await until(lambda: made.room)
        assert made.restarts >= 2
        await made.stop()

    asyncio.run(main())


def test_a_thread_that_hangs_is_replaced(order):
    async def main():
        made = SupervisedExecutor(order, "thread", 20)
        await made.start()
        first = made.current
        hangs = asyncio.create_task(ask(made, "sleep:3"))
        await asyncio.sleep(0.1)
        made.kill()
        assert (await hangs).kind is ErrorKind.WORKER_CRASHED
        assert (await ask(made, "a")).outputs["echo"].tolist() == [b"a"]
        assert made.current is not first
        assert made.restarts == 1
        await made.stop()

    asyncio.run(main())


@pytest.mark.parametrize("fault", ["ValueError('no')", "SystemExit(3)"])
def test_t22_a_thread_whose_model_fails_as_it_is_closed_has_ended_all_the_same(order, models, tmp_path, fault, caplog):
    file = tmp_path / "closing.py"
    file.write_text((models / "lab.py").read_text() + f"\n    def close(self):\n        raise {fault}\n")
    order = Order({"id": "t", "model_type": "python", "model_file": str(file)}, str(file), (), False, True)

    async def main():
        made = SupervisedExecutor(order, "thread", 20)
        await made.start()
        await made.stop()
        assert not made.room

    asyncio.run(main())
    assert "failed while it was closed" in caplog.text


def test_a_death_at_the_moment_of_the_stop_revives_nothing(order, is_gone):
    async def main():
        made = SupervisedExecutor(order, "process", 20)
        await made.start()
        assert (await ask(made, "exit:1")).kind is ErrorKind.WORKER_CRASHED
        await until(lambda: made.room)
        made.current.kill()
        stopping = asyncio.create_task(made.stop())
        await asyncio.sleep(0)  # it has begun, and waits for the revival of before to have ended
        made._died()
        await stopping
        assert is_gone(made.current.pid)
        await asyncio.sleep(0.2)
        assert made.restarts == 1

    asyncio.run(main())


def test_stopping_ends_a_revival(models, is_gone):
    file = str(models / "slow.py")
    order = Order({"id": "t", "model_type": "python", "model_file": file, "load_s": 0.3}, file, (), False, True)

    async def main():
        made = SupervisedExecutor(order, "process", 20)
        await made.start()
        os.kill(made.current.pid, signal.SIGKILL)
        await until(lambda: made.restarts == 1 and made.current.pid is not None)
        pid = made.current.pid
        await asyncio.wait_for(made.stop(), 5)
        assert is_gone(pid)
        await asyncio.sleep(0.2)
        assert made.current.pid == pid, "and it does not come back"

    asyncio.run(main())
