"""A worker's process: started, watched by a sentinel of its own, measured, ended together with whatever it started itself."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.diary import Diary
from zeromind.executor.words import Words

_OOM_SCORE = "500"
"""proc(5): from -1000 to 1000, the server has 0."""
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
"""What the system has none of at the moment: descriptors, processes, memory."""


def unstartable(error: OSError) -> ZeroMindError:
    """What to say when a worker cannot have what it needs to start: BUSY where that passes, LOAD_FAILED otherwise."""
    kind = ErrorKind.BUSY if error.errno in _SCARCE else ErrorKind.LOAD_FAILED
    return ZeroMindError(kind, f"a worker process cannot be started: {error.strerror}")


class Child:
    """One process. ``ended`` is done in the moment of its end, whatever the cause: its status, or less than zero the signal."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        descriptors: Sequence[int],
        environment: Mapping[str, str],
        diary: Diary | None = None,
    ) -> None:
        """Start it; it inherits the descriptors, and ``diary`` has what it says. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        heard, said = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.DEVNULL,
                stderr=said,
                pass_fds=descriptors,
                env=environment,
                start_new_session=True,  # it leads a group, which ends with it
            )
        except BaseException:
            os.close(heard)
            raise
        finally:
            os.close(said)
        self.pid = self._process.pid
        self._oom_kills = _oom_kills()
        with contextlib.suppress(OSError):  # where memory runs out, any worker is to go before the server does
            Path(f"/proc/{self.pid}/oom_score_adj").write_text(_OOM_SCORE)
        self.words = Words(name, heard, heard=functools.partial(diary.hear, self.pid) if diary is not None else None)
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._watch()

    @property
    def code(self) -> int | None:
        """Its status, or less than zero the signal that ended it; None while it runs."""
        return self.ended.result() if self.ended.done() else None

    @property
    def starved(self) -> bool:
        """Whether it was the system that ended it, for lack of memory, as far as one can tell."""
        return self.code == -signal.SIGKILL and _oom_kills() > self._oom_kills

    def kill(self) -> None:
        """End it at once, with what it started."""
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it has ended within that time."""
        await asyncio.wait([self.ended], timeout=timeout_s)
        return self.ended.done()

    def memory(self) -> int:
        """Its memory in bytes: the proportional set size where the system tells it, else the resident set size."""
        if self.ended.done():
            return 0
        try:
            full = psutil.Process(self.pid).memory_full_info()
        except psutil.Error:
            return 0
        return int(getattr(full, "pss", 0) or full.rss)

    def stopped(self) -> bool:
        """Whether a signal has halted it (SIGSTOP), so that it does nothing until another wakes it."""
        try:
            return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        except psutil.Error:
            return False

    def _watch(self) -> None:
        """Each process has a sentinel: a signal shared by all children may stand for several deaths, and be taken by someone else."""
        if sys.platform == "linux" and hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):  # a kernel before 5.3
                sentinel = os.pidfd_open(self.pid)
                self._loop.add_reader(sentinel, self._readable, sentinel)
                return
        threading.Thread(target=self._await, daemon=True).start()

    def _readable(self, sentinel: int) -> None:
        self._loop.remove_reader(sentinel)
        os.close(sentinel)
        self._end(self._reaped())

    def _await(self) -> None:
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._process.wait()
        code = self._reaped()
        with contextlib.suppress(RuntimeError):  # the loop has closed
            self._loop.call_soon_threadsafe(self._end, code)

    def _reaped(self) -> int:
        """Its status, once it has ended; until that is asked for, its id can mean no other, and what it started is ended by it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # which macOS says of a group in which nothing lives
            os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()

    def _end(self, code: int) -> None:
        self.words.close()
        self.ended.set_result(code)


def _oom_kills() -> int:
    """How many processes Linux has ended for lack of memory since it started (proc(5), vmstat); 0 where nobody tells."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/vmstat").read_text().partition("\noom_kill ")[2].split()[0])
    return 0


def ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None:
        return "was ended"
    if code >= 0:
        return f"ended with status {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by signal {-code} ({signal.Signals(-code).name})"
    return f"was killed by signal {-code}"
