"""Answers in parts, of the four clients."""

import asyncio

import numpy as np
import pytest

from zeromind.client import AsyncClient, DeadlineExceeded, InvalidInput, ModelNotFound


def test_every_part_comes_with_its_tensors(client):
    parts = list(client.stream("count", {"most": [3]}))
    assert [part["number"].tolist() for part in parts] == [[0], [1], [2]]
    for part in parts:
        assert (part["number"].dtype, part.text("words").tolist(), part.model) == (np.int64, ["a", "ü"], "count")
        assert (part["load"].dtype, part["load"].shape, np.isnan(part["load"]).all()) == (np.float32, (2, 3), True)


def test_no_part_at_all(client):
    assert list(client.stream("count", [0])) == []


def test_of_a_model_that_gives_one_answer(client):
    (part,) = client.stream("add", [1, 2])
    assert part.value.tolist() == [3]
    (part,) = client.stream("records", {"a": 1, "b": 2})
    assert part.value == [{"sum": 3.0, "text": "3"}]


def test_only_the_wanted_outputs(client):
    (part,) = client.stream("count", [1], outputs=["number"])
    assert list(part) == ["number"]


def test_whoever_stops_early_ends_the_model(client, folder, waiting):
    diary = folder / "ended.txt"
    diary.unlink(missing_ok=True)
    with client.stream("count", [1_000_000], parameters={"pause": 0.001}) as parts:
        for part in parts:
            if part["number"][0] == 3:
                break
    waiting(diary.exists)
    assert 3 <= int(diary.read_text()) < 1_000_000
    assert client.predict("add", [1, 2]).value.tolist() == [3]


@pytest.mark.parametrize("scheme", ["url", "grpc_url"])
def test_a_wait_that_is_cancelled_ends_the_model(pool, scheme, folder, waiting):
    diary = folder / "ended.txt"
    diary.unlink(missing_ok=True)

    async def main():
        async with AsyncClient(getattr(pool, scheme)) as client:
            parts = client.stream("count", [1_000_000], parameters={"pause": 0.5})
            await anext(parts)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(parts), 0.05)
            await asyncio.to_thread(waiting, diary.exists)  # though the stream is still held
            assert [part async for part in parts] == []

    asyncio.run(main())


def test_a_fault_in_the_middle(client):
    parts = client.stream("count", [5], parameters={"fail_at": 2})
    assert [next(parts)["number"][0] for _ in range(2)] == [0, 1]
    with pytest.raises(InvalidInput, match="enough"):
        next(parts)


def test_faults_before_the_first_part(client):
    with pytest.raises(ModelNotFound):
        next(client.stream("nowhere", [1]))
    with pytest.raises(InvalidInput, match="the model takes int64"):
        next(client.stream("count", [1.5]))
    with pytest.raises(InvalidInput, match="reserved"):
        next(client.stream("count", [1], parameters={"triton_a": 1}))


def test_the_deadline_is_for_the_whole_stream(client):
    parts = client.stream("count", [1_000_000], parameters={"pause": 0.01}, timeout_s=0.5)
    with pytest.raises(DeadlineExceeded):
        list(parts)


@pytest.mark.parametrize("scheme", ["url", "grpc_url"])
def test_streams_beside_each_other_in_one_loop(pool, scheme):
    async def read(client, most):
        return [int(part["number"][0]) async for part in client.stream("count", [most])]

    async def main():
        async with AsyncClient(getattr(pool, scheme)) as client:
            return await asyncio.gather(*(read(client, most) for most in range(8)))

    assert asyncio.run(main()) == [list(range(most)) for most in range(8)]
