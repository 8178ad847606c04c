"""The command ``zeromind``: thin commands over the floors below, each imported when it is asked for."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click
from click.shell_completion import CompletionItem

import zeromind

COMMANDS = {
    "serve": "Serve models over REST and gRPC until Ctrl-C.",
    "init": "Write a commented configuration, pool.toml, for the models of a folder.",
    "check": "Try a configuration without serving it.",
    "inspect": "Show the inputs and outputs of a model file.",
    "adapters": "List the frameworks that are served here, and what to install for others.",
    "predict": "Ask a running server.",
    "bench": "Measure latency and throughput of a running server.",
    "keys": "Make, list and take back API keys.",
    "completion": "Print the script that completes commands, options and models in your shell.",
}
"""Every command with what it does: ``zeromind.cli.<name>`` holds it under its name."""


class Commands(click.Group):
    """A group that imports a command only when that is run, so that help and completion come at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which one meets them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(importlib.import_module(f"zeromind.cli.{cmd_name}"), cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands; options, where one is begun."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=told) for name, told in COMMANDS.items() if name.startswith(incomplete)]

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is asked for. A file in the place of its name is one to serve, which is told."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            self._tell(ctx, args[0])
        return super().resolve_command(ctx, args)

    def _tell(self, ctx: click.Context, name: str) -> None:
        import difflib
        from pathlib import Path

        if Path(name).exists():
            ctx.fail(f"{name!r} is no command; to serve that file: zeromind serve {name}")
        near = difflib.get_close_matches(name, COMMANDS, 1)
        ctx.fail(f"there is no command {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(zeromind.__version__, prog_name="zeromind")
def commands() -> None:
    """0Mind: serve everything. Trained models of any framework as one REST and gRPC service.

    \b
    zeromind serve model.onnx              serve a model file at once
    zeromind init                          write a configuration for the models of this folder
    zeromind init --example                the same with a small skill to try
    zeromind serve                         serve that configuration
    zeromind predict model -f picture.png  ask the running server

    Then open http://127.0.0.1:5885/console, or ask 'zeromind serve --open' to.
    """


def main() -> None:
    """Run the command line; options without a command belong to ``serve``."""
    arguments: list[Any] = sys.argv[1:]
    if arguments and arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version"):
        arguments = ["serve", *arguments]
    commands(arguments, prog_name="zeromind")
