"""The command ``zeromind``: thin commands over the floors below."""

from __future__ import annotations

import sys

import click

import zeromind
from zeromind.cli.adapters import adapters
from zeromind.cli.bench import bench
from zeromind.cli.check import check
from zeromind.cli.inspect import inspect
from zeromind.cli.keys import keys
from zeromind.cli.predict import predict
from zeromind.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(zeromind.__version__, prog_name="zeromind")
def commands() -> None:
    """0Mind: serve everything. Trained models of any framework as one REST service.

    \b
    zeromind serve model.onnx            serve a model file at once
    zeromind serve -c pool.json          serve what a configuration lists
    zeromind check -c pool.json          try a configuration without serving
    zeromind keys add alice --file keys.json  make an API key
    zeromind adapters                    list the frameworks that are served here
    zeromind inspect model.onnx          show a model's inputs and outputs
    zeromind predict model -f image=5.png  ask a running server
    zeromind bench http://127.0.0.1:5885 model  measure a running server
    """


for command in (serve, check, keys, adapters, inspect, predict, bench):
    commands.add_command(command)


def main() -> None:
    """Run the command line; options without a command belong to ``serve``."""
    arguments = sys.argv[1:]
    if arguments and arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version"):
        arguments = ["serve", *arguments]
    commands(arguments, prog_name="zeromind")
