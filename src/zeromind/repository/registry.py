"""The models of one pool by id: loads and drops of one id are decided in the order in which they come."""

from __future__ import annotations

import asyncio
import dataclasses
import difflib
import hashlib
import json
import logging
import time
import weakref
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from zeromind.codecs import oip_model
from zeromind.config.pool import PoolConfig
from zeromind.config.task import Task
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.diary import Diary
from zeromind.observe.trace import Trace
from zeromind.repository import description
from zeromind.repository.catalogue import Catalogue
from zeromind.repository.journal import Journal
from zeromind.repository.lifecycle import State
from zeromind.repository.model import Model
from zeromind.repository.ordering import Surroundings, order_for
from zeromind.repository.past import Past
from zeromind.repository.plan import Base, Plan, again, changed, unknown
from zeromind.repository.turn import Load, Turn
from zeromind.repository.upload import Upload
from zeromind.scratch import Scratch

_log = logging.getLogger(__name__)
T = TypeVar("T")

_MOST_NAMED = 32
_LONGEST_NAME = 128
"""A task's id has no more characters."""


class Registry:
    """Which models are served. An id is taken from the moment its load is accepted until its drop has ended."""

    def __init__(self, config: PoolConfig, journal: Journal | None = None, trace: Trace | None = None) -> None:
        self._config = config
        self._journal = journal
        self._trace = trace or Trace()
        self._scratch = Scratch()
        self._surroundings = Surroundings(self._scratch, config)
        self._models: dict[str, Model] = {}
        self._leaving: set[Model] = set()
        """Those whose place was taken and that still have requests."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turns: weakref.WeakValueDictionary[str, Turn] = weakref.WeakValueDictionary()
        self._closed = False
        self.catalogue = Catalogue(config.tasks)
        self.past = Past()
        self.failed: dict[str, ZeroMindError] = {}
        """Why configured models are not served, by id."""

    def ids(self) -> list[str]:
        """The ids of the models that are ready, sorted."""
        return sorted(name for name, model in self._models.items() if model.life.state is State.READY)

    def check_sum(self, ids: Sequence[str] | None = None) -> str:
        """MD5 of the JSON text of sorted ids, by default of all: the original's sign that the list has changed."""
        return hashlib.md5(json.dumps(self.ids() if ids is None else ids).encode(), usedforsecurity=False).hexdigest()

    def models(self) -> list[Model]:
        """Every model that is here, whatever its state, in the order of loading."""
        return list(self._models.values())

    def serves(self, task_id: str) -> bool:
        """Whether there is a model of that id that answers."""
        model = self._models.get(task_id)
        return model is not None and model.serves

    def get(self, task_id: str) -> Model:
        """The model of that id. Raises MODEL_NOT_FOUND."""
        model = self._models.get(task_id)
        if model is None:
            raise ZeroMindError(ErrorKind.MODEL_NOT_FOUND, f"model {task_id!r} is not loaded; {self._advice(task_id)}", task_id)
        return model

    async def load(self, source: Mapping[str, Any], trusted: bool, remember: bool = False) -> Model:
        """Load a task; ``trusted`` = the operator wrote it. Raises ALREADY_LOADED if the id is taken, or what is wrong with the task.

        With ``remember`` the journal holds the task before this returns.
        """
        task = Task.parse(source)
        self._check_free(task.id)
        turn = self._turn(task.id)
        async with turn.load(task.id) as load:
            self._check_free(task.id)
            return await self._load_first(load, self._made(task, Plan(source, trusted, remember, source)))

    async def load_model(self, name: str, config: Mapping[str, Any] | str | None = None, files: Mapping[str, bytes] | None = None) -> Model:
        """Load a task by its name, perhaps with changes, perhaps beside one that serves; loads of one name wait for each other.

        Raises as ``Engine.load_model``.
        """
        if files and not self._config.allow_file_override:
            text = "this pool takes no model files from clients: its option 'allow_file_override' would let it"
            raise ZeroMindError(ErrorKind.NOT_SUPPORTED, text)
        if files and config is None:
            raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, "override files must come with a configuration: the parameter 'config'")
        turn = self._turn(name)
        async with turn.load(name) as load:
            self._check_open()
            upload = await asyncio.to_thread(Upload, files, self._scratch) if files else None
            try:
                return await self._load_next(load, name, lambda old: self._planned(name, old, config, upload))
            except BaseException as error:
                if upload is not None:
                    upload.remove()
                if isinstance(error, ZeroMindError) and self.catalogue.configured(name) and name not in self._models:
                    self.failed[name] = error
                    self.past.refused(name, self.catalogue.configured(name) or {}, error)
                raise

    async def reload(self, name: str) -> Model:
        """Load a model anew from its files, as it was asked for; the one that serves goes on until then, also if that fails.

        Raises MODEL_NOT_FOUND, or what is wrong with the files, which is the model's last fault, too.
        """
        turn = self._turn(name)
        async with turn.load(name) as load:
            self._check_open()
            try:
                return await self._load_next(load, name, lambda old: self._same(name, old))
            except ZeroMindError as error:
                self._note_reload(name, error)
                raise

    async def drop(self, task_id: str, forget: bool = False) -> tuple[float, int]:
        """Drop a model: the seconds that it took and the bytes that its workers held. Loads of it that came before are given up.

        Raises MODEL_NOT_FOUND, or STORAGE where the pool cannot remember that: then the model stays.
        """
        start = time.perf_counter()
        turn = self._turn(task_id)
        overtook = turn.overtake()
        if not overtook and self.get(task_id).life.state is State.DROPPING:
            raise _going(task_id)
        async with turn.lock:
            model = self._models.get(task_id)
            ready = model is not None and model.life.may(State.DROPPING)
            if not ready and not overtook:  # another drop was faster
                raise _going(task_id)
            if forget:
                await self._remember_drop(task_id)
            if model is not None and ready:
                model.leave()
        held = await self._ended(model) if model is not None and ready else 0
        return time.perf_counter() - start, held

    def unload(self, name: str) -> asyncio.Future[None]:
        """Begin to drop a model; what is returned is done when that is remembered. Loads of it that came before are given up.

        Raises MODEL_NOT_FOUND for a name that nothing is known of.
        """
        turn = self._turn(name)
        if not turn.overtake() and name not in self._models and name not in self.catalogue:
            raise unknown(name)
        return asyncio.shield(self._aside(self._unloaded(name, turn)))

    def index(self, ready: bool = False) -> list[dict[str, str]]:
        """Every model that is here, was to be here or can be loaded by its name, as ``Engine.index`` has it, sorted by name."""
        entries = {name: _entry(name, "UNAVAILABLE", "unloaded") for name in self.catalogue}
        entries |= {name: _entry(name, "UNAVAILABLE", error.message) for name, error in self.failed.items()}
        for name, model in self._models.items():
            fault = model.error or model.trouble
            entries[name] = _entry(name, description.state(model), fault.message if fault else "")
        return [entry for _, entry in sorted(entries.items()) if not ready or entry["state"] == "READY"]

    def remembered(self) -> list[dict[str, Any]]:
        """What is known of models that are not here, as ``description.remembered`` has it, sorted by name."""
        names = {*self.catalogue, *self.failed} - set(self._models)
        sources = {name: self.catalogue.configured(name) or self.catalogue.dropped(name) or {} for name in sorted(names)}
        return [description.remembered(name, source, self.past.get(name)) for name, source in sources.items()]

    def diary(self, name: str) -> Diary:
        """The diary of a model that is here, or was. Raises MODEL_NOT_FOUND."""
        remains = None if name in self._models else self.past.get(name)
        return remains.diary if remains else self.get(name).diary

    def note_failure(self, source: Mapping[str, Any], trusted: bool, error: ZeroMindError) -> None:
        """Note why a task with which the pool started is not served."""
        name = source.get("id")
        self.failed[str(name)] = error
        self.past.refused(str(name), source, error)
        if not trusted and isinstance(name, str):
            self.catalogue.keep(name, source)

    @property
    def busy(self) -> bool:
        """Whether a request waits or runs, those of models included that others have replaced."""
        return any(model.pending for model in (*self._models.values(), *self._leaving))

    async def close(self) -> None:
        """Drop everything at once, and load nothing more; what still runs is answered SHUTTING_DOWN."""
        self._closed = True
        loading = [load.model for turn in self._turns.values() for load in turn.loads if load.model is not None]
        models = {*self.models(), *loading, *self._leaving}
        fault = ZeroMindError(ErrorKind.SHUTTING_DOWN, "the pool stopped before the model answered: ask another one")
        await asyncio.gather(*(model.drop(fault) for model in models), return_exceptions=True)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._scratch.close)
        self._models.clear()

    def _advice(self, name: str) -> str:
        """What to ask for instead of a model that is not there; where clients have keys, not all may know all names."""
        text = "/model/list tells which are"
        if self._config.keys_file is not None:
            return text
        if name in self.failed:
            return f"{text}; it could not be loaded: {self.failed[name].message}"
        ids = self.ids()[:_MOST_NAMED]
        near = difflib.get_close_matches(name, ids, 1) if len(name) <= _LONGEST_NAME else []
        return f"{text}: {', '.join(ids) or 'none yet'}" + (f"; did you mean {near[0]!r}?" if near and len(ids) > 1 else "")

    def _turn(self, name: str) -> Turn:
        return self._turns.setdefault(name, Turn())

    def _check_open(self) -> None:
        if self._closed:  # while it has waited for its turn
            raise ZeroMindError(ErrorKind.SHUTTING_DOWN, "the pool is shutting down: try another one")

    def _check_free(self, name: str) -> None:
        if name in self._models:
            raise ZeroMindError(ErrorKind.ALREADY_LOADED, f"model {name!r} is loaded already: drop it first, or use another id", name)

    async def _load_next(self, load: Load, name: str, planned: Callable[[Model | None], tuple[Task, Plan]]) -> Model:
        """What ``load_model`` and ``reload`` do when their turn has come; ``planned`` says what is loaded where that one serves."""
        old = self._models.get(name)
        if old is not None and old.life.state is not State.READY:
            await old.settled()
            self._remove(old)  # which whoever dropped it may not have come to yet
            old = None
        load.check()  # a drop may have come during all this
        model = self._made(*planned(old))
        return await (self._load_first(load, model) if old is None else self._load_beside(load, old, model))

    def _planned(self, name: str, old: Model | None, config: Mapping[str, Any] | str | None, upload: Upload | None) -> tuple[Task, Plan]:
        """What is to be loaded under a name."""
        configured = self.catalogue.configured(name)
        if old is not None and old.plan.upload is None and (config is not None or configured is None):
            shown = oip_model.config(old.task, old.interface) if old.interface else {}
            base: Base | None = Base(old.plan.source, old.plan.trusted, shown)
        elif configured is not None:
            base = Base(configured, trusted=True)
        else:
            source = self.catalogue.dropped(name)
            base = None if source is None else Base(source, trusted=False)
        if config is not None:
            plan = changed(name, base, configured, config, upload)
        elif base is None:
            raise unknown(name)
        else:
            plan = again(base)
        return Task.parse(plan.source), plan

    def _note_reload(self, name: str, error: ZeroMindError) -> None:
        model = self._models.get(name)
        if model is not None:
            model.diary.failed(error)
        elif (configured := self.catalogue.configured(name)) is not None:
            self.note_failure(configured, True, error)

    def _same(self, name: str, old: Model | None) -> tuple[Task, Plan]:
        """What is loaded under a name, or was to be from the start, once more."""
        configured = self.catalogue.configured(name)
        if old is not None:
            plan = dataclasses.replace(old.plan, remember=False)
        elif configured is not None and name in self.failed:
            plan = Plan(configured, trusted=True)
        else:
            raise ZeroMindError(ErrorKind.MODEL_NOT_FOUND, f"model {name!r} is not here to be loaded anew", name)
        return Task.parse(plan.source), plan

    def _made(self, task: Task, plan: Plan) -> Model:
        self._check_open()
        return Model(task, order_for(task, plan, self._config, self._surroundings), self._config, self._trace.sampler(task.id), plan)

    async def _load_first(self, load: Load, model: Model) -> Model:
        """Load a model whose id is free."""
        name = model.task.id
        self._models[name] = load.model = model
        try:
            await model.load(lambda: self._remember(model))
        except BaseException:
            self._remove(model)
            raise
        self.failed.pop(name, None)
        self.catalogue.forget(name)
        return model

    async def _load_beside(self, load: Load, old: Model, model: Model) -> Model:
        """Load a model that takes the place of one that serves; if it does not load, that one stays."""
        load.model = model
        await model.load(lambda: self._remember(model))
        self._models[model.task.id] = model
        self._leaving.add(old)
        self._aside(self._retired(old))
        return model

    async def _retired(self, model: Model) -> None:
        try:
            await model.retire()
        finally:
            self._leaving.discard(model)
            _clean(model)

    async def _unloaded(self, name: str, turn: Turn) -> None:
        async with turn.lock:
            await self._remember_drop(name)
            model = self._models.get(name)
            if model is not None and model.life.may(State.DROPPING):
                model.leave()
                self._aside(self._ended(model))

    async def _ended(self, model: Model) -> int:
        try:
            return await model.end()
        finally:
            self._remove(model)

    async def _remember(self, model: Model) -> None:
        plan = model.plan
        if self._journal is None or not plan.remember:
            return
        if plan.note:
            await self._journal.loaded(model.task.id, {**plan.note, "id": model.task.id})
        else:
            await self._journal.as_configured(model.task.id)

    async def _remember_drop(self, name: str) -> None:
        if self._journal is None:
            return
        if self.catalogue.configured(name):
            await self._journal.dropped(name)
        else:  # of a client's own id nothing need stay: they invent names without end
            await self._journal.as_configured(name)

    def _remove(self, model: Model) -> None:
        """The model is gone; a client's task can be loaded again by its name."""
        name = model.task.id
        if self._models.get(name) is model:
            del self._models[name]
            self.past.keep(name, model.task.source, model.diary)
            self._trace.forget(name)
            if model.interface is not None and model.plan.upload is None and self.catalogue.configured(name) is None:
                self.catalogue.keep(name, model.plan.source)
        _clean(model)

    def _aside(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Have something done that the pool waits for when it closes, whoever else does."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _going(name: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.MODEL_NOT_FOUND, f"model {name!r} is being dropped already", name)


def _entry(name: str, state: str, reason: str) -> dict[str, str]:
    return {"name": name, "version": oip_model.VERSION, "state": state, "reason": reason}


def _clean(model: Model) -> None:
    if model.plan.upload is not None:
        model.plan.upload.remove()
