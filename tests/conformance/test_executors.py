"""What every executor promises, whichever side of the process boundary its model is on."""

import asyncio
import time

import numpy as np
import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.order import Order
from zeromind.executor.process import ProcessExecutor
from zeromind.executor.thread import ThreadExecutor
from zeromind.tensors import Encoded, InferRequest

pytestmark = pytest.mark.parametrize("make", [ProcessExecutor, ThreadExecutor])


@pytest.fixture
def order(models):
    def build(name, **task):
        file = str(models / name)
        whole = {"id": "t", "model_type": "python", "model_file": file, **task}
        return Order(whole, file, (str(models),), False, True, filter_folders=(str(models / "filters"),))

    return build


def run(made, body, load_timeout_s=20):
    async def main():
        try:
            return await body(made, await made.start(load_timeout_s))
        finally:
            await asyncio.wait_for(made.stop(), 10)
            assert not made.alive

    return asyncio.run(main())


def orders(*words):
    array = np.empty(len(words), object)
    array[:] = [word.encode() for word in words]
    return InferRequest({"order": array})


def test_it_loads_answers_and_measures(make, order):
    async def body(made, interface):
        assert made.alive
        assert (interface.adapter, [spec.name for spec in interface.spec.inputs]) == ("python", ["order"])
        (answer,) = await made.run([orders("a", "é")], 5)
        assert answer.outputs["echo"].tolist() == [b"a", "é".encode()]
        assert answer.outputs["batch"].tolist() == [2, 2]
        assert answer.model_time > 0
        assert made.memory() >= 0

    run(make(order("lab.py")), body)


def test_each_request_of_a_batch_gets_its_own_answer(make, order):
    async def body(made, _):
        answers = await made.run([orders("a"), orders("refuse"), orders("fail"), orders("b", "c")], 5)
        assert answers[0].outputs["echo"].tolist() == [b"a"]
        assert (answers[1].kind, answers[1].message.endswith("not this one")) == (ErrorKind.INVALID_INPUT, True)
        assert answers[2].kind is ErrorKind.PREDICTION_FAILED
        assert "secret" not in answers[2].message
        assert answers[3].outputs["echo"].tolist() == [b"b", b"c"]

    run(make(order("lab.py")), body)


def test_a_skill_that_wants_to_leave_only_fails_its_request(make, order):
    async def body(made, _):
        (answer,) = await made.run([orders("leave:0")], 5)
        assert answer.kind is ErrorKind.PREDICTION_FAILED
        (answer,) = await made.run([orders("a")], 5)
        assert answer.outputs["echo"].tolist() == [b"a"]

    run(make(order("lab.py")), body)


def test_every_datatype_crosses(make, order):
    values = {
        "float": np.array([[1, np.nan]], np.float32), "half": np.array([0.5], np.float16), "int": np.array([-(2**63)]),
        "byte": np.array([255], np.uint8), "flag": np.array([True]), "text": np.array([[b"\0"]], object),
    }  # fmt: skip

    async def body(made, _):
        (answer,) = await made.run([InferRequest(values)], 5)
        for name, value in values.items():
            assert answer.outputs[f"{name}_out"].dtype == value.dtype
            np.testing.assert_array_equal(answer.outputs[f"{name}_out"], value)

    run(make(order("kinds.py")), body)


def test_large_tensors_cross_whole(make, order):
    async def body(made, _):
        rows = np.arange(3 << 20, dtype=np.float32).reshape(-1, 3)
        (answer,) = await made.run([InferRequest({"x": rows})], 10)
        np.testing.assert_array_equal(answer.outputs["sum"], rows.sum(axis=1))

    run(make(order("sum.py")), body)


def test_filters_run_beside_the_model(make, order):
    async def body(made, interface):
        assert interface.filtered_inputs == {"x"}
        good, bad = await made.run([InferRequest({"x": Encoded("application/json", text)}) for text in (b'["1 2 3"]', b'["a"]')], 5)
        assert good.outputs["sum"].data == b"[12.0]"
        assert bad.kind is ErrorKind.FILTER_REFUSED

    run(make(order("sum.py", input_filters={"x": ["own.Split"]}, output_filters={"sum": ["own.Scale"]})), body)


@pytest.mark.parametrize(
    ("task", "kind"),
    [({"x": 1}, ErrorKind.TASK_ATTRIBUTE), ({"model_type": "abacus"}, ErrorKind.MODEL_TYPE_UNKNOWN),
     ({"model_type": "onnx"}, ErrorKind.LOAD_FAILED), ({"id": None}, ErrorKind.TASK_ATTRIBUTE)],
)  # fmt: skip
def test_what_loading_raises_reaches_the_caller(make, order, task, kind):
    async def body(made, interface):
        raise AssertionError(interface)

    with pytest.raises(ZeroMindError) as caught:
        run(make(order("lab.py", **task)), body)
    assert caught.value.kind is kind


def test_loading_has_an_end(make, order):
    async def body(made, interface):
        raise AssertionError(interface)

    start = time.monotonic()
    with pytest.raises(ZeroMindError) as caught:
        run(make(order("slow.py", load_s=10)), body, load_timeout_s=0.5)
    assert caught.value.kind is ErrorKind.LOAD_FAILED
    assert "load_timeout_s" in caught.value.message
    assert time.monotonic() - start < 6


def test_a_model_that_hangs_is_given_up(make, order):
    async def body(made, _):
        start = time.monotonic()
        with pytest.raises(ZeroMindError) as caught:
            await made.run([orders("sleep:30")], 0.1)
        assert caught.value.kind is ErrorKind.WORKER_CRASHED
        assert time.monotonic() - start < 4
        assert not made.alive

    run(make(order("lab.py")), body)


def test_a_call_that_is_cancelled_does_not_answer_the_next_one(make, order):
    async def body(made, _):
        call = asyncio.create_task(made.run([orders("sleep:30")], 60))
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not made.alive

    run(make(order("lab.py")), body)


def test_stopping_what_never_started_is_nothing(make, order):
    asyncio.run(make(order("lab.py")).stop())
