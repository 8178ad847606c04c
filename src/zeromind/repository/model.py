"""One served model: its task, its workers, its queue, its state."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from zeromind.config.pool import PoolConfig
from zeromind.config.task import Task
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor import gpus
from zeromind.executor.diary import Diary
from zeromind.executor.order import Order
from zeromind.executor.supervised import SupervisedExecutor
from zeromind.observe.statistics import Statistics
from zeromind.observe.trace import Sampler
from zeromind.repository.lifecycle import Lifecycle, State
from zeromind.repository.plan import Plan
from zeromind.scheduler.account import Account
from zeromind.scheduler.dispatcher import Dispatcher
from zeromind.scheduler.entry import Entry, Terms
from zeromind.scheduler.queue import BatchQueue
from zeromind.tensors import Interface

_log = logging.getLogger(__name__)

_DRAIN_TICK_S = 0.01


class Early:
    """Requests that wait until their model has loaded: bounded as those that wait for a model that has."""

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        self.count = 0
        """How many wait."""
        self._nbytes = 0

    def enter(self, nbytes: int) -> None:
        """One more waits. Raises BUSY when a bound would be passed; a single one may be of any size."""
        if self.count >= self._max_count or (self.count and self._nbytes + nbytes > self._max_bytes):
            raise ZeroMindError(
                ErrorKind.BUSY, f"{self.count} requests wait for this model, which is loading: try again shortly", self.count
            )
        self.count += 1
        self._nbytes += nbytes

    def leave(self, nbytes: int) -> None:
        """It waits no longer."""
        self.count -= 1
        self._nbytes -= nbytes


class Model:
    """A model from the start of its loading to the end of its workers."""

    def __init__(self, task: Task, order: Order, config: PoolConfig, sampler: Sampler, plan: Plan) -> None:
        self.task = task
        self.plan = plan
        self.statistics = Statistics()
        self._account = Account(self.statistics, sampler)
        self._config = config
        self.timeout_s = task.timeout_s
        self.life = Lifecycle()
        self.diary = Diary()
        self.since = self.diary.now()
        """When it came to its state, in seconds since 1970."""
        self.interface: Interface | None = None
        self.memory_consumed = 0
        self.gpu_memory: dict[int, int] = {}
        self.load_time = 0.0
        self.workers = [SupervisedExecutor(order, task.isolation, config.load_timeout_s, self.diary) for _ in range(task.instances)]
        self.open: Dispatcher | None = None
        """What takes requests that fit the interface, while the model is ready."""
        self.early = Early(config.max_queue, config.max_queue_bytes)
        self._dispatcher: Dispatcher | None = None
        self._settled = asyncio.Event()
        self._gone = asyncio.Event()
        self._accepting = False
        self._ending = self._troubled = False
        self._loading: list[asyncio.Task[Interface]] = []
        self.error: ZeroMindError | None = None

    async def load(self, accept: Callable[[], Awaitable[None]]) -> None:
        """Start the workers and measure them; once ``accept`` has returned, the model is ready, and nobody sees anything of it before.

        Raises what loading or ``accept`` raised; LOAD_CANCELLED if it was cancelled meanwhile.
        """
        start = time.perf_counter()
        self._loading = [asyncio.create_task(worker.start()) for worker in self.workers]
        try:
            interfaces = await asyncio.gather(*self._loading)
            self.memory_consumed = await self.memory()
            self.gpu_memory = await asyncio.get_running_loop().run_in_executor(None, gpus.held, self._pids())
            self.load_time = time.perf_counter() - start
            if self.life.state is State.LOADING:
                self._accepting = True
                await accept()
        except asyncio.CancelledError:
            await self._stop_workers()
            if self.life.state is not State.DROPPING:
                self._fail(ZeroMindError(ErrorKind.SHUTTING_DOWN, "the pool is shutting down"))
                raise
            self._finish_drop()
            raise ZeroMindError(ErrorKind.LOAD_CANCELLED, f"model {self.task.id!r} was dropped while it loaded", self.task.id) from None
        except BaseException as error:
            known = error if isinstance(error, ZeroMindError) else _unknown(error)
            await self._stop_workers()
            self._fail(known)
            raise known from None
        self.interface = interfaces[0]
        if self.life.state is State.DROPPING:  # cancelled in the moment between
            await self._stop_workers()
            self._finish_drop()
            raise ZeroMindError(ErrorKind.LOAD_CANCELLED, f"model {self.task.id!r} was dropped while it loaded", self.task.id)
        rows = self.task.max_batch_size if self.interface.spec.batches else 1
        bounds = self._config.max_queue, self._config.max_queue_bytes
        queue: BatchQueue[Entry] = BatchQueue(rows, *bounds, self.task.max_queue_delay_us / 1e6)
        terms = Terms(self.interface, self.timeout_s, self.task.retry == "once")
        self._dispatcher = Dispatcher(self.workers, queue, terms=terms, account=self._account)
        for worker in self.workers:
            worker.on_room, worker.on_trouble = self._dispatcher.pump, self._weigh
        self._enter(State.READY)
        self.open = self._dispatcher
        self._settled.set()

    @property
    def trouble(self) -> ZeroMindError | None:
        """Why it answers nothing at present although it is loaded: each of its workers dies again and again."""
        troubles = [worker.trouble for worker in self.workers]
        return troubles[0] if all(troubles) else None

    @property
    def serves(self) -> bool:
        """Whether it is loaded, and answers."""
        return self.life.state is State.READY and self.trouble is None

    async def settled(self) -> None:
        """Return when it no longer loads and is not on its way out."""
        await self._settled.wait()
        if self.life.state is State.DROPPING:
            await self._gone.wait()

    async def ready(self, deadline: float) -> Interface:
        """The interface, once the model has loaded. Raises its load error, MODEL_NOT_FOUND if it is being dropped, DEADLINE."""
        if self.life.state is State.LOADING:
            settling = asyncio.ensure_future(self._settled.wait())
            try:  # no wait_for: before Python 3.12 one that is cancelled as its time comes goes on
                await asyncio.wait({settling}, timeout=max(0.0, deadline - time.monotonic()))
            finally:
                settling.cancel()
            if not self._settled.is_set():
                raise ZeroMindError(ErrorKind.DEADLINE, f"model {self.task.id!r} is still loading: try again shortly")
        if self.error is not None:
            raise self.error.with_traceback(None)  # of each that waited, else
        if self.life.state is not State.READY or self.interface is None:
            raise ZeroMindError(ErrorKind.MODEL_NOT_FOUND, f"model {self.task.id!r} is being dropped", self.task.id)
        return self.interface

    def cancel(self) -> None:
        """Give up loading, unless it is accepted already."""
        if self.life.state is State.LOADING and not self._accepting:
            self._enter(State.DROPPING)
            for start in self._loading:
                start.cancel()

    def leave(self) -> None:
        """Take no request any more: it is on its way out, and ``end`` follows."""
        self._enter(State.DROPPING)
        self.open = None

    async def end(self, at_once: ZeroMindError | None = None) -> int:
        """Let what runs finish, end the workers; how many bytes they held at their end.

        ``at_once`` is the fault that answers what runs, now, instead of its result; it also hurries an end that waits for that.
        """
        held = await self.memory()
        if self._dispatcher is not None:
            await self._dispatcher.close(at_once)
        if self._dispatcher is None or self._ending:  # cancelled while it loaded, or somebody else ends it
            await self._gone.wait()
            return 0
        self._ending = True
        held = max(held, await self.memory())
        await self._stop_workers()
        self._finish_drop()
        return held

    async def drop(self, at_once: ZeroMindError | None = None) -> None:
        """Have it gone, whatever state it is in; ``at_once`` as in ``end``."""
        self.cancel()
        if self.life.state is State.LOADING:
            await self._settled.wait()
        if self.life.may(State.DROPPING):
            self.leave()
        await self.end(at_once)

    async def retire(self) -> None:
        """Let all that it has accepted finish, within its time-out, then drop it: another has taken its place."""
        end = time.monotonic() + self.timeout_s + _DRAIN_TICK_S
        while self.pending and time.monotonic() < end:  # noqa: ASYNC110 - a dispatcher tells nobody when it is idle
            await asyncio.sleep(_DRAIN_TICK_S)
        await self.drop()

    async def memory(self) -> int:
        """What its workers hold now, in bytes."""
        loop = asyncio.get_running_loop()
        return sum(await asyncio.gather(*(loop.run_in_executor(None, worker.memory) for worker in self.workers)))

    @property
    def pending(self) -> int:
        """Requests that wait or run."""
        return self._dispatcher.pending if self._dispatcher else 0

    @property
    def waiting(self) -> int:
        """Requests that wait: for it to load, or for a worker."""
        return self.early.count + (self._dispatcher.waiting if self._dispatcher else 0)

    @property
    def running(self) -> int:
        """Requests that its workers have."""
        return self._dispatcher.running if self._dispatcher else 0

    @property
    def restarts(self) -> int:
        """How often its workers had to be started again."""
        return sum(worker.restarts for worker in self.workers)

    def told(self) -> dict[str, Any]:
        """What it has done, as ``Statistics`` tells it, and the bytes that its workers held when it had loaded."""
        usage = [{"type": "CPU", "id": 0, "byte_size": self.memory_consumed}]
        usage += [{"type": "GPU", "id": number, "byte_size": nbytes} for number, nbytes in self.gpu_memory.items()]
        return {**self.statistics.to_json(), "memory_usage": usage}

    @property
    def free(self) -> Mapping[str, bool]:
        """What its workers can do that confined ones cannot (``confinement.found``)."""
        return self.workers[0].free

    def rank(self, priority: int) -> int:
        """Where in the queue a request of that priority stands: 0 with those that name none, and there is one that there is not."""
        return priority - self.task.default_priority_level if 0 < priority <= self.task.priority_levels else 0

    def _enter(self, state: State) -> None:
        self.life.enter(state)
        self.since = self.diary.now()

    def _weigh(self) -> None:
        if bool(self.trouble) != self._troubled:
            self._troubled = not self._troubled
            self.since = self.diary.now()
        if self._dispatcher is not None:
            self._dispatcher.refuse(self.trouble)

    def _pids(self) -> set[int]:
        return {worker.pid for worker in self.workers if worker.pid is not None}

    async def _stop_workers(self) -> None:
        for start in self._loading:
            start.cancel()
        await asyncio.gather(*self._loading, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self.workers))

    def _fail(self, error: ZeroMindError) -> None:
        self.error = error
        self.diary.failed(error)
        if self.life.may(State.FAILED):
            self._enter(State.FAILED)
        self._settled.set()
        self._gone.set()

    def _finish_drop(self) -> None:
        self._enter(State.GONE)
        self._settled.set()
        self._gone.set()


def _unknown(error: BaseException) -> ZeroMindError:
    _log.error("loading failed for an unknown reason", exc_info=error)
    return ZeroMindError(ErrorKind.LOAD_UNKNOWN, "the model failed to load for an unknown reason; see the server's log")
