"""What the shell suggests beyond commands, options and files: models and adapters."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

from zeromind.cli import settings

_PATIENCE_S = 0.3
"""Whoever presses the tab key waits."""
_MOST_BYTES = 1 << 20


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The models of the server that the command would ask; of the configuration in this folder, where none answers."""
    del param
    names = _served(str(ctx.params.get("url") or settings.DEFAULT_URL)) or _configured()
    return [CompletionItem(name) for name in sorted(set(names)) if name.startswith(incomplete)]


def adapters(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The built-in adapters."""
    from zeromind import plugins

    del ctx, param
    return [CompletionItem(name) for name in plugins.ADAPTERS if name.startswith(incomplete)]


def _served(url: str) -> list[str]:
    if not url.startswith(("http://", "https://")):
        return []
    import urllib.request

    with (
        contextlib.suppress(OSError, ValueError),  # a suggestion is not worth an error
        urllib.request.urlopen(f"{url.rstrip('/')}/model/list", timeout=_PATIENCE_S) as answer,  # noqa: S310 - checked above
    ):
        return _names(json.loads(answer.read(_MOST_BYTES)).get("models", []))
    return []


def _configured() -> list[str]:
    from zeromind.config.file import File
    from zeromind.errors import ConfigError

    path = settings.found()
    with contextlib.suppress(ConfigError):
        tasks = File.read(path).values.get("tasks", []) if path else []
        return _names(task.get("id") for task in tasks if isinstance(task, dict)) if isinstance(tasks, list) else []
    return []


def _names(values: Iterable[object]) -> list[str]:
    return [value for value in values if isinstance(value, str)]
