"""The house: who may import whom, how long a file may be, what it may not be called."""

import ast
import graphlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
MOST_LINES = 400
FORBIDDEN_NAMES = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"}

GROUND = {"errors", "datatypes", "tensors", "importing", "strictjson", "scratch", "claim", "limits", "allowance"}
FLOORS = {
    **dict.fromkeys(GROUND, 0),
    **dict.fromkeys(("config", "codecs", "observe", "pictures", "regions"), 1),
    **dict.fromkeys(("access", "plugins", "adapters", "filters", "client"), 2),
    **dict.fromkeys(("scheduler", "executor", "bench"), 3),
    "repository": 4,
    "engine": 5,
    **dict.fromkeys(("http", "grpc", "console"), 6),
    "server": 7,
    "cli": 8,
    "__main__": 9,
}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.glob("zeromind/**/*.py"))}


def unit(module: str) -> str:
    """The package or single module right under zeromind; empty for zeromind itself."""
    return module.split(".")[1] if "." in module else ""


def imported(module: str, nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Those of our modules that the nodes import; ``ast.walk`` finds functions and TYPE_CHECKING too."""
    package = module if MODULES[module].stem == "__init__" else module.rpartition(".")[0]
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names]
        yield from (name for name in names if name == "zeromind" or name.startswith("zeromind."))


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree that run when it is imported: not the bodies of its functions."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
            yield from at_import(node)


def parse(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"), MODULES[module])


def wrong(importer: str, target: str) -> str:
    """Why one unit may not import another; empty if it may."""
    if target in ("", importer) or {importer, target} <= GROUND:
        return ""
    if importer == "":
        return "zeromind/__init__ imports nothing of ours"
    if FLOORS[target] == FLOORS[importer]:
        return f"{importer} and {target} are neighbours on floor {FLOORS[importer]}"
    if FLOORS[target] > FLOORS[importer]:
        return f"{importer} (floor {FLOORS[importer]}) is below {target} (floor {FLOORS[target]})"
    return ""


def test_every_package_has_a_floor():
    assert {unit(module) for module in MODULES} - {""} <= FLOORS.keys(), "a new package needs a floor, here and in CONTRIBUTING.md"


def test_contributing_draws_these_floors():
    drawn = {}
    for line in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines():
        if match := re.match(r" ([0-9])  ([a-z_]+)", line):
            drawn[match[2]] = int(match[1])
    assert drawn == FLOORS


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_lower_floors_only(module):
    reasons = {name: wrong(unit(module), unit(name)) for name in imported(module, ast.walk(parse(module)))}
    assert not {name: reason for name, reason in reasons.items() if reason}


def test_the_rule_sees_what_it_forbids():
    assert wrong("adapters", "filters")
    assert wrong("codecs", "engine")
    assert wrong("", "errors")
    assert wrong("http", "grpc")
    assert not wrong("http", "engine")
    hidden = "if TYPE_CHECKING:\n    from zeromind import filters\ndef f():\n    import zeromind.adapters.base"
    assert set(imported("zeromind.plugins", ast.walk(ast.parse(hidden)))) == {"zeromind.adapters.base", "zeromind.filters"}
    relative = "from . import file\nfrom ..errors import ErrorKind"
    assert set(imported("zeromind.adapters.base", ast.walk(ast.parse(relative)))) == {"zeromind.adapters.file", "zeromind.errors"}


def test_plugins_names_adapters_and_filters_without_importing_them():
    from zeromind import plugins

    assert not {unit(name) for name in imported("zeromind.plugins", ast.walk(parse("zeromind.plugins")))} & {"adapters", "filters"}
    for table, package in ((plugins.ADAPTERS, "zeromind.adapters."), (plugins.FILTERS, "zeromind.filters.")):
        for target in table.values():
            module, _, cls = target.partition(":")
            assert module.startswith(package)
            assert cls
    assert set(plugins.LEGACY_FILTERS.values()) <= plugins.FILTERS.keys()


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: set(imported(module, at_import(parse(module)))) - {module, "zeromind"} for module in MODULES}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))


@pytest.mark.parametrize("module", MODULES)
def test_files_stay_short(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("module", MODULES)
def test_names_say_what_is_inside(module):
    assert not {word for part in module.split(".") for word in part.lower().split("_")} & FORBIDDEN_NAMES
