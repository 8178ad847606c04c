"""Loading by name, with errors that name their culprit."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.util
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from zeromind.errors import ErrorKind, ZeroMindError

_OURS = str(Path(__file__).parent)
_MOST_TRACE = 1 << 14


class _SourceLoader(importlib.machinery.SourceFileLoader):
    """Reads the source itself: what is kept of it compiled passes for it if both are of the same second, and as long."""

    def path_stats(self, path: str) -> NoReturn:
        """Nothing, so that nothing compiled is looked for, or kept."""
        raise OSError(path)


def load(target: str) -> Any:
    """The object that ``"package.module:attribute"`` names.

    Raises ModuleNotFoundError whose ``name`` is the missing module (ours or one that it imports), AttributeError if the module
    lacks the attribute.
    """
    module_name, _, attribute = target.partition(":")
    value: Any = importlib.import_module(module_name)
    for part in attribute.split("."):
        value = getattr(value, part)
    return value


def load_file(path: Path) -> ModuleType:
    """The module in a Python file, executed anew from its source, under a name that no other file gets.

    Imports beside the file work while it runs. Raises whatever the file raises.
    """
    name = f"zeromind_user_{path.stem}_{abs(hash(str(path.resolve()))):x}"
    loader = _SourceLoader(name, str(path))  # whatever the file's extension
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file", path=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        with contextlib.suppress(ValueError):  # the file may have tidied up itself
            sys.path.remove(str(path.parent))
    return module


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Frameworks warn their developers; whoever serves a finished model can change nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def traced(error: BaseException) -> str:
    """The traceback of what caused a fault, from the first line of somebody else's code on, for developers; empty where none is."""
    cause: BaseException | None = error
    while isinstance(cause, ZeroMindError):
        if cause.trace:
            return cause.trace
        cause = cause.__cause__
    if cause is None:
        return ""
    told = traceback.TracebackException.from_exception(cause)
    foreign = [place for place, frame in enumerate(told.stack) if not frame.filename.startswith((_OURS, "<frozen"))]
    if not foreign and not isinstance(cause, SyntaxError):
        return ""
    told.stack[:] = told.stack[foreign[0] :] if foreign else []
    return "".join(told.format())[-_MOST_TRACE:]


def require(module: str, extra: str, wanted_by: str, least: str = "") -> Any:
    """An optional module, or MISSING_PACKAGE that says which ``pip install`` brings its package, in the ``least`` version that is safe."""
    try:
        with silence():
            found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise ZeroMindError(
            ErrorKind.MISSING_PACKAGE,
            f"{wanted_by} needs the package {error.name!r}, which is not installed: pip install 'zeromind[{extra}]'",
            error.name,
        ) from None
    package = module.partition(".")[0]
    version = str(getattr(sys.modules[package], "__version__", ""))
    if is_older(version, least):
        text = f"{wanted_by} needs {package} {least} or newer, {version} is installed: pip install -U 'zeromind[{extra}]'"
        raise ZeroMindError(ErrorKind.MISSING_PACKAGE, text, package, version)
    return found


def is_older(version: str, least: str) -> bool:
    """Whether a version is known to be older than the least that will do, if there is one."""
    return bool(version and least) and _numbers(version) < _numbers(least)


def _numbers(version: str) -> tuple[int, ...]:
    """The release of a version, to compare: 2, 10, 1 for ``2.10.1rc1+cpu``."""
    return tuple(int(number) for number in re.findall(r"\d+", re.split(r"[^\d.]", version, maxsplit=1)[0]))
