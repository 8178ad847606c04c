"""What the terminal tells of a server: what loads, what is served, where, and how it is asked."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from rich.syntax import Syntax
from rich.text import Text

from zeromind.codecs import example
from zeromind.errors import ZeroMindError
from zeromind.repository.lifecycle import State
from zeromind.repository.model import Model
from zeromind.server import Server
from zeromind.tensors import Interface

_MOST_NAMES = 12
_PICTURES = (".png", ".jpg", ".jpeg")
_PLACES = (".", "samples")


def loading(server: Server) -> Text:
    """What is being loaded, in one line."""
    models = [model for model in server.engine.registry.models() if model.life.state is State.LOADING]
    stage = f": {models[0].diary.stage}" if len(models) == 1 else ""
    return Text(f"loading {_listed([model.task.id for model in models])}{stage} …" if models else "starting …")


def ready(server: Server, folder: Path) -> Iterator[Text]:
    """What is not served and why, then where all else is; ``folder`` is where a picture to send is looked for."""
    for name, error in server.engine.registry.failed.items():
        yield Text.assemble((f"model {json.dumps(name)} is not served: ", "bold red"), str(error))
    served = _listed(server.engine.registry.ids()) or "no models yet"
    yield Text.assemble(("0Mind is ready: ", "bold"), _link(server.url), f" ({served})  grpc {server.grpc_address}")
    yield Text.assemble("  console  ", _link(f"{server.url}/console"))
    yield Text.assemble("  docs     ", _link(f"{server.url}/docs"))
    models = [model for model in server.engine.registry.models() if model.serves]
    if models:
        yield Text(f"  ask it   {curl(server, models[0], folder)}")
    else:
        yield Text("  load one in the console, or: zeromind serve model.onnx")


def traceback(error: ZeroMindError) -> Text:
    """Where in somebody's code a fault happened, in colours; empty where that is not known."""
    return Syntax("", "pytb", background_color="default").highlight(error.trace.rstrip())


def curl(server: Server, model: Model, folder: Path) -> str:
    """A command line that asks a model; where that would be too long, what it takes."""
    interface = model.interface
    assert interface is not None, "it serves"  # noqa: S101 - a fault of the caller
    url = f"{server.url}/model/predict?id={quote(model.task.id)}"
    words = ["curl"]
    if not example.takes_picture(interface) and not example.is_whole(_body(model, interface)):
        return f"POST {_body(model, interface)} as application/json to {url}"
    if example.takes_picture(interface):
        picture = _picture(folder)
        words += ["--data-binary", f"@{picture}", "-H", f"Content-Type: image/{'png' if picture.endswith('.png') else 'jpeg'}"]
    else:
        words += ["-d", _body(model, interface), "-H", "Content-Type: application/json"]
    if server.config.keys_file:
        words += ["-H", "Authorization: Bearer $ZEROMIND_KEY"]
    line = shlex.join([*words, url])
    return line.replace("'Authorization: Bearer $ZEROMIND_KEY'", '"Authorization: Bearer $ZEROMIND_KEY"')


def _body(model: Model, interface: Interface) -> str:
    """What the task itself is tried on, or else what the interface tells."""
    samples = [sample.inputs for sample in model.task.samples if isinstance(sample.inputs, Mapping)]
    return json.dumps(samples[0], ensure_ascii=False) if samples else example.own(interface)


def _picture(folder: Path) -> str:
    """The path of a picture that is there, relative to ``folder``, or of one that could be."""
    for place in _PLACES:
        found = sorted(path.name for path in (folder / place).glob("*") if path.suffix.lower() in _PICTURES)
        if found:
            return str(Path(place, found[-1]))
    return "picture.png"


def _link(url: str) -> Text:
    return Text(url, style=f"link {url}")


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
