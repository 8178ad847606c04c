"""Writes docs/reference.md, and the scopes in docs/security.md, from the declarations in the code; ``--check`` only compares."""

import asyncio
import dataclasses
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from zeromind import importing, limits, plugins
from zeromind.access.audit import Audit
from zeromind.access.gate import Gate
from zeromind.access.hosts import Hosts
from zeromind.access.scope import Scope
from zeromind.cli import commands
from zeromind.config import pool
from zeromind.config.options import POOL, TASK, Option
from zeromind.console import pages
from zeromind.engine import Engine
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.grpc.service import Service
from zeromind.grpc.status import TABLE
from zeromind.http import app, envelope

FILE = Path(__file__).with_suffix(".md")
SECURITY = FILE.with_name("security.md")
LIMITS = FILE.with_name("limits.md")
BEGIN, END = "<!-- scopes -->\n", "<!-- /scopes -->\n"
BEGIN_LIMITS, END_LIMITS = "<!-- limits -->\n", "<!-- /limits -->\n"


def text() -> str:
    """The whole page."""
    parts = [*head(), *settings(), *routes(), *errors(), *adapters(), *filters(), *command_line()]
    return "\n".join(parts) + "\n"


def head() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield "Made from the code by `make docs`; do not edit."


def settings() -> Iterator[str]:
    yield from ("", "## The pool's keys", "")
    yield "A JSON object in the file that `-c` names. Precedence: flag, then environment variable, then file, then default."
    yield "A variable holds the value as JSON, a string as it is."
    yield ""
    yield "| key | variable | flag | default | |"
    yield "|---|---|---|---|---|"
    for option in POOL:
        flag = f"`--{option.key.replace('_', '-')}`" if option.flag else ""
        yield f"| `{option.key}` | `{option.variable}` | {flag} | `{json.dumps(option.default)}` | {explained(option)} |"
    yield from ("", "## A task's keys", "")
    yield "An object in `tasks`, or the body of `/model/load`. A key that is not listed here goes to the task's adapter, which refuses"
    yield "what it does not know."
    yield ""
    yield "| key | default | |"
    yield "|---|---|---|"
    for option in TASK:
        yield f"| `{option.key}` | {'required' if option.default is None else f'`{json.dumps(option.default)}`'} | {explained(option)} |"


def explained(option: Option) -> str:
    bounds = [f"at least {option.least}"] if option.least is not None and option.kind != "string" else []
    bounds += [f"at most {option.most}"] if option.most is not None else []
    bounds += [f"one of {', '.join(option.choices)}"] if option.choices else []
    return option.help + (f" ({', '.join(bounds)})" if bounds else "")


def routes() -> Iterator[str]:
    yield from ("", "## Routes", "", "| route | methods | |", "|---|---|---|")
    for handler in app.BUILT_IN:
        shown = (handler.shown or handler.route).replace("|", r"\|")  # which ends a cell, also in code
        yield f"| `{shown}` | {', '.join(handler.methods())} | {handler.summary} |"


def secured() -> str:
    """The page about security, with the table as the code has it."""
    before, _, rest = SECURITY.read_text().partition(BEGIN)
    return before + BEGIN + "\n".join(scopes()) + "\n" + END + rest.partition(END)[2]


def scopes() -> Iterator[str]:
    """What each route and each method of gRPC needs of a key."""
    yield from ("| HTTP | needs |", "|---|---|")
    for handler in (*app.BUILT_IN, *pages.LISTED):
        shown = (getattr(handler, "shown", "") or handler.route).replace("|", r"\|")
        by_scope: dict[Scope, list[str]] = {}
        for method, scope in handler.scopes.items():
            by_scope.setdefault(scope, []).append(method)
        yield f"| `{shown}` | " + "; ".join(f"{', '.join(methods)}: {scope.value}" for scope, methods in by_scope.items()) + " |"
    yield from ("| every other route | any |", "", "| gRPC | needs |", "|---|---|")
    for path, method in asyncio.run(_methods()).items():
        needs = "read; changes: manage" if method.scope is Scope.ANY else method.scope.value
        yield f"| `{path.decode().lstrip('/')}` | {needs} |"
    yield "| every other method | any |"


async def _methods():
    engine = Engine(pool.read(None, {}, {}))
    try:
        return Service(engine, Gate(Hosts()), Audit()).methods
    finally:
        await engine.close()


def limited() -> str:
    """The page about limits, with their tables as the code has them."""
    before, _, rest = LIMITS.read_text().partition(BEGIN_LIMITS)
    return before + BEGIN_LIMITS + "\n".join(bounds()) + "\n" + END_LIMITS + rest.partition(END_LIMITS)[2]


def bounds() -> Iterator[str]:
    """Every limit, with what passing it is answered."""
    for group in (value for value in vars(limits).values() if dataclasses.is_dataclass(value) and isinstance(value, type)):
        yield from (f"## {group.__name__.removesuffix('Limits')}", "", inspect.getdoc(group) or "", "")
        yield from ("| limit | | unit | beyond it | |", "|---|---:|---|---|---|")
        for field in dataclasses.fields(group):
            told = field.metadata
            yield f"| `{field.name}` | {field.default:,} | {told['unit']} | {answered(told['answer'])} | {told['text']} |"
        yield ""


def answered(answer: ErrorKind | str) -> str:
    """What passing a limit is answered over HTTP and gRPC."""
    return answer if isinstance(answer, str) else f"{envelope.status(ZeroMindError(answer, ''))}, {TABLE[answer].name}"


def errors() -> Iterator[str]:
    yield from ("", "## Errors", "")
    yield 'Every fault is answered with `{"errors": [{"code", "message", "params"}]}`.'
    yield from ("", "| code | HTTP | what happened |", "|---:|---:|---|")
    for kind, (status, code) in sorted(envelope.TABLE.items(), key=lambda item: item[1][::-1]):
        yield f"| {code} | {status} | {ErrorKind(kind).value} |"


def adapters() -> Iterator[str]:
    yield from ("", "## Adapters", "")
    yield "Which one serves a file is told by its content, or by the task's `model_type`. `zeromind adapters` shows what is installed."
    yield "Formats that can carry code are loaded only where the operator allows it: `allow_code`, `code_roots`, `--allow-code`."
    for name, target in plugins.ADAPTERS.items():
        adapter = importing.load(target)
        yield from ("", f"### `{name}`", "", f"{adapter.formats}. Can carry code: {adapter.code or 'none'}.", "")
        if adapter.needs:
            packages = ", ".join(f"`{module}`{f' {least} or newer' if least else ''}" for module, least in adapter.needs.items())
            yield from (f"Needs {packages}: `pip install 'zeromind[{name}]'`.", "")
        yield inspect.getdoc(adapter) or ""
        if adapter.options:
            yield from ("", "| task key | |", "|---|---|")
            yield from (f"| `{key}` | {value} |" for key, value in adapter.options.items())


def filters() -> Iterator[str]:
    yield from ("", "## Filters", "")
    yield 'In a task: an id, or `{"filter": id, "parameter": value}`. Ids of the original stand for today\'s filters.'
    for name, target in plugins.FILTERS.items():
        filter_class = importing.load(target)
        parameters = [str(value).replace(" ", "") for key, value in inspect.signature(filter_class).parameters.items() if key != "files"]
        yield from ("", f"### `{name}`", "")
        legacy = [old for old, new in plugins.LEGACY_FILTERS.items() if new == name]
        yield f"Side: {filter_class.side}." + (f" Also `{'`, `'.join(legacy)}`." if legacy else "")
        yield from ("", inspect.getdoc(filter_class) or "")
        if parameters:
            yield from ("", "Parameters: " + ", ".join(f"`{parameter}`" for parameter in parameters))


def command_line() -> Iterator[str]:
    yield from ("", "## Commands")
    for name, command in commands.commands.items():
        context = click.Context(command, info_name=f"zeromind {name}", max_content_width=100, terminal_width=100)
        yield from ("", f"### `zeromind {name}`", "", "```", command.get_help(context), "```")


if __name__ == "__main__":
    for file, wanted in ((FILE, text()), (SECURITY, secured()), (LIMITS, limited())):
        if sys.argv[1:] != ["--check"]:
            file.write_text(wanted)
        elif file.read_text() != wanted:
            sys.exit(f"{file} is not what the code says: run make docs")
