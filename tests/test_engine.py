"""A pool at work: models come and go, crash and hang, and cost their neighbours nothing."""

import asyncio
import concurrent.futures
import json
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from zeromind.engine import Engine
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import InferRequest

SUM = {"id": "sum", "model_type": "python", "model_file": "sum.py"}
LAB = {"id": "lab", "model_type": "python", "model_file": "lab.py"}
SLOW = {"id": "slow", "model_type": "python", "model_file": "slow.py"}
ROW = {"x": [[1, 2, 3]]}


@pytest.fixture(scope="module")
def pool(thread_server):
    with thread_server(tasks=[SUM, LAB, {**LAB, "id": "hasty", "timeout_s": 0.3}]) as client:
        yield client


@pytest.fixture
def spare(pool):
    yield pool
    for model in set(pool.ids()) - {"sum", "lab", "hasty"}:
        pool.drop(model)


@pytest.fixture
def beside():
    """A function that runs calls beside the test and gives their futures."""
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        yield threads.submit


def row(number):
    return InferRequest({"x": np.full((1, 3), number, np.float32)})


def check_neighbour(pool, most_s=1.0):
    start = time.monotonic()
    assert pool.predict("sum", ROW).json["result"] == {"sum": [6]}
    assert time.monotonic() - start < most_s


# --- streams, statistics, parameters

TALES = """
class Skill:
    inputs = {"x": ("float32", [None, 3])}
    outputs = {"sum": ("float32", [None])}

    def predict(self, x, parameters):
        for _ in range(parameters.get("times", 1)):
            yield x.sum(axis=1)
"""


@pytest.fixture
def tales(models):
    """A task whose model responds as often as the parameter ``times`` says."""
    (models / "tales.py").write_text(TALES)
    return {"id": "tales", "model_file": "tales.py", "allow_code": True}


def asked(number=1, **more):
    return lambda _: InferRequest(row(number).inputs, **more)


def test_a_stream_of_any_model_has_its_responses(configured, tales):
    async def main():
        made = Engine(configured(tasks=[SUM, tales]))
        made.start()
        await made.started()
        numbers = [one.outputs["sum"].tolist() async for one in made.stream("tales", asked(parameters={"times": 20})) if not one.final]
        assert numbers == [[3.0]] * 20
        (only,) = [one async for one in made.stream("sum", asked())]
        assert (only.final, only.outputs["sum"].tolist()) == (True, [3.0])
        assert (await made.infer("tales", asked())).outputs["sum"].tolist() == [3.0]
        with pytest.raises(ZeroMindError, match="gives several responses"):
            await made.infer("tales", asked(parameters={"times": 2}))
        endless = made.stream("tales", asked(parameters={"times": 1 << 40}))
        await endless.__anext__()
        await endless.aclose()
        assert (await made.infer("tales", asked())).outputs["sum"].tolist() == [3.0]
        assert not made._busy
        await made.close()

    asyncio.run(main())


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_statistics_are_those_of_what_was_sent(configured, isolation):
    async def main():
        made = Engine(configured(tasks=[{**SUM, "isolation": isolation, "max_batch_size": 8}]))
        made.start()
        await made.started()
        start = time.monotonic()
        rows = [1, 2, 3, 1, 1, 5, 1, 1, 1, 4]
        calls = [made.infer("sum", lambda _, n=n: InferRequest({"x": np.ones((n, 3), np.float32)})) for n in rows]
        await asyncio.gather(*calls)
        took = time.monotonic() - start
        refused = await asyncio.gather(made.infer("sum", lambda _: 1 / 0), return_exceptions=True)
        assert isinstance(refused[0], ZeroDivisionError)
        (told,) = made.statistics("sum")
        stats = told["inference_stats"]
        assert (told["name"], told["version"], told["inference_count"]) == ("sum", "1", sum(rows))
        assert (stats["success"]["count"], stats["fail"]["count"], stats["queue"]["count"]) == (len(rows), 1, len(rows))
        assert told["execution_count"] == sum(batch["compute_infer"]["count"] for batch in told["batch_stats"]) <= len(rows)
        assert sum(batch["batch_size"] * batch["compute_infer"]["count"] for batch in told["batch_stats"]) == sum(rows)
        parts = sum(stats[name]["ns"] for name in ("queue", "compute_input", "compute_infer", "compute_output"))
        assert 0 < stats["compute_infer"]["ns"] < parts <= stats["success"]["ns"] <= took * len(rows) * 1e9
        assert abs(told["last_inference"] / 1000 - time.time()) < 60
        assert made.statistics() == [told]
        with pytest.raises(ZeroMindError) as caught:
            made.statistics("other")
        assert caught.value.kind is ErrorKind.MODEL_NOT_FOUND
        await made.close()

    asyncio.run(main())


def test_whoever_leaves_in_the_moment_in_which_the_model_has_loaded_is_not_answered(configured, tales):
    async def main():
        made = Engine(configured(tasks=[{**tales, "isolation": "thread"}]))
        made.start()
        while not made.registry.models():  # noqa: ASYNC110 - it is a matter of turns of the loop
            await asyncio.sleep(0)
        (model,) = made.registry.models()
        answers = []
        request = made.submit("tales", asked(parameters={"times": 1 << 40}), answers.append, streaming=True)
        await asyncio.sleep(0)
        await model.settled()
        request.withdraw()
        await made.started()
        assert (await made.infer("tales", asked())).outputs["sum"].tolist() == [3.0]
        assert answers == []
        await made.close()

    asyncio.run(main())


def test_a_request_may_have_less_time_than_its_task_gives(configured):
    async def main():
        made = Engine(configured(tasks=[LAB]))
        made.start()
        await made.started()
        orders = np.array([b"sleep:0.5"], object)
        start = time.monotonic()
        with pytest.raises(ZeroMindError) as caught:
            await made.infer("lab", lambda _: InferRequest({"order": orders}, timeout_s=0.1))
        assert caught.value.kind is ErrorKind.DEADLINE
        assert time.monotonic() - start < 0.5
        assert made.statistics("lab")[0]["inference_stats"]["fail"]["count"] == 1
        await made.close()

    asyncio.run(main())


def test_outputs_go_past_their_filters_where_none_are_wanted(configured):
    task = {**SUM, "output_filters": {"sum": [{"filter": "own.Scale", "by": 10}]}, "labels": {"sum": ["a", "b"]}}

    async def main():
        made = Engine(configured(tasks=[task], filter_folders=["filters"]))
        made.start()
        await made.started()
        assert (await made.interface("sum")).labels == {"sum": ("a", "b")}
        filtered, bare = await asyncio.gather(made.infer("sum", asked()), made.infer("sum", asked(filters=False)))
        assert (filtered.outputs["sum"].data, bare.outputs["sum"].tolist()) == (b"[30.0]", [3.0])
        await made.close()

    asyncio.run(main())


def test_timelines_are_written_when_asked_for(configured, tmp_path):
    async def main():
        made = Engine(configured(tasks=[SUM], trace_file=str(tmp_path / "trace.json")))
        made.start()
        await made.started()
        await made.infer("sum", asked())
        made.trace.change({"trace_level": ["TIMESTAMPS"], "trace_rate": "1"}, "sum")
        await made.infer("sum", asked(id="7"))
        await made.close()

    asyncio.run(main())
    head, timeline = json.loads((tmp_path / "trace.json").read_text())
    assert (head["model_name"], head["request_id"]) == ("sum", "7")
    times = [stamp["ns"] for stamp in timeline["timestamps"]]
    assert times == sorted(times)


# --- requests


@pytest.fixture
def engine(configured):
    """Run a coroutine function with an engine that serves ``sum`` and ``kinds``, and loads ``slow``."""

    def run(body):
        async def main():
            tasks = [{"model_type": "python", "isolation": "thread", "id": name, "model_file": f"{name}.py"} for name in ("sum", "kinds")]
            made = Engine(configured(tasks=[*tasks, {**SLOW, "load_s": 0.5, "isolation": "thread"}]))
            complaints = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
            made.start()
            await asyncio.sleep(0.05)
            await asyncio.gather(*map(made.interface, ("sum", "kinds")))
            await body(made)
            await made.close()
            assert complaints == []

        asyncio.run(main())

    return run


def test_what_waits_for_a_model_that_loads_is_bounded_as_what_waits_for_one_that_has(engine):
    async def body(made):
        most = made.config.max_queue_bytes

        def ask(nbytes):
            return asyncio.create_task(made.infer("slow", lambda _: InferRequest({"x": np.ones(1, np.float32)}), nbytes))

        async def refused(nbytes):
            with pytest.raises(ZeroMindError, match="which is loading") as caught:
                await ask(nbytes)
            assert caught.value.kind is ErrorKind.BUSY

        left = ask(2 * most)  # a single one may be of any size
        await refused(1)
        left.cancel()
        await asyncio.wait([left])
        calls = [ask(most // 2), ask(most // 2)]
        await refused(1)
        calls += [ask(0) for _ in range(made.config.max_queue - 2)]
        await refused(0)
        assert {answer.outputs["y"][0] for answer in await asyncio.gather(*calls)} == {1}
        assert (await ask(2 * most)).outputs["y"].tolist() == [1]

    engine(body)


def test_inputs_that_disagree_in_rows_are_refused_before_they_are_joined_with_others(engine):
    def decode(one, other):
        values = {"float": np.zeros((one, 2), np.float32), "text": np.full((other, 1), b"a", object)}
        more = {name: np.zeros(one, dtype) for name, dtype in (("half", "f2"), ("int", "i8"), ("byte", "u1"), ("flag", "?"))}
        return lambda _: InferRequest(values | more)

    async def body(made):
        calls = [made.infer("kinds", decode(*rows)) for rows in ((1, 2), (2, 1), (1, 1))]
        first, second, good = await asyncio.gather(*calls, return_exceptions=True)
        for refused in (first, second):
            assert refused.kind is ErrorKind.INVALID_INPUT
            assert "different numbers of rows: [1, 2]" in refused.message
        assert good.outputs["float_out"].shape == (1, 2)

    engine(body)


@pytest.mark.parametrize("model", ["sum", "slow"])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_request_that_is_cancelled_at_any_moment_is_forgotten(engine, model, turns, caplog):
    async def body(made):
        call = asyncio.create_task(made.infer(model, lambda _: row(1)))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        assert isinstance((await asyncio.gather(call, return_exceptions=True))[0], (asyncio.CancelledError, tuple))
        await made.started()
        assert not made._busy
        assert (await made.infer("sum", lambda _: row(1))).outputs["sum"].tolist() == [3]

    engine(body)
    assert "could not be delivered" not in caplog.text


def test_what_is_withdrawn_is_never_answered(engine):
    async def body(made):
        answers = []
        early = made.submit("slow", lambda _: InferRequest({"x": np.zeros(1, np.float32)}), answers.append)
        late = made.submit("slow", lambda _: InferRequest({"x": np.zeros(1, np.float32)}), answers.append)
        await asyncio.sleep(0)
        early.withdraw()
        await late._submitting
        late.withdraw()  # its model has loaded, it has been sent
        late.withdraw()
        await made.infer("slow", lambda _: InferRequest({"x": np.zeros(1, np.float32)}))
        assert answers == []

    engine(body)


def test_a_request_for_a_loading_model_is_answered_whatever_its_decoding_raises(engine, caplog):
    def refuse(_):
        raise ZeroMindError(ErrorKind.INVALID_INPUT, "no")

    async def body(made):
        answers = await asyncio.gather(made.infer("slow", refuse), made.infer("slow", lambda _: 1 // 0), return_exceptions=True)
        assert [answer.kind for answer in answers] == [ErrorKind.INVALID_INPUT, ErrorKind.PREDICT_UNKNOWN]
        assert "zero" not in str(answers[1])

    engine(body)
    assert "ZeroDivisionError" in caplog.text


# --- loads and drops while the pool serves


def test_a_slow_load_holds_nobody_up(spare, beside):
    loading = beside(spare.load, {**SLOW, "load_s": 1})
    count = 0
    while not loading.done():
        check_neighbour(spare)
        count += 1
    assert loading.result().status == 200
    assert count > 20


def test_of_racing_loads_one_wins(spare, beside):
    answers = [one.result() for one in [beside(spare.load, {**SUM, "id": "race"}) for _ in range(6)]]
    assert sorted(answer.status for answer in answers) == [200] + [409] * 5
    assert {answer.error["code"] for answer in answers if answer.status != 200} == {103}
    assert spare.predict("race", ROW).status == 200


def test_a_drop_ends_a_load_that_is_under_way(spare, beside):
    loading = beside(spare.load, {**SLOW, "load_s": 30})
    time.sleep(0.3)
    waiting = beside(spare.predict, "slow", {"x": [1]})
    time.sleep(0.1)
    dropped = spare.drop("slow")
    assert (dropped.status, dropped.json["model_id"]) == (200, "slow")
    assert (loading.result().status, loading.result().error["code"]) == (409, 6)
    assert (waiting.result().status, waiting.result().error["code"]) == (404, 108)


def test_a_drop_answers_what_runs_and_refuses_what_comes(spare, beside, is_gone):
    spare.load({**LAB, "id": "short"})
    pid = spare.pid("short")
    running = beside(spare.predict, "short", {"order": ["sleep:0.4"]})
    time.sleep(0.1)
    dropping = beside(spare.drop, "short")
    time.sleep(0.1)
    assert spare.predict("short", {"order": ["a"]}).status == 404
    assert spare.load({**LAB, "id": "short"}).status == 409
    assert dropping.result().status == 200
    assert running.result().json["result"]["echo"] == ["sleep:0.4"]
    assert is_gone(pid)


def test_predictions_during_loads_and_drops_of_their_model_are_right_or_404(spare, beside):
    end = threading.Event()

    def hammer():
        seen = set()
        while not end.is_set():
            answer = spare.predict("turn", ROW)
            assert answer.status == 404 or answer.json["result"] == {"sum": [6]}
            seen.add(answer.status)
        return seen

    clients = [beside(hammer) for _ in range(3)]
    for _ in range(3):
        assert spare.load({**SUM, "id": "turn"}).status == 200
        time.sleep(0.05)
        assert spare.drop("turn").status == 200
    end.set()
    assert set.union(*(client.result() for client in clients)) == {200, 404}


def test_a_client_that_leaves_while_its_model_loads_leaves_the_pool_whole(spare, waiting):
    with pytest.raises(TimeoutError):
        spare.load({**SLOW, "load_s": 0.5}, timeout=0.2)
    waiting(lambda: "slow" in spare.ids())
    assert spare.predict("slow", {"x": [1]}).status == 200


# --- crashes and hangs


@pytest.mark.parametrize("word", ["exit:1", "exit:0", "signal:SIGSEGV", "signal:SIGKILL"])
def test_a_crash_fails_its_request_only_and_the_worker_is_back(pool, word, is_gone):
    pid = pool.pid()
    answer = pool.predict("lab", {"order": [word]})
    assert (answer.status, answer.error["code"]) == (500, 9)
    check_neighbour(pool)
    back = pool.pid()
    assert back != pid
    assert is_gone(pid)


def test_a_crash_beside_others_fails_no_other(spare, beside):
    pool = spare
    pool.load({**LAB, "id": "fresh"})
    words = [f"echo:{number}" for number in range(8)]
    first = beside(pool.predict, "fresh", {"order": ["sleep:0.2"]})
    time.sleep(0.05)
    calls = [beside(pool.predict, "fresh", {"order": [word]}) for word in [*words[:4], "exit:9", *words[4:]]]
    statuses = [call.result().status for call in calls]
    assert statuses == [200] * 4 + [500] + [200] * 4
    assert first.result().status == 200


def test_a_hang_is_answered_in_time_and_its_worker_replaced(pool, is_gone):
    pid = pool.pid("hasty")
    start = time.monotonic()
    answer = pool.predict("hasty", {"order": ["sleep:60"]})
    assert (answer.status, answer.error["code"]) == (504, 107)
    assert time.monotonic() - start < 10
    check_neighbour(pool)
    back = None
    while back is None:
        answer = pool.predict("hasty", {"order": ["echo"]})
        assert answer.status in (200, 504)
        assert time.monotonic() - start < 30
        back = answer.json["result"]["pid"][0] if answer.status == 200 else None
    assert back != pid
    assert is_gone(pid)


def test_a_full_queue_says_when_to_come_again(thread_server, beside):
    with thread_server(tasks=[LAB], max_queue=2) as pool:
        running = beside(pool.predict, "lab", {"order": ["sleep:4"]})
        time.sleep(0.1)
        queued = [beside(pool.predict, "lab", {"order": ["a"]})]  # it is staged
        time.sleep(0.1)
        queued += [beside(pool.predict, "lab", {"order": ["a"]}) for _ in range(2)]
        time.sleep(0.1)
        start = time.monotonic()
        answer = pool.predict("lab", {"order": ["b"]})
        assert time.monotonic() - start < 3, "at once, while the model runs"
        assert (answer.status, answer.error["code"], answer.headers["Retry-After"]) == (503, 106, "1")
        assert [one.result().status for one in (running, *queued)] == [200] * 4


def test_a_request_behind_a_hang_is_answered_in_its_own_time(pool, beside):
    hangs = beside(pool.predict, "hasty", {"order": ["sleep:60"]})
    time.sleep(0.5)
    start = time.monotonic()
    assert pool.predict("hasty", {"order": ["a"]}).status == 504
    assert time.monotonic() - start < 10
    assert hangs.result().status == 504


def test_nothing_keeps_an_answers_memory(thread_server):
    """Answers lie in memory that belongs to the next batch: whoever looks at it longer would see that one's."""
    with thread_server(tasks=[SUM]) as pool:
        arena = pool.server.engine.registry.get("sum").workers[0].current._arena
        for _ in range(3):
            assert pool.predict("sum", ROW).json["result"] == {"sum": [6]}
        kept = asyncio.run_coroutine_threadsafe(pool.server.engine.infer("sum", lambda _: row(1)), pool.loop).result(10)
        asyncio.run_coroutine_threadsafe(pool.server.engine.infer("sum", lambda _: row(2)), pool.loop).result(10)
        assert kept.outputs["sum"].tolist() == [3]
        assert pool.drop("sum").status == 200
        assert arena._map.closed


def test_many_clients_get_their_own_answers(pool, beside):
    def ask(number):
        return pool.predict("sum", {"x": [[number, 0, 0]] * (number % 4 + 1)}).json["result"]["sum"]

    calls = [beside(ask, number) for number in range(200)]
    assert [call.result() for call in calls] == [[number] * (number % 4 + 1) for number in range(200)]


# --- start and stop


def test_a_pool_answers_while_its_models_load_and_holds_requests_for_them(configured):
    async def main():
        engine = Engine(configured(tasks=[{**SLOW, "load_s": 0.5}, SUM]))
        engine.start()
        assert not engine.ready
        await asyncio.sleep(0.05)
        interface = await engine.interface("slow")
        assert interface.adapter == "python"
        await engine.started()
        assert engine.ready
        await engine.close()
        assert not engine.ready

    asyncio.run(main())


def test_readiness_comes_after_the_last_model_and_goes_with_the_stop(spawn, beside, waiting, models):
    pool = spawn(wait=False, tasks=[{**SLOW, "load_s": 1.5}, SUM], port=0, grpc_port=0)

    def address():
        found = [link.laddr for link in psutil.Process(pool.process.pid).net_connections() if link.status == psutil.CONN_LISTEN]
        return found and f"{found[0].ip}:{found[0].port}"

    waiting(address)
    pool.address = address()
    assert pool.get("/v2/health/live").status == 200
    assert pool.get("/v2/health/ready").status == 400
    answer = pool.predict("slow", {"x": [5]})
    assert answer.json["result"] == {"y": [5]}
    waiting(lambda: pool.get("/v2/health/ready").status == 200, 5)


def test_a_request_for_a_model_that_does_not_load_in_time_is_told_so(configured):
    async def main():
        engine = Engine(configured(tasks=[{**SLOW, "load_s": 5, "timeout_s": 0.1}]))
        engine.start()
        await asyncio.sleep(0.05)
        with pytest.raises(ZeroMindError) as caught:
            await engine.interface("slow")
        assert caught.value.kind is ErrorKind.DEADLINE
        await engine.close()

    asyncio.run(main())


def test_a_pool_that_stops_before_its_models_have_loaded_leaves_no_worker(configured, is_gone):
    async def main():
        engine = Engine(configured(tasks=[{**SLOW, "load_s": 30}, SUM]))
        engine.start()
        await asyncio.sleep(0.4)
        pids = [worker.current.pid for model in engine.registry.models() for worker in model.workers]
        await asyncio.wait_for(engine.close(), 10)
        assert len(pids) == 2
        assert all(is_gone(pid) for pid in pids)

    asyncio.run(main())


def test_several_pools_live_in_one_process(configured):
    async def main():
        engines = [Engine(configured(id=number, tasks=[{**SUM, "isolation": "thread"}])) for number in (1, 2)]
        for engine in engines:
            engine.start()
        await asyncio.gather(*(engine.started() for engine in engines))
        await engines[0].drop("sum")
        assert [engine.registry.ids() for engine in engines] == [[], ["sum"]]
        await asyncio.gather(*(engine.close() for engine in engines))

    asyncio.run(main())


def test_a_stopping_pool_accepts_nothing(configured):
    async def main():
        engine = Engine(configured())
        engine.start()
        engine.stop()
        for call in (engine.load(SUM), engine.drop("sum"), engine.infer("sum", lambda interface: None)):
            with pytest.raises(ZeroMindError) as caught:
                await call
            assert caught.value.kind is ErrorKind.SHUTTING_DOWN
        await engine.close()

    asyncio.run(main())


# --- signals, and what survives them


def test_sigterm_lets_accepted_requests_finish(spawn, beside, is_gone):
    pool = spawn(tasks=[LAB, {**LAB, "id": "other", "instances": 2}])
    workers = pool.workers()
    assert len(workers) == 3
    slow = beside(pool.predict, "lab", {"order": ["sleep:1"]})
    time.sleep(0.3)
    pool.signal()
    assert slow.result().json["result"]["echo"] == ["sleep:1"]
    assert pool.wait(10) == 0
    assert all(is_gone(pid) for pid in workers)
    assert pool.complaints() == []


def test_what_does_not_finish_within_the_drain_time_is_answered_all_the_same(spawn, beside, is_gone):
    pool = spawn(tasks=[LAB], drain_s=0.3)
    workers = pool.workers()
    slow = beside(pool.predict, "lab", {"order": ["sleep:20"]})
    time.sleep(0.3)
    start = time.monotonic()
    pool.signal()
    assert pool.wait(10) == 0
    assert time.monotonic() - start < 4
    assert (slow.result().status, slow.result().error["code"]) == (503, 106)
    assert all(is_gone(pid) for pid in workers)
    assert pool.complaints() == []


def test_a_second_signal_cuts_the_drain_short(spawn, beside, is_gone):
    pool = spawn(tasks=[LAB], drain_s=30)
    workers = pool.workers()
    call = beside(pool.predict, "lab", {"order": ["sleep:20"]})
    time.sleep(0.3)
    pool.signal()
    time.sleep(0.3)
    pool.signal()
    assert pool.wait(5) == 0
    assert (call.result().status, call.result().error["code"]) == (503, 106)
    assert all(is_gone(pid) for pid in workers)
    assert pool.complaints() == []


def test_no_worker_outlives_a_killed_server(spawn, beside, is_gone, waiting):
    tasks = [SUM, LAB, {**SLOW, "load_s": 0}]
    pool = spawn(tasks=tasks)
    hangs = beside(pool.predict, "lab", {"order": ["sleep:60"]})
    loads = beside(pool.load, {**SLOW, "id": "later", "load_s": 60})
    waiting(lambda: len(pool.workers()) == 4)
    time.sleep(0.5)
    workers = pool.workers()
    pool.process.kill()
    pool.wait()
    start = time.monotonic()
    waiting(lambda: all(is_gone(pid) for pid in workers), 10)
    assert time.monotonic() - start < 10
    for call in (hangs, loads):
        assert call.exception() is not None


GRIP = """
import ctypes

class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"y": ("float32", [None])}

    def predict(self, x):
        ctypes.PyDLL(None).sleep(60)  # no other thread of this process runs meanwhile
        return x
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there does the system end the children of a process that died")
def test_not_even_a_worker_that_lets_no_other_thread_run_outlives_a_killed_server(spawn, beside, is_gone, waiting, tmp_path):
    (tmp_path / "grip.py").write_text(GRIP)
    pool = spawn(tasks=[{"id": "grip", "model_type": "python", "model_file": str(tmp_path / "grip.py"), "allow_code": True}])
    (worker,) = pool.workers()
    call = beside(pool.predict, "grip", {"x": [1]})
    time.sleep(0.5)
    assert not call.done()
    pool.process.kill()
    pool.wait()
    waiting(lambda: is_gone(worker), 5)
    assert call.exception() is not None


def test_what_clients_loaded_and_dropped_survives_a_kill(spawn, tmp_path):
    keys = {"tasks": [SUM, {**SUM, "id": "unwanted"}], "state_dir": str(tmp_path / "state")}
    pool = spawn(**keys)
    assert pool.load({**LAB, "id": "mine"}).status == 200
    assert pool.load({**LAB, "id": "brief"}).status == 200
    assert pool.drop("brief").status == 200
    assert pool.drop("unwanted").status == 200
    pool.process.kill()
    pool.wait()
    again = spawn(**keys)
    assert again.ids() == ["mine", "sum"]
    assert again.predict("mine", {"order": ["a"]}).json["result"]["echo"] == ["a"]
    assert again.load({**SUM, "id": "unwanted"}).status == 200
    again.process.kill()
    again.wait()
    assert spawn(**keys).ids() == ["mine", "sum", "unwanted"]
