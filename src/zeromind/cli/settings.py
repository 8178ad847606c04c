"""Command-line options made from the one declaration of each setting, and the configuration that they give."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from zeromind.config import pool
from zeromind.config.options import POOL
from zeromind.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_FILE = Path("configs/model_pool_config.json")
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
        help=f"The pool's configuration, JSON.  [default: {DEFAULT_FILE}]",
    )(function)


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


def read(file: Path | None, given: dict[str, Any]) -> pool.PoolConfig:
    """The settings from file, environment and flags. Ends the command with one line if they cannot be used."""
    try:
        return pool.read(file, os.environ, {key: value for key, value in given.items() if value is not None})
    except ConfigError as error:
        raise click.ClickException(f"{f'{file}: ' if file else ''}{error}") from None
