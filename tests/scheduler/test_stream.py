"""Responses for whoever reads them one by one, and for whoever takes only one."""

import asyncio

import numpy as np
import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.scheduler.stream import _AHEAD, Single, Stream
from zeromind.tensors import InferResponse, Run

FAULT = ZeroMindError(ErrorKind.PREDICTION_FAILED, "broken")


def response(number, final=False):
    return InferResponse({} if final else {"y": np.array([number])}, Run(1, 0.5), final)


class Submitted:
    """A request on its way, whose responses the test makes."""

    def __init__(self, reply=None):
        self.reply = reply
        self.wanted = 0
        self.withdrawn = 0

    def go_on(self):
        self.wanted += 1

    def withdraw(self):
        self.withdrawn += 1


def streaming():
    made = {}

    def submit(reply):
        made["submitted"] = Submitted(reply)
        return made["submitted"]

    return Stream(submit), made["submitted"]


def test_responses_come_in_order_with_arrays_of_their_own():
    async def main():
        stream, submitted = streaming()
        reused = np.array([0])
        for number in range(3):
            reused[:] = number
            submitted.reply(InferResponse({"y": reused}, Run(1, 0.0), final=False))
        submitted.reply(response(0, final=True))
        assert [one.outputs["y"].tolist() for one in [await stream.__anext__() for _ in range(3)]] == [[0], [1], [2]]
        assert (await stream.__anext__()).final
        with pytest.raises(StopAsyncIteration):
            await stream.__anext__()
        await stream.aclose()
        assert submitted.withdrawn == 0

    asyncio.run(main())


def test_a_reader_waits_for_the_next():
    async def main():
        stream, submitted = streaming()
        reading = asyncio.create_task(stream.__anext__())
        await asyncio.sleep(0)
        assert not reading.done()
        submitted.reply(response(1))
        assert (await reading).outputs["y"].tolist() == [1]

    asyncio.run(main())


def test_only_so_many_are_made_ahead_of_a_reader():
    async def main():
        stream, submitted = streaming()
        for number in range(_AHEAD):
            submitted.reply(response(number))
        assert submitted.wanted == _AHEAD - 1
        await stream.__anext__()
        assert submitted.wanted == _AHEAD
        await stream.__anext__()
        assert submitted.wanted == _AHEAD

    asyncio.run(main())


def test_a_fault_comes_behind_the_good_responses():
    async def main():
        stream, submitted = streaming()
        submitted.reply(response(1))
        submitted.reply(FAULT)
        await stream.__anext__()
        with pytest.raises(ZeroMindError, match="broken"):
            await stream.__anext__()
        with pytest.raises(StopAsyncIteration):
            await stream.__anext__()

    asyncio.run(main())


def test_who_stops_reading_withdraws_the_request_once():
    async def main():
        stream, submitted = streaming()
        submitted.reply(response(1))
        await stream.aclose()
        await stream.aclose()
        assert submitted.withdrawn == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([response(7), response(0, final=True)], [7]),
        ([response(0, final=True)], "gave no response"),
        ([response(7), response(8)], "gives several responses"),
        ([response(7), FAULT], "broken"),
        ([FAULT], "broken"),
    ],
)
def test_who_takes_only_one_gets_the_only_one_or_a_fault(answers, expected):
    replies = []
    single = Single("m", replies.append)
    single.submitted = Submitted()
    for answer in answers:
        single.answer(answer)
    (reply,) = replies
    if isinstance(expected, list):
        assert (reply.outputs["y"].tolist(), reply.final) == (expected, True)
    else:
        assert expected in reply.message
    assert single.submitted.withdrawn == ("several" in str(expected))
