"""Loads, reloads, unloads and the index of models by their names, in every order that clients think of."""

import asyncio
import json
import threading

import numpy as np
import pytest

from zeromind.engine import Engine
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import InferRequest

K = ErrorKind
SUM = {"id": "sum", "model_type": "python", "model_file": "sum.py"}
LAB = {"id": "lab", "model_type": "python", "model_file": "lab.py"}
SLOW = {"id": "slow", "model_type": "python", "model_file": "slow.py", "load_s": 0.3}


@pytest.fixture
def engine(configured):
    """Run a coroutine function with an engine that has loaded its tasks; it closes without complaints."""

    def run(body, *tasks, **keys):
        async def main():
            made = Engine(configured(tasks=list(tasks), **keys))
            complaints = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
            made.start()
            await made.started()
            try:
                return await body(made)
            finally:
                await asyncio.wait_for(made.close(), 20)
                assert complaints == []

        return asyncio.run(main())

    return run


def states(made):
    return {entry["name"]: entry["state"] for entry in made.index()}


async def kind_of(awaitable):
    with pytest.raises(ZeroMindError) as caught:
        await awaitable
    return caught.value.kind


async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not happen in time")


async def gone(made, name):
    await until(lambda: states(made).get(name) in ("UNAVAILABLE", None))


def total(made, name="sum"):
    return made.infer(name, lambda _: InferRequest({"x": np.ones((1, 3), np.float32)}))


def lab(made, word):
    return made.infer("lab", lambda _: InferRequest({"order": np.array([word.encode()], object)}))


def test_the_index_tells_what_is_here_and_why_something_is_not(engine):
    async def body(made):
        broken = next(entry for entry in made.index() if entry["name"] == "broken")
        assert (broken["state"], broken["version"]) == ("UNAVAILABLE", "1")
        assert "broken.onnx" in broken["reason"] or broken["reason"]
        loading = asyncio.create_task(made.load(SLOW))
        await asyncio.sleep(0.05)
        await made.drop("sum")
        assert states(made) == {"broken": "UNAVAILABLE", "lab": "READY", "slow": "LOADING", "sum": "UNAVAILABLE"}
        assert [entry["reason"] for entry in made.index() if entry["name"] == "sum"] == ["unloaded"]
        assert [entry["name"] for entry in made.index(ready=True)] == ["lab"]
        running = asyncio.create_task(lab(made, "sleep:0.3"))
        await asyncio.sleep(0.05)
        await made.unload_model("lab")
        await asyncio.sleep(0)
        assert states(made)["lab"] == "UNLOADING"
        assert (await running).outputs["echo"].tolist() == [b"sleep:0.3"]
        await loading
        await gone(made, "lab")

    engine(body, SUM, LAB, {"id": "broken", "model_file": "broken.onnx", "model_type": "onnx"})


def test_what_was_unloaded_is_loaded_again_by_its_name(engine):
    async def body(made):
        await made.load({**SUM, "id": "mine", "timeout_s": 7})
        for name in ("sum", "mine"):
            await made.unload_model(name)
            await gone(made, name)
            assert await kind_of(total(made, name)) is K.MODEL_NOT_FOUND
            model = await made.load_model(name)
            assert (await total(made, name)).outputs["sum"].tolist() == [3]
            assert (model.plan.trusted, model.timeout_s) == ((True, 30) if name == "sum" else (False, 7))

    engine(body, SUM)


def test_a_load_right_after_an_unload_waits_for_its_end(engine):
    async def body(made):
        running = asyncio.create_task(lab(made, "sleep:0.3"))
        await asyncio.sleep(0.05)
        await made.unload_model("lab")
        await made.load_model("lab")
        assert running.done()
        assert states(made) == {"lab": "READY"}
        assert (await lab(made, "a")).outputs["echo"].tolist() == [b"a"]

    engine(body, LAB)


def test_a_clients_model_is_known_from_the_moment_of_its_unload(engine):
    async def body(made):
        await made.load({**SUM, "id": "mine"})
        for _ in range(3):
            await made.unload_model("mine")
            await made.load_model("mine")
            assert (await total(made, "mine")).outputs["sum"].tolist() == [3]

    engine(body)


def test_an_unload_of_what_is_not_there_is_told_once_and_done_twice(engine):
    async def body(made):
        with pytest.raises(ZeroMindError) as caught:
            made.unload_model("none")
        assert caught.value.kind is K.MODEL_NOT_FOUND
        await asyncio.gather(*(made.unload_model("sum") for _ in range(3)))
        await gone(made, "sum")
        await made.unload_model("sum")
        assert await kind_of(made.load_model("none")) is K.MODEL_NOT_FOUND
        assert states(made) == {"sum": "UNAVAILABLE"}

    engine(body, SUM)


def test_a_reload_answers_every_request_with_one_of_the_two(engine):
    async def body(made):
        old = made.registry.get("lab")
        before = [asyncio.create_task(lab(made, "sleep:0.2")), *(asyncio.create_task(lab(made, f"echo:{n}")) for n in range(4))]
        await asyncio.sleep(0.05)
        new = await made.load_model("lab", {"max_batch_size": 1})
        assert made.registry.get("lab") is new is not old
        assert (await lab(made, "a")).outputs["echo"].tolist() == [b"a"]
        assert [one.outputs["echo"].tolist() for one in await asyncio.gather(*before)][1:] == [[f"echo:{n}".encode()] for n in range(4)]
        await until(lambda: old.life.state.value == "gone")
        assert states(made) == {"lab": "READY"}
        assert made.registry.models() == [new]

    engine(body, LAB)


def test_requests_never_miss_a_model_that_is_reloaded(engine):
    async def body(made):
        end = asyncio.Event()

        async def hammer():
            count = 0
            while not end.is_set():
                assert (await total(made)).outputs["sum"].tolist() == [3]
                count += 1
            return count

        clients = [asyncio.create_task(hammer()) for _ in range(3)]
        for _ in range(4):
            await made.load_model("sum")
        end.set()
        assert min(await asyncio.gather(*clients)) > 0

    engine(body, SUM)


def test_a_reload_that_fails_leaves_the_old_one(engine):
    async def body(made):
        old = made.registry.get("sum")
        assert await kind_of(made.load_model("sum", {"model_file": "broken.onnx", "model_type": "onnx"})) is K.LOAD_FAILED
        assert await kind_of(made.load_model("sum", {"model_file": "/etc/passwd"})) is K.MODEL_FILE
        assert await kind_of(made.load_model("sum", {"no_such_key": 1})) is K.TASK_ATTRIBUTE
        assert made.registry.get("sum") is old
        assert (await total(made)).outputs["sum"].tolist() == [3]
        assert states(made) == {"sum": "READY"}

    engine(body, SUM)


def test_changes_add_up_until_the_model_is_loaded_as_configured(engine):
    async def body(made):
        assert (await made.load_model("sum", {"max_batch_size": 4})).task.max_batch_size == 4
        model = await made.load_model("sum", '{"instance_group": [{"count": 2}]}')
        assert (model.task.max_batch_size, model.task.instances, model.plan.trusted) == (4, 2, True)
        model = await made.load_model("sum")
        assert (model.task.max_batch_size, model.task.instances) == (32, 1)

    engine(body, SUM)


def test_what_the_operator_trusts_is_not_trusted_with_other_files(engine, models):
    async def body(made):
        assert await kind_of(made.load_model("sum", {"model_file": str(models / "lab.py")})) is K.MODEL_FILE
        assert (await made.load_model("sum", {"max_batch_size": 2})).plan.trusted
        await made.unload_model("sum")
        assert await kind_of(made.load_model("sum", {"threads": 1, "model_file": "lab.py", "allow_code": True})) is K.TASK_ATTRIBUTE
        assert await kind_of(made.load_model("other", {"model_file": str(models / "lab.py")})) is K.MODEL_FILE
        assert "other" not in states(made)

    task = {**SUM, "model_file": str(models / "sum.py"), "allow_code": True}
    engine(body, task, roots=[str(models / "filters")], code_roots=[])


def test_racing_loads_of_one_name_all_succeed_one_after_the_other(engine):
    async def body(made):
        await asyncio.gather(*(made.load_model("sum", {"max_batch_size": n + 1}) for n in range(4)))
        assert made.registry.get("sum").task.max_batch_size == 4
        await gone_retired(made)
        assert len(made.registry.models()) == 1

    engine(body, SUM)


async def gone_retired(made):
    await until(lambda: not made.registry._leaving)


@pytest.mark.parametrize("pause", [0, 0.001, 0.01, 0.1, 0.3, 0.4])
def test_an_unload_at_any_moment_of_a_reload_ends_both(engine, pause):
    async def body(made):
        reload = asyncio.create_task(made.load_model("slow", {"max_batch_size": 3}))
        await asyncio.sleep(pause)
        await made.unload_model("slow")
        (result,) = await asyncio.gather(reload, return_exceptions=True)
        assert getattr(result, "kind", None) in (K.LOAD_CANCELLED, None)
        if isinstance(result, ZeroMindError):
            await until(lambda: made.registry.models() == [])
        await gone_retired(made)

    engine(body, SLOW)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_clients_do_at_once_the_pool_ends_in_one_of_two_states(engine, seed):
    async def body(made):
        dice = np.random.default_rng(seed)

        async def client():
            for _ in range(4):
                await asyncio.sleep(float(dice.random()) / 50)
                match int(dice.integers(5)):
                    case 0:
                        await made.unload_model("sum")
                    case 1:
                        await asyncio.gather(made.drop("sum"), return_exceptions=True)
                    case 2:
                        await asyncio.gather(made.load(SUM), return_exceptions=True)
                    case _:
                        await asyncio.gather(made.load_model("sum", {"max_batch_size": int(dice.integers(1, 9))}), return_exceptions=True)

        await asyncio.gather(*(client() for _ in range(5)))
        await gone_retired(made)
        await asyncio.gather(*made.registry._tasks, return_exceptions=True)
        await made.load_model("sum")
        assert states(made) == {"sum": "READY"}
        assert (await total(made)).outputs["sum"].tolist() == [3]

    engine(body, SUM)


def test_closing_while_models_are_replaced_ends_them_all(engine):
    async def body(made):
        body.reload = asyncio.create_task(made.load_model("slow"))
        body.running = asyncio.create_task(lab(made, "sleep:0.2"))
        await asyncio.sleep(0.05)
        await made.load_model("lab")
        made.registry.get("lab")

    engine(body, SLOW, LAB)
    assert body.running.exception() is None


def test_what_was_acknowledged_survives(engine, tmp_path):
    state = {"state_dir": str(tmp_path / "state")}

    async def change(made):
        await made.load_model("sum", {"max_batch_size": 4})
        await made.load_model("mine", {k: v for k, v in SUM.items() if k != "id"})
        await made.unload_model("lab")

    async def changed(made):
        assert states(made) == {"lab": "UNAVAILABLE", "mine": "READY", "sum": "READY"}
        model = made.registry.get("sum")
        assert (model.task.max_batch_size, model.plan.trusted) == (4, True)
        await made.load_model("lab")
        await made.load_model("sum")
        await made.load_model("mine", {"timeout_s": 3})

    async def again(made):
        assert states(made) == {"lab": "READY", "mine": "READY", "sum": "READY"}
        assert (made.registry.get("sum").task.max_batch_size, made.registry.get("mine").timeout_s) == (32, 3)
        assert not made.registry.get("mine").plan.trusted

    for body in (change, changed, again):
        engine(body, SUM, LAB, **state)


def test_what_is_dropped_while_it_is_remembered_was_loaded_and_can_be_loaded_again(engine, tmp_path):
    async def body(made):
        gate = threading.Event()
        made._journal._thread.submit(gate.wait)  # a slow disk
        loading = asyncio.create_task(made.load(SUM))
        await until(lambda: "sum" in states(made) and made.registry.get("sum").load_time)
        dropping = asyncio.create_task(made.drop("sum"))
        asking = asyncio.create_task(total(made))
        await asyncio.sleep(0.05)
        assert states(made) == {"sum": "LOADING"}  # nobody sees what may yet fail
        gate.set()
        await asyncio.gather(loading, dropping)
        await asyncio.gather(asking, return_exceptions=True)
        assert states(made) == {"sum": "UNAVAILABLE"}
        await made.load_model("sum")
        assert (await total(made)).outputs["sum"].tolist() == [3]

    engine(body, state_dir=str(tmp_path / "state"))


def test_a_load_that_waits_for_its_turn_as_the_pool_closes_does_not_begin(engine):
    async def body(made):
        loads = [asyncio.create_task(made.load_model("slow", SLOW)) for _ in range(3)]
        await until(lambda: states(made).get("slow") == "LOADING")
        await made.close()
        kinds = [getattr(error, "kind", None) for error in await asyncio.gather(*loads, return_exceptions=True)]
        assert kinds == [K.LOAD_CANCELLED, K.SHUTTING_DOWN, K.SHUTTING_DOWN]
        assert made.registry.models() == []

    engine(body, drain_s=0)


# --- files that clients send


def test_files_are_refused_unless_the_pool_allows_them(engine, models):
    async def body(made):
        files = {"file:1/model.onnx": (models / "double.onnx").read_bytes()}
        assert await kind_of(made.load_model("sent", {"backend": "onnx"}, files)) is K.NOT_SUPPORTED
        assert made.index() == []

    engine(body)


def test_a_model_is_served_from_files_that_came_with_it_while_it_is_there(engine, models, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    files = {"file:1/model.onnx": (models / "double.onnx").read_bytes()}
    data = np.ones((1, 4), np.float32)

    async def body(made):
        assert await kind_of(made.load_model("sent", None, files)) is K.REQUEST_ATTRIBUTE
        for broken in ({"file:../x": b""}, {"file:1/model.onnx": b"no model"}, {"1/model.py": (models / "sum.py").read_bytes()}):
            with pytest.raises(ZeroMindError):
                await made.load_model("sent", {"backend": "onnx" if "1/model.py" not in broken else "python"}, broken)
        (own,) = tmp_path.iterdir()
        assert list(own.glob("sent-*")) == []
        for _ in range(2):
            await made.load_model("sent", json.dumps({"backend": "onnxruntime", "max_batch_size": 2}), files)
            assert (await made.infer("sent", lambda _: InferRequest({"x": data}))).outputs["y"].tolist() == [[2, 2, 2, 2]]
        await gone_retired(made)
        assert len(list(own.glob("sent-*"))) == 1
        await made.unload_model("sent")
        await gone(made, "sent")
        await asyncio.gather(*made.registry._tasks)
        assert (list(own.glob("sent-*")), made.index()) == ([], [])
        await made.load_model("sent", {"model_type": "onnx"}, files)

    engine(body, allow_file_override=True)
    assert list(tmp_path.iterdir()) == []
