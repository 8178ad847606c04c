"""The one front door of a pool: infer, load, drop, describe, health. Every wire calls it, no wire knows another."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from zeromind import scratch
from zeromind.codecs import oip_model
from zeromind.config.pool import PoolConfig
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.observe.log_settings import LogSettings
from zeromind.observe.metrics import Metrics
from zeromind.observe.statistics import CANCELLED
from zeromind.observe.timing import Work
from zeromind.observe.trace import Trace
from zeromind.regions import Regions
from zeromind.repository import plan
from zeromind.repository.journal import Journal
from zeromind.repository.model import Model
from zeromind.repository.registry import Registry
from zeromind.repository.view import View
from zeromind.scheduler.entry import Answer, Entry
from zeromind.scheduler.stream import Single, Stream
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface, Run

_log = logging.getLogger(__name__)

VERSION = oip_model.VERSION
"""A task has one version, on wires that ask for it."""
_DRAIN_TICK_S = 0.01


class Engine:
    """A pool of models with one configuration; several may live in one process."""

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self._journal = Journal(config.state_dir) if config.state_dir else None
        self.trace = Trace(config.trace_file)
        self.registry = Registry(config, self._journal, self.trace)
        self._stopping = False
        self._starting: asyncio.Task[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._active = 0
        self._hurried = False
        self.metrics = Metrics()
        self.view = View(config, self.registry, self.metrics)
        self.logging = LogSettings()
        self.regions = Regions(config.allow_shared_memory, config.max_queue_bytes)
        self._watchers: set[Callable[[], None]] = set()
        self.stopped = asyncio.Event()
        """Set when somebody asked the pool to stop."""

    def start(self) -> None:
        """Begin to load the configured tasks, one beside the other; the pool answers meanwhile."""
        self._sweeping = asyncio.create_task(self._sweep())
        self._starting = asyncio.create_task(self._load_configured())
        self._starting.add_done_callback(lambda _: self._changed())

    async def started(self) -> None:
        """Return when every configured task has loaded or failed."""
        if self._starting is not None:
            await asyncio.shield(self._starting)

    @property
    def ready(self) -> bool:
        """Whether every configured task has loaded or failed, and the pool is not stopping."""
        return self._starting is not None and self._starting.done() and not self.stopped.is_set()

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Have ``changed`` called whenever ``ready`` may have become another, until what this gives is called."""
        self._watchers.add(changed)
        return lambda: self._watchers.discard(changed)

    async def interface(self, model_id: str) -> Interface:
        """A model's interface, waiting within its time-out for one that loads. Raises MODEL_NOT_FOUND, DEADLINE or its load error."""
        model = self.registry.get(model_id)
        return await model.ready(time.monotonic() + model.timeout_s)

    def submit(
        self,
        model_id: str,
        decode: Callable[[Interface], InferRequest],
        reply: Callable[[Answer], None],
        *,
        streaming: bool = False,
        nbytes: int = 0,
    ) -> Entry | Late:
        """Decode a request against the model's interface and have it answered within the model's time-out, or its own.

        ``reply`` is called exactly once, unless the request is withdrawn; the arrays of an answer are its to read until it returns.
        With ``streaming`` it is called for each response of a decoupled model, of which the next is made upon ``go_on``. ``nbytes`` is how
        much ``decode`` holds, which counts while the model still loads.
        Raises SHUTTING_DOWN, MODEL_NOT_FOUND, BUSY, or what ``decode`` raises.
        """
        if self._stopping:
            raise _stopping()
        model = self.registry.get(model_id)
        now = time.monotonic()
        if model.open is not None:
            return _submit(model, decode, now, reply, streaming)
        try:
            model.early.enter(nbytes)
        except ZeroMindError as error:
            model.statistics.failed(0.0, error.kind.name)
            raise
        submitting = asyncio.create_task(self._submit_late(model, decode, now, reply, streaming))

        def waited(task: asyncio.Task[Entry | None]) -> None:  # also of one that is cancelled before its first step
            model.early.leave(nbytes)
            if task.cancelled():
                model.statistics.failed(time.monotonic() - now, CANCELLED)

        submitting.add_done_callback(waited)
        return Late(submitting)

    def stream(self, model_id: str, decode: Callable[[Interface], InferRequest], nbytes: int = 0) -> Stream:
        """The responses to a request, as they come: of a decoupled model any number and then a final one without outputs, of another one.

        Raises as ``submit``; its iteration raises the request's fault.
        """
        return Stream(lambda reply: self.submit(model_id, decode, reply, streaming=True, nbytes=nbytes))

    async def infer(
        self,
        model_id: str,
        decode: Callable[[Interface], InferRequest],
        nbytes: int = 0,
        timed: Callable[[float, Work], None] | None = None,
    ) -> InferResponse:
        """The answer to a request, as ``submit`` has it, with arrays of its own; ``timed`` is told how long it waited, and of the work.

        Raises the request's fault.
        """
        future: asyncio.Future[InferResponse] = asyncio.get_running_loop().create_future()

        def reply(answer: Answer) -> None:
            if future.done():
                return  # cancelled, a moment ago
            if isinstance(answer, ZeroMindError):
                future.set_exception(answer)
            else:
                if timed is not None:
                    work = submitted.work(answer.run)
                    timed(max(0.0, work[0] - submitted.since), work)
                future.set_result(answer.copy())

        submitted = self.submit(model_id, decode, reply, nbytes=nbytes)
        try:
            return await future
        except asyncio.CancelledError:
            submitted.withdraw()
            raise

    async def _submit_late(
        self, model: Model, decode: Callable[[Interface], InferRequest], came: float, reply: Callable[[Answer], None], streaming: bool
    ) -> Entry | None:
        """Submit once the model has loaded; what goes wrong is the answer."""
        self._active += 1
        try:
            await _loaded(model, came)
            return _submit(model, decode, came, reply, streaming)
        except ZeroMindError as error:
            reply(error)
        except Exception:
            _log.exception("a request for model %r failed for an unknown reason", model.task.id)
            reply(ZeroMindError(ErrorKind.PREDICT_UNKNOWN, "the prediction failed for an unknown reason; see the server's log"))
        finally:
            self._active -= 1
        return None

    async def load(self, source: Mapping[str, Any]) -> Model:
        """Load a task that a client sent. Raises ALREADY_LOADED, or what is wrong with the task or its model."""
        with self._accepted():
            plan.check_words(source)
            # A client that leaves while its model loads must not leave a half-loaded model behind.
            return await asyncio.shield(self.registry.load(source, trusted=False, remember=True))

    async def drop(self, model_id: str) -> tuple[float, int]:
        """Drop a model: the seconds that it took and the bytes that its workers held. Raises MODEL_NOT_FOUND."""
        with self._accepted():
            return await asyncio.shield(self.registry.drop(model_id, forget=True))

    async def load_model(self, name: str, config: Mapping[str, Any] | str | None = None, files: Mapping[str, bytes] | None = None) -> Model:
        """Load a known task by its name, or anew with ``config`` (task keys, or Triton's ModelConfig; its JSON text, too) and ``files``.

        A model that serves goes on until the new one takes its place, also if that fails. Raises MODEL_NOT_FOUND, NOT_SUPPORTED for
        files where the pool does not take any, or what is wrong with the configuration or the model.
        """
        with self._accepted():
            return await asyncio.shield(self.registry.load_model(name, config, files))

    async def reload(self, name: str) -> Model:
        """Load a model anew because its files have changed, while the one that serves goes on, also if that fails.

        Raises MODEL_NOT_FOUND, or what is wrong with the files.
        """
        with self._accepted():
            return await asyncio.shield(self.registry.reload(name))

    def unload_model(self, name: str) -> asyncio.Future[None]:
        """Begin to unload a model; what is returned is done when that is remembered, before the model has gone. Raises MODEL_NOT_FOUND."""
        with self._accepted():
            return self.registry.unload(name)

    def index(self, ready: bool = False) -> list[dict[str, str]]:
        """``{"name", "version", "state", "reason"}`` of every model that is here or can be loaded by its name; or of those ready only."""
        return self.registry.index(ready)

    def statistics(self, model_id: str = "") -> list[dict[str, Any]]:
        """What a model has done, or each that is ready: entries of ``model_stats`` of the statistics extension. Raises MODEL_NOT_FOUND."""
        models = [self.registry.get(model_id)] if model_id else [model for model in self.registry.models() if model.open]
        return [{"name": model.task.id, "version": VERSION, **model.told()} for model in models]

    def stop(self) -> None:
        """Ask the pool to stop: from now on it is not ready, and accepts nothing new unless it has ``pre_stop_s`` for that."""
        self._stopping = self._stopping or not self.config.pre_stop_s
        self.stopped.set()
        self._changed()

    async def notice(self) -> None:
        """Serve for ``pre_stop_s``, so that balancers notice that the pool is not ready any more; then accept nothing new."""
        await self._unless_hurried(lambda: True, self.config.pre_stop_s)
        self._stopping = True

    def hurry(self) -> None:
        """Wait no longer for accepted requests: they are answered SHUTTING_DOWN."""
        self._hurried = True

    async def close(self) -> None:
        """Let accepted requests finish within ``drain_s``, then end every worker."""
        self.stop()
        self._stopping = True
        await self._unless_hurried(lambda: self._busy, self.config.drain_s)
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._sweeping is not None:
            await asyncio.gather(self._sweeping, return_exceptions=True)
        await self.registry.close()
        self.regions.unregister()
        self.trace.write()
        if self._journal is not None:
            self._journal.close()

    async def _unless_hurried(self, wanted: Callable[[], bool], most_s: float) -> None:
        end = time.monotonic() + most_s
        while wanted() and not self._hurried and time.monotonic() < end:  # noqa: ASYNC110 - it has many owners, and happens once
            await asyncio.sleep(_DRAIN_TICK_S)

    @property
    def _busy(self) -> bool:
        return self._active > 0 or self.registry.busy

    async def _load_configured(self) -> None:
        tasks = self._journal.restore(self.config.tasks) if self._journal else [(task, True) for task in self.config.tasks]
        await asyncio.gather(*(self._load_one(source, trusted) for source, trusted in tasks))

    async def _sweep(self) -> None:
        for folder in await asyncio.to_thread(scratch.sweep):
            _log.warning("a server that was killed had left %s: it is removed", folder)

    async def _load_one(self, source: Mapping[str, Any], trusted: bool) -> None:
        name = source.get("id")
        try:
            model = await self.registry.load(source, trusted)
        except ZeroMindError as error:
            self.registry.note_failure(source, trusted, error)
            _log.error("model %r is not served: %s", name, error, extra={"model": name})
        except Exception:
            unknown = ZeroMindError(ErrorKind.LOAD_UNKNOWN, "it failed to load for an unknown reason; see the server's log")
            self.registry.note_failure(source, trusted, unknown)
            _log.exception("model %r is not served", name, extra={"model": name})
        else:
            _log.info(
                "model %r is ready: loaded in %.1f s, %.0f MB", name, model.load_time, model.memory_consumed / 1e6, extra={"model": name}
            )

    def _changed(self) -> None:
        for changed in list(self._watchers):
            changed()

    @contextlib.contextmanager
    def _accepted(self) -> Iterator[None]:
        if self._stopping:
            raise _stopping()
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1


@dataclasses.dataclass(slots=True)
class Late:
    """A request for a model that still loads."""

    _submitting: asyncio.Task[Entry | None]

    def withdraw(self) -> None:
        """Forget it: its client has left, and no answer is wanted."""
        if not self._submitting.cancel() and not self._submitting.cancelled():
            entry = self._submitting.result()
            if entry is not None:
                entry.withdraw()

    @property
    def entry(self) -> Entry:
        """What it has become, of which an answer is being given."""
        entry = self._submitting.result()
        assert entry is not None, "it was submitted"  # noqa: S101 - a fault of ours
        return entry

    @property
    def since(self) -> float:
        """As ``Entry`` has it."""
        return self.entry.since

    def work(self, run: Run) -> Work:
        """As ``Entry`` has it."""
        return self.entry.work(run)

    def go_on(self) -> None:
        """Have the next response of a stream made."""
        entry = self._submitting.result()
        if entry is not None:
            entry.go_on()


async def _loaded(model: Model, came: float) -> None:
    """Wait with a request until its model has loaded. Raises its load error, MODEL_NOT_FOUND if it is being dropped, DEADLINE."""
    try:
        await model.ready(came + model.timeout_s)
    except ZeroMindError as error:
        model.statistics.failed(time.monotonic() - came, error.kind.name)
        raise


def _submit(
    model: Model, decode: Callable[[Interface], InferRequest], came: float, reply: Callable[[Answer], None], streaming: bool
) -> Entry:
    dispatcher = model.open
    interface = model.interface
    assert dispatcher is not None, "it is ready"  # noqa: S101 - a fault of ours
    assert interface is not None, "it is ready"  # noqa: S101 - a fault of ours
    try:
        request = decode(interface)
        if len(request.inputs) > 1 and interface.spec.batches:
            check_rows(request)
        if request.priority:
            request.priority = model.rank(request.priority)
        limit_s = min(request.timeout_s, model.timeout_s) if request.timeout_s else model.timeout_s
        if not interface.decoupled or streaming:
            return dispatcher.submit(request, came + limit_s, reply, came)
        single = Single(model.task.id, reply)
        single.submitted = dispatcher.submit(request, came + limit_s, single.answer, came)
    except Exception as error:
        kind = error.kind if isinstance(error, ZeroMindError) else ErrorKind.PREDICT_UNKNOWN
        model.statistics.failed(time.monotonic() - came, kind.name)
        raise
    return single.submitted


def check_rows(request: InferRequest) -> None:
    """Refuse a request whose own inputs disagree in rows, before it is joined with one that disagrees the other way round."""
    rows = {len(value) for value in request.inputs.values() if not isinstance(value, Encoded)}
    if len(rows) > 1:
        raise ZeroMindError(
            ErrorKind.INVALID_INPUT, f"the inputs have different numbers of rows: {sorted(rows)}; give each the same first dimension"
        )


def _stopping() -> ZeroMindError:
    return ZeroMindError(ErrorKind.SHUTTING_DOWN, "the pool is shutting down: try another one")
