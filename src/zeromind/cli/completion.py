"""``zeromind completion``: the script for the tab key."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_ZEROMIND_COMPLETE"
"""By which the script asks what fits; click's own form of it."""


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the script with which the tab key completes commands, options, files, adapters and the models of a running server.

    \b
    bash   echo 'eval "$(zeromind completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(zeromind completion zsh)"' >> ~/.zshrc        (below compinit)
    fish   zeromind completion fish > ~/.config/fish/completions/zeromind.fish

    It counts in shells that are opened from then on. In this one: eval "$(zeromind completion bash)".
    """
    made = get_completion_class(shell)
    root = click.get_current_context().find_root().command
    assert made is not None, "click knows these three"  # noqa: S101 - a fault of ours
    click.echo(made(root, {}, "zeromind", _VARIABLE).source())
