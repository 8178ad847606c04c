"""A process whose end is noticed at once, whatever ends it, with everything it started."""

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from zeromind.executor.child import Child, ending


def start(code, descriptors=()):
    return Child("t", [sys.executable, "-c", code], descriptors, dict(os.environ))


@pytest.fixture(params=["pidfd", "thread"])
def sentinel(request, monkeypatch):
    """Both ways of watching."""
    if request.param == "thread":
        monkeypatch.delattr(os, "pidfd_open", raising=False)


@pytest.mark.proves("F1", "F4")
@pytest.mark.parametrize(
    ("end", "code"),
    [("os._exit(0)", 0), ("os._exit(3)", 3), ("os.abort()", -6), ("os.kill(os.getpid(), 11)", -11), ("os.kill(os.getpid(), 9)", -9)],
)
def test_f4_every_end_is_noticed_with_its_cause(sentinel, end, code):
    async def main():
        children = [start(f"import os, sys\nprint('about to end', file=sys.stderr)\nsys.stderr.flush()\n{end}") for _ in range(3)]
        for child in children:
            assert await child.wait(20)
            assert child.code == code
            assert list(child.words.last) == ["about to end"]

    asyncio.run(main())


@pytest.mark.proves("G2")
def test_g2_a_death_is_seen_at_once():
    async def main():
        child = start("import time; time.sleep(60)")
        begun = time.monotonic()
        os.kill(child.pid, signal.SIGKILL)
        assert await child.wait(20)
        assert time.monotonic() - begun < 1  # a millisecond, on a machine that is at rest
        assert not child.starved

    asyncio.run(main())


def test_killing_ends_what_it_started_too(is_gone):
    async def main():
        heard, said = os.pipe()
        code = f"import os, subprocess, sys, time\nc = subprocess.Popen(['sleep', '60'])\nos.write({said}, b'%d.' % c.pid)\ntime.sleep(60)"
        child = start(code, (said,))
        loop = asyncio.get_running_loop()
        told = await loop.run_in_executor(None, os.read, heard, 100)
        child.kill()
        child.kill()
        assert await child.wait(20)
        os.close(heard)
        os.close(said)
        end = time.monotonic() + 20
        while not is_gone(int(told[:-1])):
            assert time.monotonic() < end
            await asyncio.sleep(0.01)

    asyncio.run(main())


def test_f17_an_end_of_its_own_ends_what_it_started_too(sentinel, is_gone):
    async def main():
        code = "import os, subprocess, sys\nprint(subprocess.Popen(['sleep', '60']).pid, file=sys.stderr, flush=True)\nos._exit(3)"
        child = start(code)
        assert await child.wait(20)
        assert child.code == 3
        end = time.monotonic() + 20
        while not is_gone(int(child.words.last[-1])):
            assert time.monotonic() < end
            await asyncio.sleep(0.01)

    asyncio.run(main())


def test_what_goes_on_writing_after_its_end_holds_nobody_up():
    async def main():
        child = Child("t", ["sh", "-c", "setsid yes >&2 & sleep 0.2; exit 3"], (), dict(os.environ))  # its writer ends of the broken pipe
        assert await child.wait(20)
        assert child.code == 3

    asyncio.run(main())


def test_a_halted_process_shows():
    async def main():
        child = start("import time; time.sleep(60)")
        assert not child.stopped()
        os.kill(child.pid, signal.SIGSTOP)
        while not child.stopped():  # noqa: ASYNC110 - nobody tells when it is so
            await asyncio.sleep(0.01)
        assert child.memory() > 0
        child.kill()
        assert await child.wait(20)
        assert child.memory() == 0
        assert not child.stopped()

    asyncio.run(main())


def score(pid):
    """How much the system prefers a process when it has to end one."""
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


@pytest.mark.proves("F2")
def test_f2_where_memory_runs_out_a_child_goes_first():
    async def main():
        child = start("import time; time.sleep(60)")
        assert score(child.pid) > score("self")
        child.kill()
        assert await child.wait(20)

    asyncio.run(main())


def test_nothing_is_left_of_a_child():
    async def main():
        before, threads = psutil.Process().num_fds(), threading.active_count()
        for _ in range(5):
            child = start("")
            await child.wait()
        assert (psutil.Process().num_fds(), threading.active_count()) == (before, threads)
        with pytest.raises(OSError, match="No such file"):
            Child("t", ["/no/such/program"], (), {})
        assert psutil.Process().num_fds() == before

    asyncio.run(main())


@pytest.mark.parametrize(
    ("code", "words"),
    [(None, "was ended"), (0, "ended with status 0"), (-11, "was killed by signal 11 (SIGSEGV)"), (-99, "was killed by signal 99")],
)
def test_an_ending_in_words(code, words):
    assert ending(code) == words
