"""What a worker says before it has loaded: stages, then how it went; and nothing else."""

import asyncio
import socket

import pytest

from zeromind.executor import frames
from zeromind.executor.link import Link

DONE = frames.pack({"interface": {}})


def loaded(*parts):
    """What loading comes to when a worker says that, and the stages on the way."""

    async def main():
        mine, theirs = socket.socketpair()
        stages = []
        link = Link(mine)
        with theirs:
            loading = asyncio.create_task(link.load({"task": {}}, stages.append))
            await asyncio.sleep(0)
            for part in parts:
                await asyncio.to_thread(theirs.sendall, part)
            theirs.shutdown(socket.SHUT_WR)
            try:
                return await asyncio.wait_for(loading, 20), stages
            finally:
                link.close()

    return asyncio.run(main())


def stage(text):
    return frames.pack({"stage": text})


def test_stages_come_in_order_and_end_with_the_answer():
    whole = stage("importing a") + stage("loading the file") + DONE
    assert loaded(whole) == ({"interface": {}}, ["importing a", "loading the file"])
    assert loaded(*(bytes([byte]) for byte in whole)) == loaded(whole)


@pytest.mark.parametrize(
    "said",
    [stage("x") * 1000, stage("x" * 5000) + DONE, stage(7) + DONE, frames.pack({"stage": None}) + DONE, b"\xff" * 64],
    ids=["without end", "long", "a number", "nothing", "noise"],
)
def test_what_is_no_stage_is_the_end(said):
    with pytest.raises(frames.FrameError):
        loaded(said)


def test_a_worker_that_goes_is_missed():
    with pytest.raises(EOFError):
        loaded(stage("importing a"))
