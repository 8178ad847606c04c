"""The lanes that drain a queue: batches form by themselves, every request is answered exactly once."""

import asyncio
import time

import numpy as np
import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.scheduler.dispatcher import Dispatcher
from zeromind.scheduler.queue import BatchQueue
from zeromind.tensors import Encoded, InferRequest, InferResponse


class Bench:
    """A worker that runs when it is told to, and keeps what it got."""

    def __init__(self):
        self.batches = []
        self.go = asyncio.Event()
        self.restarts = 0
        self.dies_of = None
        self.broken = False

    async def ready(self):
        if self.broken:
            await asyncio.sleep(0.01)
            self.restarts += 1
            self.broken = False

    async def run(self, batch, timeout_s):
        self.batches.append([int(request.inputs["x"].flat[0]) for request in batch])
        self.timeout_s = timeout_s
        await self.go.wait()
        if self.dies_of in self.batches[-1]:
            self.broken = True
            raise ZeroMindError(ErrorKind.WORKER_CRASHED, "dead")
        return [
            ZeroMindError(ErrorKind.INVALID_INPUT, "negative") if number < 0 else InferResponse({"y": np.array([number])}, 0.0)
            for number in self.batches[-1]
        ]


def request(number, dtype=np.float32, rows=1):
    return InferRequest({"x": np.full(rows, number, dtype)})


def run(body, workers=1, max_rows=32, max_count=100, at_once=None):
    async def main():
        benches = [Bench() for _ in range(workers)]
        dispatcher = Dispatcher(benches, BatchQueue(max_rows, max_count, 1 << 20))
        try:
            await body(dispatcher, *benches)
        finally:
            for bench in benches:
                bench.go.set()
            await asyncio.wait_for(dispatcher.close(at_once), 5)
            assert dispatcher.pending == 0

    asyncio.run(main())


def later(seconds=5.0):
    return time.monotonic() + seconds


async def submitted(dispatcher, *requests, deadline=None):
    tasks = [asyncio.create_task(dispatcher.submit(one, deadline or later())) for one in requests]
    await asyncio.sleep(0.01)
    return tasks


def test_an_idle_worker_gets_a_single_request_at_once():
    async def body(dispatcher, bench):
        bench.go.set()
        (task,) = await submitted(dispatcher, request(1))
        assert (await task).outputs["y"] == [1]
        assert bench.batches == [[1]]
        assert 4 < bench.timeout_s <= 5

    run(body)


def test_what_waits_while_the_worker_runs_is_the_next_batch():
    async def body(dispatcher, bench):
        tasks = await submitted(dispatcher, request(1))
        tasks += await submitted(dispatcher, request(2), request(3), request(4))
        assert dispatcher.pending == 4
        bench.go.set()
        answers = await asyncio.gather(*tasks)
        assert [int(answer.outputs["y"][0]) for answer in answers] == [1, 2, 3, 4]
        assert bench.batches == [[1], [2, 3, 4]]

    run(body)


def test_a_batch_has_at_most_its_rows():
    async def body(dispatcher, bench):
        tasks = await submitted(dispatcher, request(1))
        tasks += await submitted(dispatcher, *(request(number, rows=2) for number in range(2, 6)))
        bench.go.set()
        await asyncio.gather(*tasks)
        assert bench.batches == [[1], [2, 3], [4, 5]]

    run(body, max_rows=4)


def test_only_what_agrees_is_joined():
    async def body(dispatcher, bench):
        tasks = await submitted(dispatcher, request(1))
        other = InferRequest({"x": np.array([[4.0]], np.float32)})
        tasks += await submitted(dispatcher, request(2), request(3, np.int64), other, request(5), request(6, np.int64))
        bench.go.set()
        await asyncio.gather(*tasks)
        assert bench.batches == [[1], [2, 5], [3, 6], [4]]

    run(body)


def test_encoded_values_are_counted_as_a_row_each():
    class Counter(Bench):
        async def run(self, batch, timeout_s):
            self.batches.append(len(batch))
            await self.go.wait()
            return [InferResponse({}, 0.0)] * len(batch)

    async def main():
        bench = Counter()
        dispatcher = Dispatcher([bench], BatchQueue(2, 100, 1 << 20))
        tasks = await submitted(dispatcher, *(InferRequest({"x": Encoded("application/json", b"[1]")}) for _ in range(5)))
        bench.go.set()
        await asyncio.gather(*tasks)
        await dispatcher.close()
        assert bench.batches == [2, 2, 1]

    asyncio.run(main())


def test_several_workers_run_beside_each_other():
    async def body(dispatcher, first, second):
        tasks = await submitted(dispatcher, request(1))
        tasks += await submitted(dispatcher, request(2))
        assert sorted(first.batches + second.batches) == [[1], [2]]
        first.go.set()
        second.go.set()
        await asyncio.gather(*tasks)

    run(body, workers=2)


def test_one_fault_in_a_batch_stays_with_its_request():
    async def body(dispatcher, bench):
        bench.go.set()
        tasks = await submitted(dispatcher, request(1), request(-1), request(2))
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(answer) for answer in answers] == [InferResponse, ZeroMindError, InferResponse]

    run(body)


def test_a_full_queue_refuses_at_once():
    async def body(dispatcher, bench):
        tasks = await submitted(dispatcher, request(0))
        tasks += await submitted(dispatcher, request(1), request(2))
        with pytest.raises(ZeroMindError) as caught:
            await dispatcher.submit(request(3), later())
        assert caught.value.kind is ErrorKind.BUSY
        bench.go.set()
        await asyncio.gather(*tasks)

    run(body, max_count=2)


def test_a_client_that_leaves_the_queue_does_not_reach_the_model():
    async def body(dispatcher, bench):
        tasks = await submitted(dispatcher, request(1))
        gone, stays = await submitted(dispatcher, request(2), request(3))
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert dispatcher.pending == 2
        bench.go.set()
        await asyncio.gather(*tasks, stays)
        assert bench.batches == [[1], [3]]

    run(body)


def test_a_client_that_leaves_a_running_batch_costs_the_others_nothing():
    async def body(dispatcher, bench):
        gone, stays = await submitted(dispatcher, request(1), request(2))
        gone.cancel()
        bench.go.set()
        assert (await stays).outputs["y"] == [2]

    run(body)


def test_the_deadline_answers_whoever_waits_or_runs():
    async def body(dispatcher, bench):
        tasks = await submitted(dispatcher, request(1), deadline=later(0.1))
        tasks += await submitted(dispatcher, request(2), deadline=later(0.1))
        start = time.monotonic()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert time.monotonic() - start < 1
        assert [answer.kind for answer in answers] == [ErrorKind.DEADLINE] * 2
        bench.go.set()
        await asyncio.sleep(0.01)
        assert bench.batches == [[1]]

    run(body)


def test_a_deadline_in_the_past_never_reaches_the_model():
    async def body(dispatcher, bench):
        bench.go.set()
        with pytest.raises(ZeroMindError) as caught:
            await dispatcher.submit(request(1), later(-1))
        assert caught.value.kind is ErrorKind.DEADLINE
        assert bench.batches == []

    run(body)


def test_a_death_fails_the_request_that_caused_it_and_no_other():
    async def body(dispatcher, bench):
        bench.dies_of = 3
        tasks = await submitted(dispatcher, request(0))
        tasks += await submitted(dispatcher, request(1), request(2), request(3), request(4))
        bench.go.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [getattr(answer, "kind", None) for answer in answers] == [None, None, None, ErrorKind.WORKER_CRASHED, None]
        assert bench.batches == [[0], [1, 2, 3, 4], [1], [2], [3], [4]]
        assert bench.restarts == 2

    run(body)


def test_whoever_left_a_batch_that_died_is_not_asked_again():
    async def body(dispatcher, bench):
        bench.dies_of = 3
        tasks = await submitted(dispatcher, request(0))
        more = await submitted(dispatcher, request(1), request(2), request(3))
        bench.go.set()
        bench.go.clear()
        bench.go.set()
        more[0].cancel()
        answers = await asyncio.gather(*tasks, *more, return_exceptions=True)
        assert [getattr(answer, "kind", None) for answer in answers[2:]] == [None, ErrorKind.WORKER_CRASHED]
        assert [1] not in bench.batches

    run(body)


def test_a_fault_of_ours_is_answered_too():
    class Odd(Bench):
        async def run(self, batch, timeout_s):
            raise LookupError("a secret")

    async def main():
        dispatcher = Dispatcher([Odd()], BatchQueue(2, 100, 1 << 20))
        with pytest.raises(ZeroMindError) as caught:
            await dispatcher.submit(request(1), later())
        assert caught.value.kind is ErrorKind.PREDICT_UNKNOWN
        assert "secret" not in str(caught.value)
        await dispatcher.close()

    asyncio.run(main())


def test_closing_lets_what_runs_finish_and_refuses_what_waits():
    async def body(dispatcher, bench):
        (runs,) = await submitted(dispatcher, request(1))
        (waits,) = await submitted(dispatcher, request(2))
        closing = asyncio.create_task(dispatcher.close())
        await asyncio.sleep(0.01)
        with pytest.raises(ZeroMindError) as caught:
            await dispatcher.submit(request(3), later())
        assert caught.value.kind is ErrorKind.MODEL_NOT_FOUND
        bench.go.set()
        await closing
        assert (await runs).outputs["y"] == [1]
        with pytest.raises(ZeroMindError) as caught:
            await waits
        assert caught.value.kind is ErrorKind.MODEL_NOT_FOUND

    run(body)


def test_closing_at_once_answers_what_runs_as_well():
    async def body(dispatcher, bench):
        tasks = await submitted(dispatcher, request(1))
        tasks += await submitted(dispatcher, request(2))
        await dispatcher.close(ZeroMindError(ErrorKind.SHUTTING_DOWN, "now"))
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [answer.kind for answer in answers] == [ErrorKind.SHUTTING_DOWN] * 2

    run(body)
