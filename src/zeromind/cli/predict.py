"""``zeromind predict``: ask a running server."""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zeromind.cli import settings, suggestions

if TYPE_CHECKING:
    from zeromind.client import Client, Prediction


@click.command()
@click.argument("model", shell_complete=suggestions.models)
@click.argument("data", required=False)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A picture or a JSON file to send as the body.",
)
@settings.key
@click.option(
    "--url", envvar="ZEROMIND_URL", show_envvar=True, default=settings.DEFAULT_URL, show_default=True, help="Where the server is."
)
@click.option("--timeout", default=60.0, show_default=True, help="How long to wait, in seconds.")
def predict(  # noqa: PLR0913 - each is an argument or an option of the command line
    *, model: str, data: str | None, files: tuple[Path, ...], key: str | None, url: str, timeout: float
) -> None:
    """Print the prediction of MODEL, as JSON.

    \b
    zeromind predict 1 -f samples/image5.png
    zeromind predict iris '{"input": [[5.1, 3.5, 1.4, 0.2]]}'
    """
    if (data is None) == (not files):
        raise click.UsageError("give either DATA, a JSON object of input name → data, or -f FILE")
    from zeromind.client import Client, ClientError

    values = [_content(path) for path in files] if data is None else [_parsed(data, "DATA")]
    try:
        with Client(url, key=key, timeout_s=timeout) as client:
            for value in values:
                click.echo(_shown(_ask(client, model, value)))
    except ClientError as error:
        raise click.ClickException(error.message) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _ask(client: Client, model: str, value: Any) -> Prediction:
    from zeromind.client import ModelNotFound

    try:
        return client.predict(model, value)
    except ModelNotFound:
        names = ", ".join(one.name for one in client.models() if one.ready) or "none"
        raise click.ClickException(f"the model {model!r} is not loaded; those that are: {names}") from None


def _content(path: Path) -> Any:
    """A picture as it is, what is in any other file."""
    if (mimetypes.guess_type(path.name)[0] or "").startswith("image/"):
        return path
    try:
        return _parsed(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise click.UsageError(f"{path} is neither a picture nor JSON") from None


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{name} is no JSON: {error}") from None


def _shown(answer: Prediction) -> str:
    """The answer as ``/model/predict`` has it; numbers that are not finite become null."""
    import orjson

    result = {name: answer.text(name).tolist() if _is_text(value) else value for name, value in answer.items()}
    shown: dict[str, Any] = {"result": json.loads(orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY))}
    if answer.timing and "model" in answer.timing:
        shown["model_time"] = answer.timing["model"]
    return json.dumps(shown)


def _is_text(value: Any) -> bool:
    import numpy as np  # which completion and help do without

    return isinstance(value, np.ndarray) and value.dtype.hasobject
