"""The text of a commented configuration."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from zeromind import datatypes
from zeromind.cli.survey import Found
from zeromind.config.options import POOL, TASK, Option
from zeromind.filters.frame import frame_of
from zeromind.tensors import Interface, TensorSpec

_LIVE = ("id", "host", "port")
_WIDTH = 110
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LEAST_SIDE = 8
"""Of what is taken for a picture, in pixels."""
_CHANNELS = (1, 3, 4)
_EXAMPLE = """
# No model was found here. A task looks like this; 'zeromind init --example' writes a small skill to try.
#
# [[tasks]]
# id = "iris"                     # the name by which clients ask for it
# model_file = "iris.onnx"        # of any framework: 'zeromind adapters' lists them
# input_filters.picture = ["image.ImageFilter"]
# output_filters.scores = [{ filter = "topk.TopKFilter", k = 3 }]
"""


def pool_text(models: Sequence[tuple[Found, Interface | str]], further: Sequence[str] = (), **live: Any) -> str:
    """A configuration with a task for each model, ``further`` tasks as they are written, and pool keys set to other than defaults."""
    parts = [_HEAD, *(_setting(option, live) for option in POOL if option.key != "tasks"), _TASKS_HEAD]
    parts += [_task(found, interface) for found, interface in models]
    parts += further or ([] if models else [_EXAMPLE])
    parts += [_TASK_HEAD, *(_explained(option) for option in TASK if option.key not in ("id", "model_file"))]
    return "".join(parts)


_HEAD = """\
# A pool of 0Mind: which models it serves, where, and under which rules.
#
#   zeromind check -c pool.toml    try it without serving
#   zeromind serve -c pool.toml    serve it; paths count from the folder in which this is run
#
# Each setting stands here with its default: take the '#' away to set it. It may also be a variable (ZEROMIND_PORT=8000), and some
# are flags (--port 8000); a flag comes before a variable, a variable before this file.

"""
_TASKS_HEAD = "# The models. Each [[tasks]] is one.\n"
_TASK_HEAD = "\n# What else may stand in a task, each with its default:\n#\n"


def _setting(option: Option, live: dict[str, Any]) -> str:
    if option.key in live or option.key in _LIVE:
        value = live.get(option.key, option.default)
        return f"{_comment(option.help)}{option.key} = {json.dumps(value)}\n\n"
    return f"{_comment(option.help)}# {option.key} = {json.dumps(option.default)}\n\n"


def _explained(option: Option) -> str:
    default = "{}" if option.default == {} else json.dumps(option.default)
    return f"{_comment(option.help)}#   {option.key} = {default}\n"


def _comment(text: str) -> str:
    return textwrap.indent(textwrap.fill(text, _WIDTH), "# ") + "\n"


def _task(found: Found, interface: Interface | str) -> str:
    lines = ["", "[[tasks]]", f"id = {json.dumps(found.id)}", f"model_file = {json.dumps(found.path)}"]
    lines += list(_adapter(found))
    if isinstance(interface, str):
        lines.append(f"# {interface}")
    else:
        lines += list(_tensors(interface))
    return "\n".join(lines) + "\n"


def _adapter(found: Found) -> Iterator[str]:
    name = found.adapters[0].name
    if len(found.adapters) > 1:
        names = ", ".join(adapter.name for adapter in found.adapters)
        yield f'model_type = "{name}"  # it fits several adapters: {names}'
    else:
        yield f'# model_type = "{name}"  # recognised by content'
    if found.lacking:
        yield f"# needs {', '.join(found.lacking)}, not installed: pip install 'zeromind[{name}]'"
    if found.code:
        yield f"# allow_code = true  # it can run code ({found.code}): without this it is not served; only if you trust it"


def _tensors(interface: Interface) -> Iterator[str]:
    for side, specs in (("inputs", interface.spec.inputs), ("outputs", interface.spec.outputs)):
        for place, spec in enumerate(specs):
            yield f"# {f'{side}:' if place == 0 else '':9}{spec.name}  {datatypes.type_name(spec.datatype)} {spec.shown_shape()}"
    for spec in interface.spec.inputs:
        if looks_like_picture(spec):
            yield f"# {spec.name} looks like a picture: with this filter clients send one as it is (mean, std, … as the model was trained)"
            yield f'# input_filters.{_key(spec.name)} = ["image.ImageFilter"]'
    for spec in interface.spec.outputs:
        if _looks_like_scores(spec):
            yield f"# {spec.name} looks like scores of classes: with this filter the answer is the best one"
            yield f'# output_filters.{_key(spec.name)} = ["argmax.ArgMaxFilter"]'


def looks_like_picture(spec: TensorSpec) -> bool:
    """Whether an input is of a picture's form: a batch of height and width with 1, 3 or 4 channels, first or last, of numbers."""
    frame = frame_of(spec, "auto", None) if len(spec.shape) == 4 and spec.dtype.kind in "iuf" else None
    return frame is not None and frame.channels in _CHANNELS and all(side is None or side >= _LEAST_SIDE for side in frame[:2])


def _looks_like_scores(spec: TensorSpec) -> bool:
    return len(spec.shape) == 2 and spec.dtype.kind == "f" and (spec.shape[1] or 0) >= 3


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name)
