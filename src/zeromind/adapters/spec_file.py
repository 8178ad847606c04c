"""What a model's file does not tell of its interface, in files beside it: a list of ``{"name", "type", "shape"}`` each.

In a folder, or an archive, they are ``input_spec.json`` and ``output_spec.json``; beside a file ``model.pt`` they are
``model.pt.input_spec.json`` and ``model.pt.output_spec.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

INPUTS, OUTPUTS = "input_spec.json", "output_spec.json"
_MOST_BYTES = 1 << 20


def beside(file: ModelFile) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs and outputs that files beside a model describe; none where there are no such files. Raises what ``read`` raises."""
    path = file.path
    places = [path / name if file.is_folder else path.with_name(f"{path.name}.{name}") for name in (INPUTS, OUTPUTS)]
    return read(places[0], ErrorKind.INPUT_SPEC), read(places[1], ErrorKind.OUTPUT_SPEC)


def read(path: Path, kind: ErrorKind) -> tuple[TensorSpec, ...]:
    """The tensors in a spec file; none where there is no such file. Raises ``kind`` or SPEC_ATTRIBUTE for what is no list of tensors."""
    from zeromind.config.task import parse_specs

    if not path.is_file():
        return ()
    try:
        # A link may lead to a file whose text would be told in the error.
        if not path.resolve().is_relative_to(path.parent.resolve()):
            raise ZeroMindError(kind, f"{path.name} is a link to another folder: put the file itself beside the model", path.name)
        with path.open("rb") as stream:
            entries = json.loads(stream.read(_MOST_BYTES))
    except OSError as error:
        raise ZeroMindError(kind, f"{path.name} cannot be read: {error.strerror}", path.name) from None
    except (ValueError, RecursionError) as error:
        raise ZeroMindError(kind, f"{path.name} is no readable JSON: {error}", path.name) from None
    if isinstance(entries, dict):
        # As /model/info shows them: numbered.
        entries = list(entries.values())
    if not isinstance(entries, list):
        raise ZeroMindError(kind, f'{path.name} must be a list of {{"name", "type", "shape"}}', path.name)
    return parse_specs(entries, kind)
