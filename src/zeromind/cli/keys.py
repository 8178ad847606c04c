"""``zeromind keys``: make, list and revoke API keys."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from zeromind.access import key_file
from zeromind.access.keys import Key, Keys, digest, mint, moment
from zeromind.access.scope import GRANTED, Scope
from zeromind.cli import settings

_console = Console(highlight=False)
_WIDEST = 400
_SCOPES = [scope.value for scope in GRANTED]


@click.group()
def keys() -> None:
    """Make, list and revoke the API keys that clients of a server need.

    \b
    zeromind keys add alice --file keys.json                        may predict and read
    zeromind keys add shop --scope predict --model 'price-*' --file keys.json
    zeromind keys add ops --scope manage --scope read --days 90 --file keys.json
    zeromind serve --keys-file keys.json model.onnx
    curl -H "Authorization: Bearer $ZEROMIND_KEY" http://127.0.0.1:5885/model/list

    The scopes: predict = ask models; read = see what is served, and its statistics; manage = load, drop, stop, settings. A key has
    those that it was given and no others. The file keeps a digest of each key, from which nobody can tell the key. A running server
    notices within a second or two when the file changes.
    """


def _where(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command what tells it the file."""
    function = settings.config_file(function)
    return click.option(
        "--file",
        "keys_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The file of keys.  [default: 'keys_file' of the configuration]",
    )(function)


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(_SCOPES),
    default=("predict", "read"),
    show_default=True,
    help="What it may; again for more.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    help="An id of a model that it is for, or the beginning of ids and '*'; again for more.  [default: all]",
)
@click.option("--days", type=click.FloatRange(0.001, 36_500), help="For how many days it is valid.  [default: for ever]")
@click.option("--expires", metavar="TIME", help="Until when instead, in UTC: 2027-01-31 or 2027-01-31T12:00:00Z.")
@_where
def add(  # noqa: PLR0913 - each is an argument or an option of the command line
    *,
    name: str,
    scopes: tuple[str, ...],
    models: tuple[str, ...],
    days: float | None,
    expires: str | None,
    keys_file: Path | None,
    file: Path | None,
) -> None:
    """Make a key and print it, once: it is kept nowhere. NAME is what the audit log calls whoever has it."""
    if days is not None and expires is not None:
        raise click.UsageError("give either --days or --expires")
    path, key, now = _path(keys_file, file), mint(), dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
    try:
        end = now + dt.timedelta(days=days) if days is not None else moment(expires) if expires is not None else None
        new = Key(name, digest(key), frozenset(map(Scope, scopes)), models or None, now, end)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    _change(path, lambda here: here.with_one(new))
    click.echo(key)
    click.echo(f"The key {name!r} is in {path}, as a digest; it is shown this once. Clients send it as", err=True)
    click.echo("    Authorization: Bearer <key>        (zeromind predict, bench: --key or ZEROMIND_KEY)", err=True)
    click.echo(f"A server takes it that runs with --keys-file {path}", err=True)


@keys.command("list")
@_where
def list_(keys_file: Path | None, file: Path | None) -> None:
    """List the keys: their names, what they may, when they were made and when they end."""
    path = _path(keys_file, file)
    try:
        found = key_file.read(path)
    except (OSError, ValueError) as error:
        raise click.ClickException(_reason(path, error)) from None
    table = Table("name", "scopes", "models", "created", "expires", box=None)
    now = dt.datetime.now(dt.timezone.utc)
    for key in found.all:
        models = "all" if key.models is None else " ".join(key.models)
        end = "never" if key.expires is None else f"{key.expires:%Y-%m-%d %H:%M}" + (" (is over)" if key.expired(now.timestamp()) else "")
        table.add_row(key.name, " ".join(sorted(scope.value for scope in key.scopes)), models, f"{key.created:%Y-%m-%d %H:%M}", end)
    _console.width = max(_console.width, _console.measure(table, options=_console.options.update(width=_WIDEST)).maximum)
    _console.print(table)


@keys.command()
@click.argument("name")
@_where
def revoke(name: str, keys_file: Path | None, file: Path | None) -> None:
    """Revoke the key NAME: servers refuse it within a second or two."""
    path = _path(keys_file, file)
    _change(path, lambda here: here.without(name))
    click.echo(f"the key {name!r} is revoked")


def _path(keys_file: Path | None, file: Path | None) -> Path:
    """The file that is asked for, or the configuration's."""
    if keys_file is not None:
        return keys_file
    found = settings.read(file or settings.found(), {}).keys_file
    if found is None:
        raise click.UsageError("which file? Give --file keys.json, or set 'keys_file' in the configuration")
    return found


def _change(path: Path, change: Callable[[Keys], Keys]) -> None:
    try:
        key_file.change(path, change)
    except (OSError, ValueError) as error:
        raise click.ClickException(_reason(path, error)) from None


def _reason(path: Path, error: Exception) -> str:
    return f"{path} cannot be used: {error.strerror}" if isinstance(error, OSError) else str(error)
