"""What every benchmark has in common: its arguments, the machine, the versions, and the one document that it writes.

The document goes to standard output, and with ``--out`` into a file as well; what people read meanwhile goes to standard error.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

CORE = ("zeromind", "numpy", "orjson", "msgspec", "pysimdjson", "tornado", "httptools", "uvloop")
"""The packages that decide how fast the server itself is."""


def main(
    name: str,
    about: str,
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    packages: Iterable[str] = (),
    arguments: Callable[[argparse.ArgumentParser], None] | None = None,
) -> None:
    """Run one benchmark as a script: ``measure`` gets the options and gives the results; ``about`` is the script's docstring.

    ``packages`` are named with their versions beside those of CORE; ``arguments`` adds options of the benchmark's own.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds: shows that it works, not how fast")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the document there, too")
    if arguments is not None:
        arguments(parser)
    options = parser.parse_args()
    text = json.dumps(document(name, measure(options), packages), indent=2) + "\n"
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text)
    sys.stdout.write(text)


def document(name: str, results: dict[str, Any], packages: Iterable[str] = ()) -> dict[str, Any]:
    """The results with where, with what and when they were measured."""
    return {
        "benchmark": name,
        "machine": machine(),
        "versions": versions((*CORE, *packages)),
        "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),
        "results": results,
    }


def machine() -> dict[str, Any]:
    """The processor, how many cores this process may use, and the system."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    release = ".".join(platform.release().split(".")[:2])
    return {"processor": _processor(), "cores": cores, "system": f"{platform.system()} {release} {platform.machine()}"}


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Python's version and those of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def significant(value: float, digits: int = 3) -> float:
    """A figure without the digits that nobody measured: 0.0123456 → 0.0123, 12345.6 → 12300."""
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() else rounded


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Show rows to people, on standard error."""
    cells = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells)
    say("\n".join([f"\n{title}", *lines]))


def say(text: str) -> None:
    """Tell people what goes on, on standard error."""
    print(text, file=sys.stderr, flush=True)


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open() as lines:
            names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
            return next(names, "") or platform.machine()
    except OSError:
        return platform.processor() or platform.machine()
