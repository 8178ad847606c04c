"""``zeromind predict``: ask a running server."""

from __future__ import annotations

import http.client
import json
import mimetypes
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import click

from zeromind.cli import settings, suggestions, unreachable


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
    bodies = [(path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/json") for path in files]
    for body, media in bodies or [(str(data).encode(), "application/json")]:
        click.echo(json.dumps(_ask(url, model, body, {"Content-Type": media, **settings.bearer(key)}, timeout)))


def _ask(url: str, model: str, body: bytes, headers: dict[str, str], timeout: float) -> Any:
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"--url must begin with http:// or https://, not {url!r}")
    address = f"{url.rstrip('/')}/model/predict?{urllib.parse.urlencode({'id': model})}"
    request = urllib.request.Request(address, body)  # noqa: S310 - the scheme is checked above
    for name, value in headers.items():  # whoever the server sends us to shall not have the key
        request.add_unredirected_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310 - likewise
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise click.ClickException(_reason(error)) from None
    except (ValueError, http.client.HTTPException, OSError) as error:
        raise click.ClickException(unreachable.reason(url, error)) from None


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return "; ".join(entry["message"] for entry in json.load(error)["errors"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {error.code} {error.reason}"
