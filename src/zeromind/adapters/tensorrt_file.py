"""What a task of TensorRT's names: an engine, or an ONNX model to build one from."""

from __future__ import annotations

from typing import Literal, TypeAlias

from zeromind.adapters import onnx_file
from zeromind.adapters.base import Source
from zeromind.errors import ErrorKind, ZeroMindError

Format: TypeAlias = Literal["PLAN", "onnx"]

# As NVIDIA's own trtexec tells the version of a plan, in printPlanVersion of
# https://github.com/NVIDIA/TensorRT/blob/release/10.13/samples/common/sampleEngines.cpp: tag, serialization version, version at byte 24.
_TAG = b"ftrt" + bytes(4)
_VERSION_AT = 24
_NAMES: dict[str, Format] = {"plan": "PLAN", "onnx": "onnx"}
_GONE = ("tf", "uff", "c1", "caffe")


def is_plan(head: bytes) -> bool:
    """Whether a file that begins so is a serialized engine of a version that has one digit or two."""
    return head.startswith(_TAG) and len(head) > _VERSION_AT and 0 < head[_VERSION_AT] < 100


def format_of(source: Source) -> Format:
    """What the file is, and the task's ``framework`` may say. Raises ENGINE_ATTRIBUTE where they differ, LOAD_FAILED for other files."""
    name, head = source.file.path.name, source.file.head
    found: Format | None = "PLAN" if is_plan(head) else "onnx" if onnx_file.is_model(head) else None
    given = source.options.get("framework")
    if given is not None:
        known = _NAMES.get(str(given).lower())
        if str(given).lower() in _GONE:
            text = (
                f"TensorRT has no parser for framework {given!r} since version 10: convert the model to ONNX and write 'framework': 'onnx'"
            )
            raise ZeroMindError(ErrorKind.ENGINE_ATTRIBUTE, text, "framework")
        if known is None:
            raise ZeroMindError(ErrorKind.ENGINE_ATTRIBUTE, f"'framework' is 'PLAN' or 'onnx', not {given!r}", "framework")
        if known != found:
            text = f"the task's framework is {given!r}, but {name} is {_described(found)}"
            raise ZeroMindError(ErrorKind.ENGINE_ATTRIBUTE, text, "framework")
    if found is None:
        text = f"{name} is {_described(found)}: build an engine, with trtexec for instance, or export the model to ONNX"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name)
    return found


def _described(found: Format | None) -> str:
    return {"PLAN": "a TensorRT engine", "onnx": "an ONNX model", None: "neither a TensorRT engine nor an ONNX model"}[found]
