"""``zeromind inspect``: the interface of a model file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from zeromind import datatypes
from zeromind.cli import suggestions
from zeromind.cli.named import tasks_of
from zeromind.codecs import zeromind as codec
from zeromind.config import pool
from zeromind.errors import ZeroMindError
from zeromind.repository.registry import Registry
from zeromind.tensors import Interface

_console = Console(highlight=False)


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option("--model-type", default="", shell_complete=suggestions.adapters, help="Adapter to use instead of the recognised one.")
@click.option("--allow-code", is_flag=True, help="The file is trusted: load it even if its format can run code.")
@click.option("--json", "as_json", is_flag=True, help="Print what /model/info would answer.")
def inspect(model: Path, model_type: str, allow_code: bool, as_json: bool) -> None:
    """Show the inputs and outputs of MODEL, loaded in a scratch worker.

    \b
    zeromind inspect model.onnx
    zeromind inspect iris.pkl --allow-code   a pickle that you trust
    zeromind inspect bert/ --json            as /model/info answers
    """
    task = {**tasks_of([("", model)], allow_code)[0], "model_type": model_type}
    try:
        interface = asyncio.run(_load(task))
    except ZeroMindError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(codec.describe(interface), indent=2))
    else:
        _console.print(_table(model, interface))


async def _load(task: dict[str, object]) -> Interface:
    registry = Registry(pool.read(None, {}, {}))
    with Console(stderr=True).status(f"loading {task['id']} …"):
        model = await registry.load(task, trusted=True)
    interface = await model.ready(0)
    await registry.close()
    return interface


def _table(model: Path, interface: Interface) -> Table:
    table = Table(title=f"{model.name} ({interface.adapter})", title_justify="left")
    for column in ("", "name", "type", "shape"):
        table.add_column(column)
    for side, specs in (("input", interface.spec.inputs), ("output", interface.spec.outputs)):
        for spec in specs:
            table.add_row(side, spec.name, datatypes.type_name(spec.datatype), spec.shown_shape().replace("[", r"\["))
    return table
