"""``zeromind serve``: serve a configuration, or model files as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zeromind.cli import settings, suggestions
from zeromind.cli.named import named, tasks_of


@click.command()
@click.argument("models", nargs=-1, metavar="[[NAME=]MODEL]...", type=click.Path(), callback=named)
@settings.config_file
@settings.flags
@click.option(
    "--model-type",
    default="",
    shell_complete=suggestions.adapters,
    help="Adapter to use for the MODELs instead of the recognised ones ('zeromind adapters' lists them).",
)
@click.option("--allow-code", is_flag=True, help="The MODELs are trusted: load them even if their format can run code (pickles).")
@click.option("--watch", is_flag=True, help="For development: load a model anew when its file, or a filter or adapter of yours, is saved.")
@click.option("--open", "opened", is_flag=True, help="Open the console in the browser once all is ready.")
def serve(  # noqa: PLR0913 - each is an argument or an option of the command line
    *, models: list[tuple[str, Path]], file: Path | None, model_type: str, allow_code: bool, watch: bool, opened: bool, **given: Any
) -> None:
    """Serve models over REST and gRPC until Ctrl-C.

    \b
    zeromind serve model.onnx              one file, under its file's stem
    zeromind serve digits=model.onnx bert/ several, one under a name of yours
    zeromind serve skill.py --watch        a skill in Python, loaded anew whenever it is saved
    zeromind serve -c pool.toml --open     what a configuration lists, with the console in the browser
    zeromind serve                         the same of pool.toml, which 'zeromind init' writes

    With MODEL paths the framework is recognised by content. Without, the configuration is served: the one of -c, or pool.toml, or
    configs/model_pool_config.json. Every setting may also be a variable: ZEROMIND_PORT=8000 zeromind serve.
    """
    from zeromind.cli import running
    from zeromind.errors import ConfigError, ZeroMindError
    from zeromind.observe import logs

    if models and file is None:
        given["tasks"] = [{**task, "model_type": model_type} for task in tasks_of(models, allow_code)]
    elif models:
        raise click.UsageError("give either -c or MODEL paths; put the models into the configuration's 'tasks' to have both")
    else:
        file = _configuration(file)
    config = settings.read(file, given)
    log_file = file.parent / "logger.json" if file else None
    try:
        logs.set_up(log_file if log_file and log_file.is_file() else None, config.debug, config.log_format)
        running.run(config, running.Wishes(file, watch, opened))
    except (ConfigError, ZeroMindError) as error:
        raise click.ClickException(str(error)) from None


def _configuration(file: Path | None) -> Path:
    file = file or settings.found()
    if file is None:
        places = " and no ".join(map(str, settings.FILES))
        text = f"nothing to serve: there is no {places} here. Give model files (zeromind serve model.onnx) or -c FILE, or have "
        raise click.UsageError(text + "'zeromind init' write a pool.toml for the models here; 'zeromind init --example' brings one to try")
    return file
