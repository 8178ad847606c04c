"""What every executor promises, whichever side of the process boundary its model is on."""

import asyncio
import threading
import time

import numpy as np
import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.arena import SLOT_BYTES, SLOTS
from zeromind.executor.order import Order
from zeromind.executor.process import ProcessExecutor
from zeromind.executor.thread import ThreadExecutor
from zeromind.scheduler.dispatcher import Dispatcher
from zeromind.scheduler.queue import BatchQueue
from zeromind.tensors import Encoded, InferRequest

pytestmark = pytest.mark.parametrize("kind", [ProcessExecutor, ThreadExecutor])

SKILL = """
import numpy as np

class Skill:
    inputs = {{"x": ("{dtype}", {shape})}}
    outputs = {{"y": ("{dtype}", {shape})}}

    def predict(self, x):
        {body}
"""
SPOILER = """bad = (x < 0).any()
        x += 100
        if bad:
            raise ValueError("a negative number")
        return x"""
REUSING = """self.out = getattr(self, "out", np.zeros((8, 1), np.float32))
        self.out[: len(x)] = x
        return self.out[: len(x)]"""


@pytest.fixture
def order(models, tmp_path):
    """A function: the order for one of the shared skills, or for one whose ``predict`` has that body."""

    def build(name, body="", shape="[None]", dtype="float32", **task):
        file = models / name
        if body:
            file = tmp_path / name
            file.write_text(SKILL.format(body=body, shape=shape, dtype=dtype))
        whole = {"id": "t", "model_type": "python", "model_file": str(file), **task}
        return Order(whole, str(file), (str(models),), False, True, filter_folders=(str(models / "filters"),))

    return build


def run(kind, order, body, load_timeout_s=20):
    """Run a coroutine function with a started executor and its interface."""

    async def main():
        made = kind(order, lambda: made.rooms.append(1), lambda: made.deaths.append(1))
        made.rooms, made.deaths = [], []
        try:
            return await body(made, await made.start(load_timeout_s))
        finally:
            await asyncio.wait_for(made.stop(), 10)
            assert not made.alive
            assert not made.under_way

    return asyncio.run(main())


def send(made, *requests, rows=1):
    """A future of the outcome of a batch; ``rows`` of each, or a list."""
    future = asyncio.get_running_loop().create_future()

    def answered(outcome):
        assert not future.done(), "answered twice"
        future.set_result(outcome if isinstance(outcome, ZeroMindError) else [kept(answer) for answer in outcome])

    made.send(requests, rows if isinstance(rows, list) else [rows] * len(requests), answered)
    assert not future.done(), "answered from within"
    return future


def kept(answer):
    return answer if isinstance(answer, ZeroMindError) else answer.copy()


def pooled(kind, order, body, max_rows=32):
    """Run a coroutine function with a dispatcher over an executor, and a function that submits a request and gives a future."""

    async def inner(made, interface):
        dispatcher = Dispatcher([made], BatchQueue(max_rows, 1000, 1 << 30))
        made._on_room = dispatcher.pump

        def ask(request, reply=kept):
            future = asyncio.get_running_loop().create_future()
            dispatcher.submit(request, time.monotonic() + 20, lambda answer: future.set_result(reply(answer)))
            return future

        await body(ask)
        await dispatcher.close()

    run(kind, order, inner)


def orders(*words):
    array = np.empty(len(words), object)
    array[:] = [word.encode() for word in words]
    return InferRequest({"order": array})


def x(*values, dtype=np.float32):
    return InferRequest({"x": np.array(values, dtype)})


def test_it_loads_answers_and_measures(kind, order):
    async def body(made, interface):
        assert made.alive
        assert made.room
        assert (interface.adapter, [spec.name for spec in interface.spec.inputs]) == ("python", ["order"])
        future = send(made, orders("a", "é"), rows=2)
        assert made.under_way == 1
        (answer,) = await future
        assert answer.outputs["echo"].tolist() == [b"a", "é".encode()]
        assert answer.outputs["batch"].tolist() == [2, 2]
        assert answer.model_time > 0
        assert made.memory() >= 0
        assert (made.under_way, made.room, made.rooms, made.deaths) == (0, True, [1], [])

    run(kind, order("lab.py"), body)


def test_each_request_of_a_batch_gets_its_own_part(kind, order):
    async def body(made, _):
        one, two = await send(made, x([1], [2]), x([3], [4]), rows=2)
        assert (one.outputs["y"].tolist(), two.outputs["y"].tolist()) == ([[2], [4]], [[6], [8]])

    run(kind, order("skill.py", "return 2 * x", "[None, 1]"), body)


def test_each_request_of_a_batch_gets_its_own_answer(kind, order):
    async def body(ask):
        answers = await asyncio.gather(*map(ask, [orders("a"), orders("refuse"), orders("fail"), orders("b", "c")]))
        assert answers[0].outputs["echo"].tolist() == [b"a"]
        assert (answers[1].kind, answers[1].message.endswith("not this one")) == (ErrorKind.INVALID_INPUT, True)
        assert answers[2].kind is ErrorKind.PREDICTION_FAILED
        assert "secret" not in answers[2].message
        assert answers[3].outputs["echo"].tolist() == [b"b", b"c"]

    pooled(kind, order("lab.py"), body)


def test_a_model_that_spoils_its_input_and_fails_costs_the_others_nothing(kind, order):
    async def body(ask):
        answers = await asyncio.gather(*(ask(x([number])) for number in (0, 1, -1, 2)))
        assert [getattr(answer, "kind", None) for answer in answers] == [None, None, ErrorKind.INVALID_INPUT, None]
        assert [answers[at].outputs["y"].tolist() for at in (0, 1, 3)] == [[[100]], [[101]], [[102]]]

    pooled(kind, order("skill.py", SPOILER, "[None, 1]"), body)


def test_a_model_that_uses_its_output_again_spoils_no_answer(kind, order):
    def slowly(answer):
        before = answer.outputs["y"].copy()
        time.sleep(0.02)
        np.testing.assert_array_equal(answer.outputs["y"], before)
        return float(before.item())

    async def body(ask):
        answers = await asyncio.gather(*(ask(x([number]), slowly) for number in range(6)))
        assert answers == list(range(6))

    pooled(kind, order("skill.py", REUSING, "[None, 1]"), body, max_rows=1)


@pytest.mark.parametrize(
    ("body", "wanted"), [("return x", [1, 2, 3]), ("return x[::-1]", [3, 2, 1]), ("return np.broadcast_to(x[:1], x.shape)", [1, 1, 1])]
)
def test_an_output_may_be_a_view_of_the_input(kind, order, body, wanted):
    async def ask(made, _):
        for _ in range(3):
            one, two = await send(made, x([1]), x([2], [3]), rows=[1, 2])
            assert [*one.outputs["y"].ravel(), *two.outputs["y"].ravel()] == wanted

    run(kind, order("skill.py", body, "[None, 1]"), ask)


def test_a_skill_that_wants_to_leave_only_fails_its_request(kind, order):
    async def body(made, _):
        assert (await send(made, orders("leave:0"))).kind is ErrorKind.PREDICTION_FAILED
        (answer,) = await send(made, orders("a"))
        assert answer.outputs["echo"].tolist() == [b"a"]

    run(kind, order("lab.py"), body)


def test_every_datatype_crosses(kind, order):
    values = {
        "float": np.array([[1, np.nan]], np.float32), "half": np.array([0.5], np.float16), "int": np.array([-(2**63)]),
        "byte": np.array([255], np.uint8), "flag": np.array([True]), "text": np.array([[b"\0"]], object),
    }  # fmt: skip

    async def body(made, _):
        for answer in await send(made, InferRequest(values), InferRequest(values)):
            for name, value in values.items():
                assert answer.outputs[f"{name}_out"].dtype == value.dtype
                np.testing.assert_array_equal(answer.outputs[f"{name}_out"], value)

    run(kind, order("kinds.py"), body)


@pytest.mark.parametrize("shape", [(0,), (1, 0)])
def test_empty_tensors_cross(kind, order, shape):
    async def body(made, _):
        (answer,) = await send(made, InferRequest({"x": np.zeros(shape, np.float32)}), rows=shape[0])
        assert answer.outputs["y"].shape == shape

    run(kind, order("skill.py", "return x", str([None] * len(shape))), body)


def test_tensors_of_64_mb_cross_both_ways(kind, order):
    async def body(made, _):
        big = np.arange(16 << 20, dtype=np.float32)
        (answer,) = await send(made, InferRequest({"x": big}), rows=len(big))
        np.testing.assert_array_equal(answer.outputs["y"], big)

    run(kind, order("skill.py", "return x"), body)


def test_tens_of_thousands_of_requests_make_one_batch(kind, order):
    count = 65_536
    requests = [x(number % 251, dtype=np.uint8) for number in range(count)]

    async def body(made, _):
        answers = await send(made, *requests)
        assert len(answers) == count
        assert [int(answer.outputs["y"][0]) for answer in answers[::4999]] == [number % 251 for number in range(0, count, 4999)]

    run(kind, order("skill.py", "return x", dtype="uint8"), body)


def test_filters_run_around_the_model(kind, order):
    async def body(made, interface):
        assert interface.filtered_inputs == {"x"}
        good, bad = await send(made, *(InferRequest({"x": Encoded("application/json", text)}) for text in (b'["1 2 3"]', b'["a"]')))
        assert good.outputs["sum"].data == b"[12.0]"
        assert bad.kind is ErrorKind.FILTER_REFUSED

    run(kind, order("sum.py", input_filters={"x": ["own.Split"]}, output_filters={"sum": ["own.Scale"]}), body)


@pytest.mark.parametrize(
    ("task", "fault"),
    [({"x": 1}, ErrorKind.TASK_ATTRIBUTE), ({"model_type": "abacus"}, ErrorKind.MODEL_TYPE_UNKNOWN),
     ({"model_type": "onnx"}, ErrorKind.LOAD_FAILED), ({"id": None}, ErrorKind.TASK_ATTRIBUTE)],
)  # fmt: skip
def test_what_loading_raises_reaches_the_caller(kind, order, task, fault):
    async def body(made, interface):
        raise AssertionError(interface)

    with pytest.raises(ZeroMindError) as caught:
        run(kind, order("lab.py", **task), body)
    assert caught.value.kind is fault


def test_loading_has_an_end(kind, order):
    async def body(made, interface):
        raise AssertionError(interface)

    start = time.monotonic()
    with pytest.raises(ZeroMindError) as caught:
        run(kind, order("slow.py", load_s=10), body, load_timeout_s=0.5)
    assert caught.value.kind is ErrorKind.LOAD_FAILED
    assert "load_timeout_s" in caught.value.message
    assert time.monotonic() - start < 6


def test_a_model_that_hangs_can_be_ended(kind, order):
    async def body(made, _):
        start = time.monotonic()
        future = send(made, orders("sleep:6"))
        await asyncio.sleep(0.1)
        made.kill()
        assert not made.room
        assert (await future).kind is ErrorKind.WORKER_CRASHED
        assert time.monotonic() - start < 4
        await asyncio.sleep(0.1)
        assert (made.alive, made.deaths) == (False, [1])

    run(kind, order("lab.py"), body)


def test_stopping_answers_what_still_runs(kind, order):
    async def body(made, _):
        future = send(made, orders("sleep:6"))
        await asyncio.sleep(0.1)
        await asyncio.wait_for(made.stop(), 5)
        assert (await future).kind is ErrorKind.WORKER_CRASHED
        assert made.deaths == []

    run(kind, order("lab.py"), body)


def test_stopping_what_never_started_is_nothing(kind, order):
    before = threading.active_count()
    asyncio.run(kind(order("lab.py"), list, list).stop())
    assert threading.active_count() == before


# --- streams

COUNTING = """
class Skill:
    inputs = {"n": ("int64", [None])}
    outputs = {"i": ("int64", [None]), "big": ("float32", [None])}

    def predict(self, n, parameters):
        for i in range(n[0]):
            if i == parameters.get("fail"):
                raise ValueError("told to fail")
            yield [i], [float(i)] * parameters.get("size", 1)
"""


def counting(n, **parameters):
    return InferRequest({"n": np.array([n])}, parameters=parameters)


@pytest.fixture
def counter(models, tmp_path):
    """The order for a skill that counts to ``n`` in so many responses."""
    file = tmp_path / "counting.py"
    file.write_text(COUNTING)
    return Order({"id": "t", "model_type": "python", "model_file": str(file)}, str(file), (str(models),), False, True)


def streamed(made, request, most=None):
    """A future of a stream's outcomes: the responses, of which no more than ``most`` are wanted, and the last word."""
    future, responses = asyncio.get_running_loop().create_future(), []

    def answered(outcome):
        if isinstance(outcome, ZeroMindError):
            future.set_result((responses, outcome))
            return
        (answer,) = outcome
        if answer.final:
            future.set_result((responses, answer.copy()))
        else:
            responses.append(answer.copy())
            made.go_on(most is None or len(responses) < most)

    made.send([request], [1], answered)
    return future


def test_a_stream_gives_every_response_and_then_an_empty_one(kind, counter):
    async def body(made, interface):
        assert (interface.decoupled, interface.parameters) == (True, True)
        responses, last = await streamed(made, counting(3))
        assert [response.outputs["i"].tolist() for response in responses] == [[0], [1], [2]]
        assert (last.final, last.outputs, last.run.rows) == (True, {}, 1)
        assert last.run.infer_s >= sum(response.run.infer_s for response in responses) * 0.999
        assert (await streamed(made, counting(0)))[0] == []
        assert made.room

    run(kind, counter, body)


def test_large_responses_do_not_overwrite_each_other(kind, counter):
    async def body(made, _):
        responses, _ = await streamed(made, counting(20, size=300_000))
        for number, response in enumerate(responses):
            assert (response.outputs["big"] == number).all()
        assert len(responses) == 20

    run(kind, counter, body)


def test_a_stream_that_fails_keeps_its_good_responses(kind, counter):
    async def body(made, _):
        responses, fault = await streamed(made, counting(5, fail=2))
        assert len(responses) == 2
        assert (fault.kind, "told to fail" in fault.message) == (ErrorKind.INVALID_INPUT, True)
        assert len((await streamed(made, counting(5)))[0]) == 5

    run(kind, counter, body)


def test_a_stream_ends_where_no_more_is_wanted_and_the_next_is_not_concerned(kind, counter):
    async def body(made, _):
        for _ in range(5):
            responses, last = await streamed(made, counting(1 << 40), most=3)
            assert (len(responses), last.final) == (3, True)
            assert len((await streamed(made, counting(4)))[0]) == 4

    run(kind, counter, body)


LAVISH = """
import numpy as np

def predict(n: int) -> int:
    yield 1
    yield np.broadcast_to(np.int64(2), n)
    yield 3
"""


def test_a_response_that_has_no_room_is_the_last_of_its_stream_and_of_no_other(kind, models, tmp_path):
    """In a thread any size has room."""
    file = tmp_path / "lavish.py"
    file.write_text(LAVISH)
    order = Order({"id": "t", "model_type": "python", "model_file": str(file)}, str(file), (str(models),), False, True)

    async def body(made, _):
        for _ in range(SLOTS + 1 if kind is ProcessExecutor else 0):
            responses, last = await asyncio.wait_for(streamed(made, counting(SLOT_BYTES // 8)), 10)
            assert (len(responses), last.kind) == (1, ErrorKind.PREDICTION_FAILED)
            assert "too large" in last.message
        assert len((await asyncio.wait_for(streamed(made, counting(2)), 10))[0]) == 3
        assert made.deaths == []

    run(kind, order, body)


STUBBORN = """
def predict(n: int) -> int:
    try:
        while True:
            yield 1
    finally:
        raise {error}("at the end")
"""


@pytest.mark.parametrize("error", ["KeyError", "SystemExit"])
def test_a_skill_that_fails_when_it_is_told_to_end_costs_nobody_else(kind, models, tmp_path, error):
    file = tmp_path / "stubborn.py"
    file.write_text(STUBBORN.format(error=error))
    order = Order({"id": "t", "model_type": "python", "model_file": str(file)}, str(file), (str(models),), False, True)

    async def body(made, _):
        for _ in range(2):
            responses, last = await streamed(made, counting(1), most=2)
            assert (len(responses), last.final) == (2, True)
        assert made.deaths == []

    run(kind, order, body)


def test_what_a_stream_awaits_does_not_hold_up_its_end(kind, counter):
    """Nobody says whether more is wanted, and the executor is stopped."""

    async def body(made, _):
        finals, come = [], asyncio.Event()

        def answered(outcome):
            finals.append(isinstance(outcome, ZeroMindError) or outcome[0].final)
            come.set()

        made.send([counting(1 << 40)], [1], answered)
        await asyncio.wait_for(come.wait(), 10)
        await made.stop()
        assert finals == [False, True]

    run(kind, counter, body)
