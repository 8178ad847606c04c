"""Writes what the pages say of the code, from the code: docs/reference.md and docs/reference/, the tables in docs/security.md and
docs/limits.md, and the files that guides show. ``--check`` only compares."""

import asyncio
import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from outline import outline

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
from zeromind.http import app, envelope, oip_status, tensorflow_status
from zeromind.http.entrance import needed
from zeromind.http.examples import EXAMPLES, Example
from zeromind.http.operation import Content, Operation
from zeromind.http.schemas import named_schemas
from zeromind.observe.families import OURS, TRITONS

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
MARKED = re.compile(r"<!-- (scopes|limits|file: (\S+)) -->\n.*?<!-- /(?:scopes|limits|file) -->\n", re.DOTALL)
"""What stands in a page and is made from the code or from a file: all between two such comments."""


def wanted() -> dict[Path, str]:
    """What each file should hold: the pages of the reference, and the others with what stands between the marks made anew."""
    found = {FOLDER / "reference.md": page(overview)}
    found.update({FOLDER / "reference" / f"{name}.md": page(content) for name, content in PAGES.items()})
    for path in sorted(FOLDER.rglob("*.md")):
        if path not in found and path.parent.name != "reference":
            found[path] = MARKED.sub(_made, path.read_text(encoding="utf-8"))
    return found


def page(content: Callable[[], Iterator[str]]) -> str:
    """One page of the reference."""
    return "<!-- Made from the code by `make reference`; do not edit. -->\n" + "\n".join(content()) + "\n"


def _made(found: re.Match[str]) -> str:
    name, file = found[1], found[2]
    if file:
        kind = {".py": "python", ".yaml": "yaml", ".json": "json", ".toml": "toml", ".js": "javascript"}.get(Path(file).suffix, "text")
        text = (ROOT / file).read_text(encoding="utf-8")
        return f"<!-- {name} -->\n```{kind}\n{text}```\n<!-- /file -->\n"
    return f"<!-- {name} -->\n" + "\n".join(scopes() if name == "scopes" else bounds()) + f"\n<!-- /{name} -->\n"


def overview() -> Iterator[str]:
    """A line for each page, with all that stands there."""
    yield from ("# Reference", "", "Made from the code: every setting, route, error, adapter, filter, metric and command.", "")
    yield from ("| page | what stands there |", "|---|---|")
    for name, content in PAGES.items():
        title, *entries = [line.lstrip("# ") for line in content() if re.match(r"#+ ", line)]
        listed = [f"[{entry}](reference/{name}.md#{anchor(entry)})" for entry in entries if "`" in entry]
        yield f"| [{title}](reference/{name}.md) | {', '.join(listed).replace('|', chr(92) + '|')} |"
    yield "| [Limits](limits.md) | what a client may send |"
    yield "| [Who may do what](security.md#what-needs-which-scope) | the scope that each route and each method of gRPC needs |"


def anchor(heading: str) -> str:
    """What a heading is linked by, on the site and where the pages are read as they are."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def pool_settings() -> Iterator[str]:
    yield from ("# The pool's settings", "")
    yield "In the file that `-c` names. Precedence: flag, then environment variable, then file, then default."
    yield "A variable holds the value as JSON, a string as it is."
    for option in POOL:
        flag = f", flag `--{option.key.replace('_', '-')}`" if option.flag else ""
        yield from ("", f"## `{option.key}`", "", f"{explained(option)}", "")
        yield f"Default `{json.dumps(option.default)}`, variable `{option.variable}`{flag}."


def task_settings() -> Iterator[str]:
    yield from ("# A task's settings", "")
    yield "An object in `tasks`, or the body of `/model/load`. A key that is not listed here goes to the task's"
    yield "[adapter](adapters.md), which refuses what it does not know."
    for option in TASK:
        default = "Required." if option.default is None else f"Default `{json.dumps(option.default)}`."
        yield from ("", f"## `{option.key}`", "", explained(option), "", default)


def explained(option: Option) -> str:
    bounds = [f"at least {option.least}"] if option.least is not None and option.kind != "string" else []
    bounds += [f"at most {option.most}"] if option.most is not None else []
    bounds += [f"one of {', '.join(f'`{choice}`' for choice in option.choices)}"] if option.choices else []
    return option.help + (f" ({', '.join(bounds)})" if bounds else "")


def routes() -> Iterator[str]:
    yield from ("# Routes", "", "A running pool shows its own at `/docs`, and to programs at `/openapi.json`. `{name}` stands for a part")
    yield "of the path; what is in brackets may be left out. A key is needed only where the pool has keys."
    dialects = {handler.dialect.name: handler.dialect for handler in app.BUILT_IN}
    for dialect in dialects.values():
        yield from ("", f"## {dialect.name}", "", dialect.description)
        for handler in app.BUILT_IN:
            if handler.dialect.name == dialect.name:
                yield from route(handler)
    for handler in pages.LISTED:
        yield from ("", f"### `{handler.route}`", "", f"{handler.summary} Needs no key.")
    yield from ("", "## gRPC", "", "On the main port and on `grpc_port`. The messages are those of Triton and KServe.", "")
    yield from ("| method | needs |", "|---|---|", *remote_scopes())


def route(handler: type) -> Iterator[str]:
    name = handler.shown or handler.route
    yield from ("", f"### `{name}`", "", handler.summary)
    asked: dict[tuple[str, ...], list[str]] = {}
    faults: dict[int, dict[str, None]] = {}
    for method in handler.methods():
        operation = handler.operations.get(method, Operation())
        asked.setdefault(tuple(told(operation, needed(handler, method))), []).append(method)
        for kind in operation.faults:
            faults.setdefault(handler.dialect.statuses[kind], {})[f"[{kind.name}](errors.md#{anchor(kind.name)})"] = None
    for lines, methods in asked.items():
        yield from ("", f"{', '.join(methods)}:", "", *lines)
    for example in EXAMPLES.get(name, ()):
        yield from ("", "```console", f"$ {curl(example)}", *([example.answer] if example.answer else ()), "```")
    if faults:
        yield from ("", "| status | |", "|---|---|")
        yield from (f"| {status} | {', '.join(names)} |" for status, names in sorted(faults.items()))


def told(operation: Operation, scope: Scope) -> Iterator[str]:
    """What a method takes, needs and gives."""
    yield "- needs no key" if scope is Scope.OPEN else f"- needs a key with `{scope.value}`"
    for parameter in operation.parameters:
        yield f"- `{parameter.name}` ({parameter.place}{'' if parameter.required else ', may be left out'}): {parameter.description}"
    if operation.body:
        yield f"- body{'' if operation.needs_body else ' (may be left out)'}: {media(operation.body)}"
    if operation.answer is not None:
        yield f"- answer: {media(operation.answer) or 'no body'}"


def media(content: Content) -> str:
    linked = {kind: f" ([{schema}](bodies.md#{anchor(schema)}))" for kind, schema in content.items() if isinstance(schema, str)}
    return ", ".join(f"`{kind}`{linked.get(kind, '')}" for kind in content)


def curl(example: Example) -> str:
    """The line that asks it."""
    parts = ["curl"]
    if example.body:
        parts += ["-d", f"'{example.body}'", "-H 'Content-Type: application/json'"]
    elif example.file:
        parts += ["--data-binary", f"@{example.file}", f"-H 'Content-Type: {example.media}'"]
    elif example.method != "GET":
        parts += ["-X", example.method]
    return " ".join([*parts, f"'http://127.0.0.1:5885{example.target}'"])


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
    yield from remote_scopes()


def remote_scopes() -> Iterator[str]:
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


def bodies() -> Iterator[str]:
    yield from ("# Bodies", "", "What requests and answers hold, as JSON. `?` marks what may be missing. `/openapi.json` has the schemas.")
    for name, schema in named_schemas().items():
        yield from ("", f"## {name}", "", "```text", outline(schema), "```")


def errors() -> Iterator[str]:
    yield from ("# Errors", "")
    yield 'A fault is answered with `{"errors": [{"code", "message", "params"}]}` on the pool\'s own routes, with `{"error"}` on those of'
    yield "the other protocols. The message says what is wrong and what to do; what stands here are the kinds of fault, which"
    yield "the header `Error-Kind` names, too."
    for kind, (status, code) in sorted(envelope.TABLE.items(), key=lambda item: item[1][::-1]):
        yield from ("", f"## `{kind.name}`", "", f"{kind.value[0].upper()}{kind.value[1:]}.", "")
        others = f"Open Inference {oip_status.TABLE[kind]}, TensorFlow Serving {tensorflow_status.STATUSES[tensorflow_status.TABLE[kind]]}"
        yield f"0Mind: HTTP {status}, code {code}. {others}, gRPC `{TABLE[kind].name}`."


def adapters() -> Iterator[str]:
    yield from ("# Adapters", "")
    yield "Which one serves a file is told by its content, or by the task's `model_type`. `zeromind adapters` shows what is installed."
    yield "Formats that can carry code are loaded only where the operator allows it: `allow_code`, `code_roots`, `--allow-code`."
    for name, target in plugins.ADAPTERS.items():
        adapter = importing.load(target)
        yield from ("", f"## `{name}`", "", f"{adapter.formats}. Can carry code: {adapter.code or 'none'}.", "")
        if adapter.needs:
            packages = ", ".join(f"`{module}`{f' {least} or newer' if least else ''}" for module, least in adapter.needs.items())
            yield from (f"Needs {packages}: `pip install 'zeromind[{name}]'`.", "")
        yield inspect.getdoc(adapter) or ""
        if adapter.options:
            yield from ("", "| task key | |", "|---|---|")
            yield from (f"| `{key}` | {value} |" for key, value in adapter.options.items())


def filters() -> Iterator[str]:
    yield from ("# Filters", "")
    yield 'In a task: an id, or `{"filter": id, "parameter": value}`. Ids of the original stand for today\'s filters.'
    for name, target in plugins.FILTERS.items():
        filter_class = importing.load(target)
        parameters = [str(value).replace(" ", "") for key, value in inspect.signature(filter_class).parameters.items() if key != "files"]
        yield from ("", f"## `{name}`", "")
        legacy = [old for old, new in plugins.LEGACY_FILTERS.items() if new == name]
        yield f"Side: {filter_class.side}." + (f" Also `{'`, `'.join(legacy)}`." if legacy else "")
        yield from ("", inspect.getdoc(filter_class) or "")
        if parameters:
            yield from ("", "Parameters: " + ", ".join(f"`{parameter}`" for parameter in parameters))


def metrics() -> Iterator[str]:
    yield from ("# Metrics", "", "At `/metrics`, as text for Prometheus or as OpenMetrics, read when somebody asks.")
    for title, families in (("0Mind's", OURS), ("Triton's", TRITONS)):
        yield from ("", f"## {title}")
        for family in families:
            labels = f", by {', '.join(f'`{label}`' for label in family.labels)}" if family.labels else ""
            yield from ("", f"### `{family.name}`", "", f"{family.help}.", "")
            yield f"A {family.kind}{f' of {family.unit}' if family.unit else ''}{labels}."


def command_line() -> Iterator[str]:
    yield from ("# Commands",)
    everything = click.Context(commands)
    for name in commands.list_commands(everything):
        command = commands.get_command(everything, name)
        inner = command.commands.items() if isinstance(command, click.Group) else ()
        for each, words in ((command, name), *((within, f"{name} {word}") for word, within in inner)):
            context = click.Context(each, info_name=f"zeromind {words}", max_content_width=100, terminal_width=100)
            yield from ("", f"## `zeromind {words}`", "", "```", each.get_help(context), "```")


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "pool": pool_settings,
    "task": task_settings,
    "routes": routes,
    "bodies": bodies,
    "errors": errors,
    "adapters": adapters,
    "filters": filters,
    "metrics": metrics,
    "commands": command_line,
}


if __name__ == "__main__":
    for file, text in wanted().items():
        if sys.argv[1:] != ["--check"]:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            sys.exit(f"{file.relative_to(ROOT)} is not what the code says: run make reference")
