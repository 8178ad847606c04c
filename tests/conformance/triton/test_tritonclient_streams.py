"""Streams with the two of Triton's clients that know them: models that answer many times, or once, or fail in between."""

import asyncio
import queue

import numpy as np
import pytest

NEVER = -1


class Talk:
    """One stream: requests are said, answers come as ``(result, error)``."""

    def __init__(self, triton):
        self.triton = triton
        self.came = queue.Queue()

    def __enter__(self):
        self.triton.start_stream(lambda result, error: self.came.put((result, error)))
        return self

    def __exit__(self, *_):
        self.triton.stop_stream()

    def say(self, model, inputs, **more):
        self.triton.async_stream_infer(model, inputs, **more)

    def hear(self):
        return self.came.get(timeout=30)


class AsyncTalk:
    """The same over ``stream_infer``, which takes what is said from an iterator."""

    def __init__(self, triton):
        self.triton = triton

    def __enter__(self):
        self.triton.done(self._begin())
        return self

    async def _begin(self):
        self.said = asyncio.Queue()
        self.answers = self.triton.client.stream_infer(self._requests())

    async def _requests(self):
        while (request := await self.said.get()) is not None:
            yield request

    def __exit__(self, *_):
        self._put(None)
        with pytest.raises(StopAsyncIteration):
            self.hear()

    def say(self, model, inputs, **more):
        self._put({"model_name": model, "inputs": inputs, **more})

    def _put(self, request):
        self.triton.loop.call_soon_threadsafe(self.said.put_nowait, request)

    def hear(self):
        return self.triton.done(self.answers.__anext__())


@pytest.fixture
def talk(streaming):
    with (AsyncTalk if streaming.name == "grpc.aio" else Talk)(streaming) as one:
        yield one


def count(triton, to, stumble=NEVER):
    numbers = {"to": to, "stumble": stumble}
    return [triton.tensor(name, np.array([number], np.int32)) for name, number in numbers.items()]


def rows(triton, value=1.0):
    return [triton.tensor("x", np.full((1, 4), value, np.float32))]


def is_final(result):
    return result.get_response().parameters["triton_final_response"].bool_param


def heard(talk, number):
    """So many answers, none of them an error."""
    results = []
    for _ in range(number):
        result, error = talk.hear()
        assert error is None
        results.append(result)
    return results


def test_a_model_answers_as_often_as_it_likes(streaming, talk):
    talk.say("count", count(streaming, 5), request_id="c")
    results = heard(talk, 5)
    assert [result.as_numpy("number").tolist() for result in results] == [[0], [1], [2], [3], [4]]
    assert [result.as_numpy("half").tolist() for result in results] == [[0], [0.5], [1], [1.5], [2]]
    assert {result.get_response().id for result in results} == {"c"}
    assert {result.get_response().model_name for result in results} == {"count"}
    assert not any(is_final(result) for result in results)


@pytest.mark.parametrize("streaming", ["grpc"], indirect=True)
@pytest.mark.parametrize("to", [0, 3])
def test_an_empty_last_answer_where_it_is_wanted(streaming, talk, to):
    talk.say("count", count(streaming, to), request_id="c", enable_empty_final_response=True)
    *results, last = heard(talk, to + 1)
    assert [is_final(result) for result in results] == [False] * to
    assert is_final(last)
    assert last.get_response().id == "c"
    assert not last.get_response().outputs


def test_other_models_answer_once(streaming, talk):
    for value in range(20):
        talk.say("double", rows(streaming, value), request_id=str(value))
    for value, result in enumerate(heard(talk, 20)):
        assert (result.get_response().id, result.as_numpy("y").tolist()) == (str(value), [[2 * value] * 4])
        assert is_final(result)


def test_many_models_on_one_stream(streaming, talk):
    talk.say("count", count(streaming, 3), request_id="count")
    talk.say("double", rows(streaming), request_id="double")
    results = heard(talk, 4)
    assert sorted(result.get_response().id for result in results) == ["count"] * 3 + ["double"]


def test_an_error_is_the_end_of_its_request_only(streaming, talk):
    talk.say("count", count(streaming, 5, stumble=2), request_id="c")
    assert [result.as_numpy("number").tolist() for result in heard(talk, 2)] == [[0], [1]]
    result, error = talk.hear()
    assert result is None
    assert "no further than 2" in error.message()
    for model, inputs, words in (
        ("none", rows(streaming), "Request for unknown model: 'none' is not found"),
        ("double", count(streaming, 1), "'to'"),
    ):
        talk.say(model, inputs)
        result, error = talk.hear()
        assert result is None
        assert words in error.message()
    talk.say("double", rows(streaming))
    assert heard(talk, 1)[0].as_numpy("y").tolist() == [[2] * 4]


def test_outputs_versions_and_parameters(streaming, talk):
    talk.say("count", count(streaming, 1), outputs=[streaming.wanted("half")], model_version="1", parameters={"mine": 5}, priority=1)
    (result,) = heard(talk, 1)
    assert [output.name for output in result.get_response().outputs] == ["half"]
    talk.say("count", count(streaming, 1), model_version="2")
    assert "'count'" in talk.hear()[1].message()


def test_a_strict_client_gets_a_status_and_the_end(streaming):
    """``triton_grpc_error`` asks for it."""
    if streaming.name == "grpc":
        came = queue.Queue()
        streaming.start_stream(lambda result, error: came.put(error), headers={"triton_grpc_error": "true"})
        streaming.async_stream_infer("none", rows(streaming))
        error = came.get(timeout=30)
        streaming.stop_stream()
        assert (error.status(), error.message()) == ("StatusCode.NOT_FOUND", "Request for unknown model: 'none' is not found")


@pytest.mark.parametrize("streaming", ["grpc"], indirect=True)
def test_a_client_may_leave_in_between(streaming, served):
    """The model counts no further, and its worker is free for the next."""
    with Talk(streaming) as talk:
        talk.say("count", count(streaming, 1 << 30))
        heard(talk, 3)
        streaming.stop_stream(cancel_requests=True)
    with Talk(streaming) as talk:
        talk.say("count", count(streaming, 1))
        heard(talk, 1)


def test_each_answer_of_a_stream_is_counted(streaming):
    with (AsyncTalk if streaming.name == "grpc.aio" else Talk)(streaming) as talk:
        before = {number: entry["success"]["count"] for number, entry in streaming.statistics("count")["count"]["response_stats"].items()}
        talk.say("count", count(streaming, 3))
        heard(talk, 3)
    after = streaming.statistics("count")["count"]["response_stats"]
    assert [after[number]["success"]["count"] - before.get(number, 0) for number in "012"] == [1, 1, 1]
