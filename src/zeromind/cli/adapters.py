"""``zeromind adapters``: which frameworks this installation serves."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from zeromind import importing
from zeromind.cli import settings
from zeromind.plugins import Plugins

_console = Console(highlight=False)


@click.command()
@settings.config_file
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def adapters(file: Path | None, as_json: bool) -> None:
    """List the adapters: what each serves, which version of its framework is installed, and what to install where none is.

    \b
    zeromind adapters
    zeromind adapters --json
    zeromind adapters -c pool.toml   with those of its adapter_folders
    """
    folders = settings.read(file, {}).adapter_folders if file else ()
    known = importlib.metadata.packages_distributions()
    rows = [described(adapter, known) for adapter in Plugins(adapter_folders=tuple(folders)).adapters()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(show_lines=True)
    for column in ("adapter", "installed", "formats", "can carry code"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            row["name"],
            row["installed"] or f"[yellow]{row['install']}[/]".replace("zeromind[", r"zeromind\["),
            row["formats"],
            row["code"] or "no",
        )
    _console.print(table)


def described(adapter: Any, known: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What there is to say of an adapter, told without importing its framework."""
    needs = getattr(adapter, "needs", {})
    versions = {module: _version(module, known) for module in needs if module in known}
    lacking = any(module not in versions or importing.is_older(versions[module], least) for module, least in needs.items())
    return {
        "name": adapter.name,
        "installed": "" if lacking else ", ".join(f"{module} {version}" for module, version in versions.items()) or "needs nothing",
        "install": f"pip install -U 'zeromind[{adapter.name}]'" if lacking else "",
        "formats": adapter.formats,
        "code": getattr(adapter, "code", ""),
    }


def _version(module: str, known: Mapping[str, Sequence[str]]) -> str:
    return importlib.metadata.version(known[module][0])
