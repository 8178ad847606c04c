"""``zeromind check``: try a configuration without serving it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import socket
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from zeromind.access.guard import Guard
from zeromind.cli import settings
from zeromind.config.file import File
from zeromind.config.pool import PoolConfig
from zeromind.config.task import Task
from zeromind.errors import ConfigError, ErrorKind, ZeroMindError
from zeromind.executor import confinement
from zeromind.http import app
from zeromind.repository.model import Model
from zeromind.repository.registry import Registry

_console = Console(highlight=False)
_OF_A_TASK = re.compile(r"tasks\[(\d+)\]\.?(\w*)")


@click.command()
@settings.config_file
def check(file: Path | None) -> None:
    """Try a configuration: every key, filter and handler, the files of keys and certificates, every model loaded in a scratch worker.

    \b
    zeromind check                 pool.toml, or configs/model_pool_config.json
    zeromind check -c other.toml

    Says what is wrong with which key; exits 1 if anything is.
    """
    file = settings.wanted(file)
    config = settings.read(file, {})
    _tell_confinement(config)
    problems = [*_guards(config), *_handlers(config), *asyncio.run(_tasks(config))]
    written = File.read(file)
    for key, message in problems:
        task = _OF_A_TASK.match(key)
        line = written.line_in_task(int(task[1]), task[2]) if task else written.line(key)
        _console.print(Text.assemble(("✗ ", "bold red"), f"{key}: {message}", f" ({file}, line {line})" if line else ""), soft_wrap=True)
    if problems:
        raise SystemExit(1)
    _console.print(f"[bold green]✓[/] {file} is fine: {len(config.tasks)} tasks loaded")


def _tell_confinement(config: PoolConfig) -> None:
    """What workers can be kept from on this system."""
    if config.confine == "off":
        _console.print("workers are not confined: 'confine' is off")
        return
    for name, guards in confinement.offered().items():
        told = (
            f"[bold green]✓[/] {name} confines workers ({guards})"
            if guards
            else f"[bold yellow]![/] {name} is not there to confine workers"
        )
        _console.print(told, soft_wrap=True)


def _freedom(model: Model) -> str:
    """What the model's worker was found to be able to do."""
    if model.task.isolation == "thread":
        return "a thread of the server, not confined"
    return f"{'any' if model.free['files'] else 'its own'} files, {'the' if model.free['network'] else 'no'} network"


def _guards(config: PoolConfig) -> list[tuple[str, str]]:
    """What is wrong with the files of keys and certificates, or with where the pool would listen."""
    try:
        guard = Guard(dataclasses.replace(config, audit_file=None))
        if guard.tls is not None:
            guard.tls.context(())
        with contextlib.suppress(socket.gaierror):  # a host that is none is told of by whoever listens
            guard.check([str(found[4][0]) for found in socket.getaddrinfo(config.host, None, type=socket.SOCK_STREAM)])
    except ConfigError as error:
        return [(error.key, str(error).removeprefix(f"{error.key}: "))]
    return []


def _handlers(config: PoolConfig) -> list[tuple[str, str]]:
    problems = []
    for place in config.handler_folders:
        try:
            list(app.handlers_in(place))
        except ConfigError as error:
            problems.append((error.key, str(error)))
    return problems


async def _tasks(config: PoolConfig) -> list[tuple[str, str]]:
    """What is wrong with the tasks: (key, sentence) for each; the workers are gone when this returns."""
    # One after the other: a scratch worker must not compete with its neighbours for memory.
    registry = Registry(dataclasses.replace(config, state_dir=None))
    problems: list[tuple[str, str]] = []
    seen: list[Any] = []  # an id may be anything until the task is checked
    for index, source in enumerate(config.tasks):
        label = f"tasks[{index}]"
        if source.get("id") in seen:
            problems.append((f"{label}.id", f"{source['id']!r} is used twice"))
        seen.append(source.get("id"))
        with _console.status(f"{label} {source.get('id', '')} …"):
            try:
                Task.parse(source)  # its 'instances' too, of which one is enough to try
                model = await registry.load({**source, "instances": 1}, trusted=True)
            except ZeroMindError as error:
                problems.append((f"{label}.{_key(error)}".rstrip("."), str(error)))
                continue
        memory = model.memory_consumed / 1e6
        told = f"[bold green]✓[/] {label} {model.task.id!r}: {model.load_time:.1f} s, {memory:.0f} MB; {_freedom(model)}"
        _console.print(told, soft_wrap=True)
        await registry.drop(model.task.id)
    await registry.close()
    return problems


_KEYS = {
    ErrorKind.MODEL_FILE: "model_file",
    ErrorKind.LOAD_FAILED: "model_file",
    ErrorKind.CODE_NOT_ALLOWED: "allow_code",
    ErrorKind.MODEL_TYPE_UNKNOWN: "model_type",
    ErrorKind.MODEL_TYPE_NOT_ALLOWED: "model_type",
    ErrorKind.MISSING_PACKAGE: "model_type",
    ErrorKind.INPUT_SPEC: "inputs",
    ErrorKind.OUTPUT_SPEC: "outputs",
}


def _key(error: ZeroMindError) -> str:
    if error.kind is ErrorKind.TASK_ATTRIBUTE and error.params:
        return str(error.params[0])
    return _KEYS.get(error.kind, "input_filters/output_filters" if "FILTER" in error.kind.name else "")
