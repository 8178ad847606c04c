"""What an adapter is at while it loads a model: importing its framework, which may take most of the time, or reading the file."""

from __future__ import annotations

import contextlib
import importlib.machinery
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

LOADING = "loading the file"


class _Imports:
    """A finder that finds nothing by itself: it tells when the import of a package begins, and when that has ended."""

    def __init__(self, reached: Callable[[str], None], packages: Sequence[str]) -> None:
        self._reached = reached
        self._awaited = set(packages)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        """Nothing, or what the other finders find, its end told."""
        if name not in self._awaited:
            return None
        self._awaited.discard(name)
        self._reached(f"importing {name}")
        finders = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next((found for found in finders if found is not None), None)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            self._tell_end(spec.loader)
        return spec

    def _tell_end(self, loader: Any) -> None:
        execute = loader.exec_module

        def executed(module: ModuleType) -> None:
            del loader.exec_module
            execute(module)
            if self in sys.meta_path:
                self._reached(LOADING)

        loader.exec_module = executed


@contextlib.contextmanager
def told(reached: Callable[[str], None] | None, packages: Sequence[str]) -> Iterator[None]:
    """Have ``reached`` told of each stage of loading, of which the first import of any of the packages is one."""
    if reached is None:
        yield
        return
    reached(LOADING)
    imports = _Imports(reached, [name for name in packages if name not in sys.modules])
    sys.meta_path.insert(0, imports)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(imports)
