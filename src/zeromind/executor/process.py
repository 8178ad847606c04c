"""The front's side of a worker process: start it, hand it batches, notice its death, measure it, end it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

import psutil

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor import frames
from zeromind.executor.order import Order
from zeromind.tensors import InferRequest, Interface

_log = logging.getLogger(__name__)

KILL_GRACE_S = 2.0
"""How long past its deadline a batch may run before its worker is ended."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class ProcessExecutor:
    """One worker process. ``start`` and ``run`` must not overlap; ``on_death`` is called once if the process ends unasked."""

    def __init__(self, order: Order, on_death: Callable[[], None] = lambda: None) -> None:
        self._order = order
        self._on_death = on_death
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stopping = False
        self.alive = False

    async def start(self, timeout_s: float) -> Interface:
        """Start the process and load the model. Raises what loading raised, LOAD_FAILED if the process died or took too long."""
        try:
            await self._spawn()
            load = frames.pack({"op": "load", "order": self._order.to_json()})
            header, _ = await asyncio.wait_for(self._call(load), timeout_s)
        except BaseException as error:
            await self.stop()
            code = self._process.returncode if self._process else None
            if isinstance(error, asyncio.TimeoutError):
                raise ZeroMindError(ErrorKind.LOAD_FAILED, f"the model did not load within {timeout_s:g} s ('load_timeout_s')") from None
            if isinstance(error, (EOFError, OSError)):
                raise ZeroMindError(ErrorKind.LOAD_FAILED, f"the worker {_ending(code)} while it loaded the model") from None
            raise
        if header["op"] != "ready":
            await self.stop()
            raise frames.error_from_json(header)
        self.alive = True
        self._watch = asyncio.create_task(self._watch_process())
        return Interface.from_json(header["interface"])

    async def _spawn(self) -> None:
        mine, theirs = socket.socketpair()
        try:
            with theirs:
                mine.setblocking(False)
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "zeromind.executor.worker",
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=_environment(self._order.threads),
                    start_new_session=True,
                )
            self._reader, self._writer = await asyncio.open_connection(sock=mine)
        except BaseException as error:
            mine.close()
            if isinstance(error, OSError):
                raise ZeroMindError(ErrorKind.LOAD_FAILED, f"a worker process cannot be started: {error.strerror}") from error
            raise

    async def run(self, batch: Sequence[InferRequest], timeout_s: float) -> list[frames.Answer]:
        """One answer per request. Raises WORKER_CRASHED if the process dies; past ``timeout_s`` + grace it is killed."""
        try:
            header, buffers = await asyncio.wait_for(self._call(frames.pack_requests(batch)), timeout_s + KILL_GRACE_S)
            return frames.unpack_answers(header, buffers, len(batch))
        except asyncio.TimeoutError:
            self._kill()
            raise ZeroMindError(ErrorKind.WORKER_CRASHED, "the model hung and its worker was ended; it is being restarted") from None
        except (EOFError, OSError):
            self.alive = False
            raise ZeroMindError(ErrorKind.WORKER_CRASHED, "the model's worker died during this request; it is being restarted") from None
        except asyncio.CancelledError:
            self._kill()  # an answer that nobody will read must not be taken for the next batch's
            raise
        except frames.FrameError as error:
            self._kill()
            raise ZeroMindError(
                ErrorKind.WORKER_CRASHED, "the model's worker gave no readable answer and was ended; it is being restarted"
            ) from error

    async def stop(self) -> None:
        """End the process and wait until it is gone; its memory is free then."""
        self._stopping = True
        if not self.alive:
            self._kill()  # what has not loaded, or has hung, has nothing to close
        self.alive = False
        process = self._process
        if process is None:
            return
        if self._writer is not None:
            self._writer.close()
        try:
            await asyncio.wait_for(process.wait(), KILL_GRACE_S)
        except asyncio.TimeoutError:
            self._kill()
            await process.wait()
        if self._writer is not None:
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        if self._watch is not None:
            self._watch.cancel()

    def memory(self) -> int:
        """The worker's memory in bytes: its proportional set size where the system tells it, else its resident set size."""
        if self._process is None or self._process.returncode is not None:
            return 0
        try:
            process = psutil.Process(self._process.pid)
            full = process.memory_full_info()
        except psutil.Error:
            return 0
        return int(getattr(full, "pss", 0) or full.rss)

    @property
    def pid(self) -> int | None:
        """The process's id, None before the start."""
        return self._process.pid if self._process else None

    async def _call(self, parts: list[frames.Buffer]) -> tuple[dict[str, Any], list[bytes]]:
        assert self._writer is not None, "start comes first"  # noqa: S101 - a fault of the caller
        for part in parts:
            self._writer.write(part)
        await self._writer.drain()
        header_bytes, count = frames.unpack_prefix(await self._reader.readexactly(frames.PREFIX.size))
        lengths = frames.unpack_lengths(await self._reader.readexactly(8 * count))
        header = frames.unpack_header(await self._reader.readexactly(header_bytes))
        return header, [await self._reader.readexactly(length) for length in lengths]

    async def _watch_process(self) -> None:
        process = self._process
        assert process is not None, "it has been started"  # noqa: S101 - a fault of ours
        code = await process.wait()
        if self._stopping:
            return
        self.alive = False
        _log.error("the worker of model %r (process %d) %s", self._order.task["id"], process.pid, _ending(code))
        self._on_death()

    def _kill(self) -> None:
        self.alive = False
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def _environment(threads: int) -> dict[str, str]:
    # PYTHONSAFEPATH: a file in the working directory must not pass for a module of the standard library.
    return {**dict.fromkeys(_THREAD_VARIABLES, str(threads)), **os.environ, "PYTHONSAFEPATH": "1"}


def _ending(code: int | None) -> str:
    if code is None:
        return "was ended"
    return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
