"""Loads and drops of a pool's models, in every order that clients think of."""

import asyncio
import time

import numpy as np
import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.repository.journal import Journal
from zeromind.repository.registry import Registry
from zeromind.tensors import InferRequest

SUM = {"id": "sum", "model_type": "python", "model_file": "sum.py"}
SLOW = {"id": "slow", "model_type": "python", "model_file": "slow.py", "load_s": 0.5}
LAB = {"id": "lab", "model_type": "python", "model_file": "lab.py"}


@pytest.fixture
def pool(configured):
    """Run a coroutine function with a registry that is closed after it, whatever it leaves."""

    def run(body, journal=None, **keys):
        async def main():
            registry = Registry(configured(**keys), journal)
            try:
                return await body(registry)
            finally:
                pids = [worker.current.pid for model in registry.models() for worker in model.workers]
                await asyncio.wait_for(registry.close(), 10)
                run.pids = pids

        return asyncio.run(main())

    return run


def kind(result):
    return getattr(result, "kind", result)


async def ask(model, *words, timeout_s=10):
    request = InferRequest({"order": np.array([word.encode() for word in words], object)})
    future = asyncio.get_running_loop().create_future()

    def reply(answer):
        if isinstance(answer, ZeroMindError):
            future.set_exception(answer)
        else:
            future.set_result(answer.copy())

    model.open.submit(request, time.monotonic() + timeout_s, reply)
    return await future


def test_of_racing_loads_exactly_one_wins(pool):
    async def body(registry):
        results = await asyncio.gather(*(registry.load(SUM, trusted=False) for _ in range(8)), return_exceptions=True)
        kinds = [kind(result) for result in results]
        assert kinds.count(ErrorKind.ALREADY_LOADED) == 7
        assert registry.ids() == ["sum"]

    pool(body)


def test_of_ids_that_clients_invent_and_drop_nothing_stays_in_the_journal(pool, tmp_path):
    journal = Journal(tmp_path / "state")

    async def body(registry):
        for name in ("sum", "other"):
            await registry.load({**SUM, "id": name}, trusted=False, remember=True)
            await registry.drop(name, forget=True)
        await registry.unload("other")

    pool(body, journal, tasks=[SUM])
    assert journal._database.execute("SELECT id, source FROM task").fetchall() == [("sum", None)]
    journal.close()


def test_a_loading_model_is_not_in_the_list_but_its_id_is_taken(pool):
    async def body(registry):
        loading = asyncio.create_task(registry.load(SLOW, trusted=False))
        await asyncio.sleep(0.05)
        assert registry.ids() == []
        with pytest.raises(ZeroMindError) as caught:
            await registry.load(SLOW, trusted=False)
        assert caught.value.kind is ErrorKind.ALREADY_LOADED
        await loading
        assert registry.ids() == ["slow"]

    pool(body)


def test_a_drop_while_loading_cancels_the_load(pool, is_gone):
    async def body(registry):
        loading = asyncio.create_task(registry.load({**SLOW, "load_s": 30}, trusted=False))
        await asyncio.sleep(0.3)
        (worker,) = registry.get("slow").workers
        pid = worker.current.pid
        await asyncio.wait_for(registry.drop("slow"), 5)
        with pytest.raises(ZeroMindError) as caught:
            await loading
        assert caught.value.kind is ErrorKind.LOAD_CANCELLED
        assert is_gone(pid)
        assert registry.models() == []
        assert (await registry.load(SUM | {"id": "slow"}, trusted=False)).task.id == "slow"

    pool(body)


@pytest.mark.parametrize("pause", [0, 0.001, 0.01, 0.1, 0.3, 0.5])
def test_a_drop_at_any_moment_of_a_load_leaves_nothing(pool, is_gone, pause):
    async def body(registry):
        loading = asyncio.create_task(registry.load(SUM, trusted=False))
        await asyncio.sleep(pause)
        results = await asyncio.gather(registry.drop("sum"), loading, return_exceptions=True)
        assert isinstance(results[0], tuple)
        assert kind(results[1]) is ErrorKind.LOAD_CANCELLED or results[1].life.state.value == "gone"
        assert registry.models() == []

    pool(body)


def test_of_racing_drops_exactly_one_wins(pool):
    async def body(registry):
        await registry.load(SUM, trusted=False)
        results = await asyncio.gather(*(registry.drop("sum") for _ in range(4)), return_exceptions=True)
        assert sorted(str(kind(result)) for result in results)[1:] == [str(ErrorKind.MODEL_NOT_FOUND)] * 3

    pool(body)


def test_drops_and_loads_of_one_id_in_turn_end_where_they_should(pool):
    async def body(registry):
        for _ in range(3):
            await registry.load(SUM, trusted=False)
            await registry.drop("sum")
        assert registry.ids() == []

    pool(body)


def test_a_load_after_a_failed_one_may_succeed(pool):
    async def body(registry):
        with pytest.raises(ZeroMindError) as caught:
            await registry.load({**SUM, "model_type": "onnx"}, trusted=False)
        assert caught.value.kind is ErrorKind.LOAD_FAILED
        with pytest.raises(ZeroMindError) as caught:
            registry.get("sum")
        assert caught.value.kind is ErrorKind.MODEL_NOT_FOUND
        await registry.load(SUM, trusted=False)
        assert registry.ids() == ["sum"]

    pool(body)


def test_a_drop_lets_what_runs_finish_and_refuses_what_waits(pool):
    async def body(registry):
        model = await registry.load(LAB, trusted=False)
        runs = asyncio.create_task(ask(model, "sleep:0.3"))
        await asyncio.sleep(0.1)
        staged = asyncio.create_task(ask(model, "staged"))
        await asyncio.sleep(0)
        waits = asyncio.create_task(ask(model, "echo"))
        await asyncio.sleep(0.05)
        seconds, held = await registry.drop("lab")
        assert seconds > 0.05
        assert held > 5e6
        assert [(await one).outputs["echo"].tolist() for one in (runs, staged)] == [[b"sleep:0.3"], [b"staged"]]
        with pytest.raises(ZeroMindError) as caught:
            await waits
        assert caught.value.kind is ErrorKind.MODEL_NOT_FOUND

    pool(body)


def test_closing_ends_what_runs_at_once(pool, is_gone):
    async def body(registry):
        model = await registry.load(LAB, trusted=False)
        body.runs = asyncio.create_task(ask(model, "sleep:20", timeout_s=20))
        await asyncio.sleep(0.1)
        start = time.monotonic()
        await registry.close()
        assert time.monotonic() - start < 4
        with pytest.raises(ZeroMindError) as caught:
            await body.runs
        assert caught.value.kind is ErrorKind.SHUTTING_DOWN

    pool(body)


def test_closing_ends_a_drop_that_waits_for_what_runs(pool, is_gone):
    async def body(registry):
        model = await registry.load(LAB, trusted=False)
        (worker,) = model.workers
        runs = asyncio.create_task(ask(model, "sleep:20", timeout_s=20))
        await asyncio.sleep(0.1)
        drop = asyncio.create_task(registry.drop("lab"))
        await asyncio.sleep(0.1)
        start = time.monotonic()
        await registry.close()
        assert time.monotonic() - start < 4
        with pytest.raises(ZeroMindError) as caught:
            await runs
        assert caught.value.kind is ErrorKind.SHUTTING_DOWN
        await drop
        assert is_gone(worker.current.pid)

    pool(body)


def test_closing_while_a_model_loads_ends_its_worker(pool, is_gone):
    async def body(registry):
        body.loading = asyncio.create_task(registry.load({**SLOW, "load_s": 30}, trusted=False))
        await asyncio.sleep(0.3)
        (worker,) = registry.get("slow").workers
        await registry.close()
        assert is_gone(worker.current.pid)
        with pytest.raises(ZeroMindError):
            await body.loading

    pool(body)


@pytest.mark.parametrize("pause", [0.01, 0.2, 0.25, 0.3, 0.35, 0.4])
def test_a_load_that_is_cancelled_at_any_moment_leaves_no_worker(pool, is_gone, pause):
    async def body(registry):
        loading = asyncio.create_task(registry.load(SUM, trusted=False))
        await asyncio.sleep(0)
        (worker,) = registry.get("sum").workers
        await asyncio.sleep(pause)
        if loading.cancel():
            await asyncio.gather(loading, return_exceptions=True)
            if loading.cancelled():
                assert worker.current.pid is None or is_gone(worker.current.pid)
                assert registry.models() == []

    pool(body)


class Forgetful:
    async def loaded(self, *_):
        raise ZeroMindError(ErrorKind.INTERNAL, "the disk is full")


def test_a_model_that_cannot_be_remembered_is_not_served(pool, is_gone):
    async def body(registry):
        loading = asyncio.create_task(registry.load(SUM, trusted=False, remember=True))
        await asyncio.sleep(0)
        (worker,) = registry.get("sum").workers
        with pytest.raises(ZeroMindError, match="disk is full"):
            await loading
        assert registry.models() == []
        assert is_gone(worker.current.pid)

    pool(body, Forgetful())


def test_several_instances_run_beside_each_other(pool):
    async def body(registry):
        model = await registry.load({**LAB, "instances": 2}, trusted=False)
        first = asyncio.create_task(ask(model, "sleep:1"))
        await asyncio.sleep(0.05)
        answers = await asyncio.gather(first, ask(model, "sleep:1"))
        assert len({answer.outputs["pid"][0] for answer in answers}) == 2

    pool(body)


def test_what_waits_while_the_worker_runs_is_joined(pool):
    async def body(registry):
        model = await registry.load({**LAB, "max_batch_size": 3}, trusted=False)
        first = asyncio.create_task(ask(model, "sleep:1"))
        await asyncio.sleep(0.05)
        answers = await asyncio.gather(*(ask(model, f"echo:{number}") for number in range(5)))
        assert [answer.outputs["batch"].tolist() for answer in answers] == [[3], [3], [3], [2], [2]]  # three are staged at once
        assert [answer.outputs["echo"].tolist() for answer in answers] == [[f"echo:{number}".encode()] for number in range(5)]
        assert (await first).outputs["batch"].tolist() == [1]

    pool(body)


def test_a_request_that_kills_the_worker_fails_alone(pool):
    async def body(registry):
        model = await registry.load(LAB, trusted=False)
        first = asyncio.create_task(ask(model, "sleep:1"))
        await asyncio.sleep(0.05)
        words = ["a", "signal:SIGSEGV", "b", "c"]
        answers = await asyncio.gather(*(ask(model, word) for word in words), return_exceptions=True)
        assert [kind(answer) for answer in answers][1] is ErrorKind.WORKER_CRASHED
        assert [answers[at].outputs["echo"].tolist() for at in (0, 2, 3)] == [[b"a"], [b"b"], [b"c"]]
        await first
        assert model.restarts == 2

    pool(body)


def test_what_was_staged_behind_a_killer_is_answered(pool):
    async def body(registry):
        model = await registry.load(LAB, trusted=False)
        killer = asyncio.create_task(ask(model, "exit:1"))
        await asyncio.sleep(0)
        staged = asyncio.create_task(ask(model, "a"))
        answers = await asyncio.gather(killer, staged, return_exceptions=True)
        assert kind(answers[0]) is ErrorKind.WORKER_CRASHED
        assert answers[1].outputs["echo"].tolist() == [b"a"]

    pool(body)


def test_an_idle_worker_waits_for_a_batch_to_fill_where_the_task_says_so(pool):
    async def body(registry):
        model = await registry.load({**LAB, "max_queue_delay_us": 200_000, "max_batch_size": 3}, trusted=False)
        answers = await asyncio.gather(*(ask(model, "a") for _ in range(3)))
        assert [answer.outputs["batch"].tolist() for answer in answers] == [[3]] * 3
        start = time.monotonic()
        assert (await ask(model, "a")).outputs["batch"].tolist() == [1]
        assert time.monotonic() - start >= 0.19

    pool(body)


def test_a_model_in_a_thread_that_hangs_does_not_hold_up_the_end(pool):
    async def body(registry):
        model = await registry.load({**LAB, "isolation": "thread", "timeout_s": 0.1}, trusted=False)
        with pytest.raises(ZeroMindError) as caught:
            await ask(model, "sleep:6", timeout_s=0.1)
        assert caught.value.kind is ErrorKind.DEADLINE
        (answer,) = await asyncio.gather(ask(model, "echo"))  # from the thread that replaced the first
        assert answer.outputs["echo"].tolist() == [b"echo"]
        assert model.restarts == 1

    pool(body)


@pytest.mark.parametrize(("trusted", "word", "allowed"), [(True, True, True), (True, False, False), (False, True, False)])
def test_only_the_operators_word_allows_code(pool, trusted, word, allowed):
    async def body(registry):
        return await asyncio.gather(registry.load({**SUM, "allow_code": word}, trusted=trusted), return_exceptions=True)

    (result,) = pool(body, code_roots=[])
    assert (kind(result) is ErrorKind.CODE_NOT_ALLOWED) is not allowed


def test_a_model_is_loaded_anew_from_its_files_beside_the_one_that_serves(pool, tmp_path):
    (tmp_path / "skill.py").write_text("def predict(x: float) -> float:\n    return x\n")
    task = {"id": "skill", "model_file": str(tmp_path / "skill.py"), "allow_code": True}

    async def body(registry):
        old = await registry.load(task, trusted=True)
        (tmp_path / "skill.py").write_text("def predict(a: float, b: float) -> float:\n    return a + b\n")
        new = await registry.reload("skill")
        assert registry.get("skill") is new is not old
        assert [spec.name for spec in new.interface.spec.inputs] == ["a", "b"]
        (tmp_path / "skill.py").write_text("import none_such\n")
        with pytest.raises(ZeroMindError) as caught:
            await registry.reload("skill")
        assert caught.value.kind is ErrorKind.MISSING_PACKAGE
        assert 'skill.py", line 1' in caught.value.trace
        assert registry.get("skill") is new
        assert new.serves
        assert new.diary.fault.error.kind is ErrorKind.MISSING_PACKAGE

    pool(body)


def test_what_was_dropped_or_never_was_is_not_loaded_anew(pool):
    async def body(registry):
        await registry.load(SUM, trusted=False)
        await registry.drop("sum")
        for name in ("sum", "none"):
            with pytest.raises(ZeroMindError) as caught:
                await registry.reload(name)
            assert caught.value.kind is ErrorKind.MODEL_NOT_FOUND

    pool(body, tasks=[{**SUM, "id": "none"}])


def test_what_failed_at_the_start_is_loaded_once_it_can_be(pool, tmp_path):
    task = {"id": "late", "model_file": str(tmp_path / "late.py"), "allow_code": True}

    async def body(registry):
        registry.note_failure(task, True, ZeroMindError(ErrorKind.MODEL_FILE, "gone"))
        with pytest.raises(ZeroMindError, match=r"late\.py"):
            await registry.reload("late")
        (tmp_path / "late.py").write_text("def predict(x: float) -> float:\n    return x\n")
        assert (await registry.reload("late")).serves
        assert registry.failed == {}

    pool(body, tasks=[task])
