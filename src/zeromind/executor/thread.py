"""A skill in a thread of the server itself: for small models and debugging."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import math
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import psutil

from zeromind import importing
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.diary import Diary
from zeromind.executor.group import Group, grouped, outcome
from zeromind.executor.order import Order
from zeromind.executor.process import Answered
from zeromind.executor.responses import Responses
from zeromind.executor.skill import Skill
from zeromind.executor.stages import LOADING
from zeromind.tensors import InferRequest, Interface

_Job: TypeAlias = "tuple[concurrent.futures.Future[Any], Callable[..., Any], tuple[Any, ...]]"

_log = logging.getLogger(__name__)

_STOP_GRACE_S = 2.0


class ThreadExecutor:
    """One skill in one thread. A model that crashes here takes the server with it; one that hangs keeps its thread, and is replaced."""

    def __init__(self, order: Order, on_room: Callable[[], None], on_death: Callable[[], None], diary: Diary | None = None) -> None:
        self._order = order
        self._diary = diary or Diary()
        self._on_room = on_room
        self._on_death = on_death
        self._answered: Answered | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._skill: Skill | None = None
        self._signals: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._memory = 0
        self.alive = self.served = False
        self.fault: ZeroMindError | None = None

    @property
    def free(self) -> Mapping[str, bool]:
        """What the server can do, it can."""
        return {"files": True, "network": True}

    async def start(self, timeout_s: float) -> Interface:
        """Load the model. Raises what loading raised, LOAD_FAILED if it took too long."""
        self._diary.reach(LOADING)  # no more is told: imports are watched in processes of their own only
        # No thread of a pool: those are waited for when the interpreter ends, and a hanging model must not hold that up.
        threading.Thread(target=_work, args=(self._jobs,), name=f"skill-{self._order.task['id']}", daemon=True).start()
        before = psutil.Process().memory_info().rss
        try:
            skill: Skill = await asyncio.wait_for(self._call(Skill, self._order), timeout_s)
        except BaseException as error:
            self._jobs.put(None)
            if isinstance(error, asyncio.TimeoutError):
                raise ZeroMindError(ErrorKind.LOAD_FAILED, f"the model did not load within {timeout_s:g} s ('load_timeout_s')") from None
            if isinstance(error, ZeroMindError):
                error.trace = importing.traced(error)
            raise
        self._memory = max(0, psutil.Process().memory_info().rss - before)
        self._skill = skill
        self.alive = True
        return skill.interface

    @property
    def under_way(self) -> int:
        """How many batches it has."""
        return int(self._answered is not None)

    @property
    def room(self) -> bool:
        """Whether it takes a batch."""
        return self.alive and self._answered is None

    def send(self, batch: Sequence[InferRequest], rows: Sequence[int], answered: Answered, until: float = math.inf) -> None:
        """Run a batch of requests that agree; ``answered`` is called later, once, but for a decoupled model once for each response."""
        del until  # it begins at once
        skill = self._skill
        assert skill is not None, "room says that it has started"  # noqa: S101 - a fault of the caller
        self._answered = answered
        groups = grouped(batch, rows, skill.interface)
        if skill.interface.decoupled:
            self._signals = queue.SimpleQueue()
            loop = asyncio.get_running_loop()
            job = self._call(_stream, skill, groups[0], loop, self._partial, self._signals)
        else:
            job = self._call(skill.run, groups)
        job.add_done_callback(self._deliver)

    def go_on(self, wanted: bool) -> None:
        """Have the stream under way make its next response, or no more of them; asked once for each that came and is not final."""
        self._signals.put(wanted)

    def kill(self) -> None:
        """Leave the thread behind: it cannot be ended. Its batch is answered with WORKER_CRASHED."""
        self.alive = False
        self._skill = None
        self._signals.put(False)
        self._jobs.put(None)
        self._fail("the model hung and its thread was left behind; it is loaded again")
        self._on_death()

    async def stop(self) -> None:
        """Close the model, unless it hangs."""
        self.alive = False
        self._signals.put(False)
        if self._skill is not None:
            skill, self._skill = self._skill, None
            try:
                await asyncio.wait_for(self._call(skill.close), _STOP_GRACE_S)
            except asyncio.TimeoutError:
                pass  # it hangs, and keeps its thread
            except (Exception, SystemExit):
                _log.exception("model %r failed while it was closed", self._order.task["id"])
            self._jobs.put(None)
            self._fail("the model was ended before it answered")

    def memory(self) -> int:
        """How much the server's resident memory grew while the model loaded, in bytes."""
        return self._memory

    @property
    def pid(self) -> int | None:
        """A thread has no process of its own."""
        return None

    def _deliver(self, job: asyncio.Future[list[Group]]) -> None:
        error = job.exception()
        if self._answered is None:
            return  # it was left behind
        if error is not None:
            _log.error("a batch failed for an unknown reason", exc_info=error)
            self._answered(ZeroMindError(ErrorKind.PREDICT_UNKNOWN, "the prediction failed for an unknown reason; see the server's log"))
        else:
            # The next batch has to wait until these answers are read: a model may use its arrays again.
            self._answered(outcome(job.result()))
            self.served = True
        self._answered = None
        if self.alive:
            self._on_room()

    def _partial(self, signals: queue.SimpleQueue[bool], group: Group) -> None:
        """One of several responses."""
        if self._answered is None or signals is not self._signals:
            return  # it was left behind
        (answer,) = group.answers()
        assert not isinstance(answer, ZeroMindError), "a fault is the last"  # noqa: S101 - a fault of ours
        answer.final = False
        self._answered([answer])

    def _fail(self, sentence: str) -> None:
        answered, self._answered = self._answered, None
        self.fault = ZeroMindError(ErrorKind.WORKER_CRASHED, sentence)
        if answered is not None:
            answered(self.fault)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        job: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._jobs.put((job, function, arguments))
        return asyncio.wrap_future(job)


def _stream(
    skill: Skill,
    group: Group,
    loop: asyncio.AbstractEventLoop,
    partial: Callable[[queue.SimpleQueue[bool], Group], None],
    signals: queue.SimpleQueue[bool],
) -> list[Group]:
    """Give each response of a decoupled model to ``partial`` on the loop, in this thread, and return the last word on the request."""
    with contextlib.closing(Responses(skill, group)) as responses:
        for response in responses:
            loop.call_soon_threadsafe(partial, signals, response)
            if not signals.get():
                break
        return [responses.last]


def _work(jobs: queue.SimpleQueue[_Job | None]) -> None:
    while (entry := jobs.get()) is not None:
        job, function, arguments = entry
        if not job.set_running_or_notify_cancel():
            continue
        try:
            result = function(*arguments)
        except BaseException as error:  # it belongs to whoever waits for the job
            job.set_exception(error)
        else:
            job.set_result(result)
