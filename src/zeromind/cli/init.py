"""``zeromind init``: a configuration to begin with."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zeromind.cli import settings

if TYPE_CHECKING:
    from zeromind.cli.survey import Found
    from zeromind.tensors import Interface

_NAME = "pool.toml"


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--example", is_flag=True, help="Write a small skill and a filter, too, which need no framework.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def init(folder: Path, example: bool, force: bool) -> None:
    """Write pool.toml into FOLDER (this one, if none is named): every setting with its help, and a task for each model found.

    \b
    zeromind init                    for the models here and in models/
    zeromind init shop               for those of another folder
    zeromind init hello --example    with a skill and a filter to try and to change

    Models are recognised by content, and looked into without running any code that is in them. Nothing that is there is
    overwritten without --force.
    """
    from zeromind.cli import starter, template

    texts: dict[str, str] = dict(starter.FILES) if example else {}
    _check_free(folder, [_NAME, *texts], force)
    models = [] if example else asyncio.run(_look(folder))
    live = {"filter_folders": ["filters"]} if example else {}
    texts[_NAME] = template.pool_text(models, [starter.TASK] if example else [], **live)
    for name, text in texts.items():
        _write(folder / name, text)
    _tell(folder, sorted(texts), ["mood"] if example else [found.id for found, _ in models], example)


def _check_free(folder: Path, names: list[str], force: bool) -> None:
    taken = [str(folder / name) for name in names if (folder / name).exists()]
    if taken and not force:
        raise click.ClickException(f"{' and '.join(taken)} is there already: serve it (zeromind serve), or --force overwrites it")


async def _look(folder: Path) -> list[tuple[Found, Interface | str]]:
    """The models of a folder, each with its interface or why that is not known."""
    from rich.console import Console

    from zeromind.cli.survey import interface_of, models_in

    looked: list[tuple[Found, Interface | str]] = []
    with Console(stderr=True).status("looking for models …") as status:
        for found in await asyncio.to_thread(models_in, folder):
            status.update(f"looking into {found.path} …")
            if found.code or found.lacking:
                allow = " --allow-code" if found.code and not found.path.endswith(".py") else ""
                looked.append((found, f"its inputs and outputs: zeromind inspect {shlex.quote(found.path)}{allow}"))
            else:
                looked.append((found, await interface_of(found, folder)))
    return looked


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None


def _tell(folder: Path, written: list[str], ids: list[str], example: bool) -> None:
    click.echo(f"wrote {', '.join(str(folder / name) for name in written)}: {_models(ids)}")
    enter = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    click.echo(f"next:\n  {enter}zeromind serve -c {_NAME}{' --watch' if example else ''}")
    click.echo(f"  then open {settings.DEFAULT_URL}/console" + ("" if example or ids else ", which loads models, too"))
    if example:
        click.echo("""  or:       zeromind predict mood '{"words": ["what a lovely day", "rain again"]}'""")


def _models(ids: list[str]) -> str:
    return (
        f"{len(ids)} model{'s' if len(ids) > 1 else ''} ({', '.join(ids)})" if ids else "no model was found here, it shows how to add one"
    )
