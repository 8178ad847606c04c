"""Command-line options made from the one declaration of each setting, and the configuration that they give."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zeromind.config.options import POOL
from zeromind.errors import ConfigError

if TYPE_CHECKING:
    from zeromind.config.pool import PoolConfig

F = TypeVar("F", bound=Callable[..., Any])

FILES = (Path("pool.toml"), Path("configs/model_pool_config.json"))
"""Where a configuration is looked for: what ``zeromind init`` writes, and the original's place."""
DEFAULT_URL = "http://127.0.0.1:5885"
_TYPES: dict[str, Any] = {"int": int, "string": str}


def flags(function: F) -> F:
    """Give a command a flag for each of the pool's settings that has one."""
    for option in reversed([option for option in POOL if option.flag]):
        name = f"--{option.key.replace('_', '-')}"
        shown = f"{option.help} [default: {option.default}]" if option.default not in ("", False) else option.help
        if option.kind == "bool":
            function = click.option(name, option.key, is_flag=True, default=None, help=shown)(function)
        else:
            function = click.option(name, option.key, type=_TYPES[option.kind], default=None, help=shown)(function)
    return function


def config_file(function: F) -> F:
    """Give a command the ``-c`` of the original."""
    return click.option(
        "-c",
        "--config_file",
        "--config-file",
        "file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"The pool's configuration, in JSON or, as *.toml, in TOML.  [default: {' or '.join(map(str, FILES))}]",
    )(function)


def found() -> Path | None:
    """The configuration of the working directory."""
    return next((file for file in FILES if file.is_file()), None)


def wanted(file: Path | None) -> Path:
    """The configuration that is named, or that of the working directory. Ends the command where there is none."""
    file = file or found()
    if file is None:
        raise click.UsageError(f"there is no {' and no '.join(map(str, FILES))} here: 'zeromind init' writes a pool.toml; or give -c FILE")
    return file


def key(function: F) -> F:
    """Give a command that asks a server the option for the key that it needs."""
    return click.option(
        "--key", envvar="ZEROMIND_KEY", show_envvar=True, help="The API key, where the server needs one; better in the variable."
    )(function)


def bearer(key: str | None) -> dict[str, str]:
    """The header that carries a key. Ends the command for what is none."""
    if not key:
        return {}
    if not key.isascii() or not key.isprintable() or " " in key:
        raise click.UsageError("the --key is no API key: those that 'zeromind keys add' makes begin with zm_")
    return {"Authorization": f"Bearer {key}"}


def read(file: Path | None, given: dict[str, Any]) -> PoolConfig:
    """The settings from file, environment and flags. Ends the command with one line if they cannot be used."""
    from zeromind.config import pool  # which completion and help do without

    try:
        return pool.read(file, os.environ, {key: value for key, value in given.items() if value is not None})
    except ConfigError as error:
        named = file and str(file) not in str(error)
        raise click.ClickException(f"{f'{file}: ' if named else ''}{error}") from None
