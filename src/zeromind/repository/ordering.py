"""What workers are told to load, by the rules of the pool: which files a task may name, and whether they may run code."""

from __future__ import annotations

import os
from pathlib import Path

from zeromind.config.pool import PoolConfig
from zeromind.config.roots import locate
from zeromind.config.task import Task
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor import environment
from zeromind.executor.order import Order
from zeromind.repository.plan import Plan
from zeromind.scratch import Scratch


class Surroundings:
    """What the workers of a server find around them: a folder for their own ones, and what it chose of its environment at its start."""

    def __init__(self, scratch: Scratch, config: PoolConfig) -> None:
        self._scratch = scratch
        self.environment = environment.chosen(os.environ, config.worker_environment)

    def folder(self) -> str:
        """The path of the folder. Raises STORAGE."""
        try:
            return str(self._scratch.root)
        except OSError as error:
            text = f"the worker has nowhere to write ({error.strerror}): see that the pool's folder for temporary files has room"
            raise ZeroMindError(ErrorKind.STORAGE, text) from None


def order_for(task: Task, plan: Plan, config: PoolConfig, surroundings: Surroundings) -> Order:
    """The order for a task. Raises MODEL_FILE where its file is not to be had, MODEL_TYPE_NOT_ALLOWED, TASK_ATTRIBUTE."""
    trusted = plan.trusted
    roots = config.roots if plan.upload is None else (plan.upload.folder, *config.roots)
    path = locate(task.model_file, roots, trusted)
    if path is None:
        where = ", from the folder in which the server is started" if trusted else " beneath the roots of this pool"
        raise ZeroMindError(
            ErrorKind.MODEL_FILE,
            f"the model file {task.model_file!r} is not readable{where}: check the path ('model_file'), or extend 'roots'",
            task.model_file,
        )
    if task.model_type and config.model_types and task.model_type not in config.model_types:
        allowed = ", ".join(config.model_types)
        raise ZeroMindError(ErrorKind.MODEL_TYPE_NOT_ALLOWED, f"this pool serves only {allowed}, not {task.model_type!r}", task.model_type)
    if task.isolation == "thread" and config.confine == "require":
        text = "a thread of the server cannot be confined, which this pool requires ('confine'): set 'isolation' to 'process'"
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, "isolation")
    # What a client sends runs no code, wherever it is kept meanwhile.
    allow_code = plan.upload is None and ((trusted and task.allow_code) or _beneath(path, config.code_roots))
    return Order(
        task.source,
        str(path),
        tuple(map(str, roots)),
        trusted,
        allow_code,
        config.model_types,
        config.adapter_folders,
        config.filter_folders,
        task.threads or max(1, (os.cpu_count() or 1) // task.instances),
        config.debug,
        config.confine,
        task.network if trusted else "auto",
        _places("reads", task.reads) if trusted else (),
        _places("writes", task.writes) if trusted else (),
        (task.memory_limit_bytes if trusted else 0) or config.memory_limit_bytes,
        surroundings.folder(),
        surroundings.environment,
    )


def _places(key: str, paths: list[str]) -> tuple[str, ...]:
    try:
        return tuple(str(Path(path).expanduser().resolve()) for path in paths)
    except RuntimeError:  # there is no such user, or no home
        text = f"the task key {key!r} has a path that begins with '~', and nobody knows whose home that is: write it in full"
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, key) from None


def _beneath(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder.resolve()) for folder in folders)
