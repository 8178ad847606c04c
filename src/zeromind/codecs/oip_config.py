"""Triton's ``ModelConfig``, as a client sends it to have a model loaded, in the words of a task."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from zeromind.codecs.oip_model import INTERFACE
from zeromind.errors import ErrorKind, ZeroMindError

_ADAPTERS = {"onnxruntime": "onnx", "onnxruntime_onnx": "onnx"}
_READ = ("name", "platform", "backend", "max_batch_size", "input", "output", "instance_group", "dynamic_batching", "parameters")
_BATCHING = {
    "max_queue_delay_microseconds": "max_queue_delay_us",
    "priority_levels": "priority_levels",
    "default_priority_level": "default_priority_level",
}
_TENSOR = ("name", "data_type", "dims")
_GROUP = ("name", "count", "kind", "gpus")
_OWN = frozenset({"platform", "backend", "input", "output", "instance_group", "dynamic_batching", "parameters", "version_policy"})
"""The keys by which one knows it from a task."""


def is_config(data: Mapping[str, Any]) -> bool:
    """Whether it is a ``ModelConfig`` and no task."""
    return not _OWN.isdisjoint(data)


def task_keys(data: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What a ``ModelConfig`` asks for, as keys of a task; what it says as ``known``, the present configuration, asks for nothing.

    Each of its ``parameters`` is a key of the task, the value as JSON or as text. Raises TASK_ATTRIBUTE, naming what has no meaning
    here or is no such value.
    """
    news = {key: value for key, value in data.items() if known.get(key) != value}
    for key, value in news.items():
        if key not in _READ and value not in ({}, [], "", None):
            raise _wrong(key, f"the model configuration's {key!r} cannot be changed here; what can is {', '.join(_READ)}")
    keys: dict[str, Any] = {}
    if "max_batch_size" in news:
        keys["max_batch_size"] = max(1, _number(news, "max_batch_size"))
    adapter = news.get("backend") or news.get("platform")
    if adapter:
        keys["model_type"] = _ADAPTERS.get(str(adapter), adapter)
    batches = bool(data.get("max_batch_size"))
    for side, key in (("input", "inputs"), ("output", "outputs")):
        if news.get(side):
            keys[key] = [_spec(entry, side, batches) for entry in _entries(news, side)]
    if news.get("instance_group"):
        keys |= _instances(_entries(news, "instance_group"))
    keys |= _batching(_fields(news, "dynamic_batching"))
    keys |= {name: _parameter(name, value) for name, value in _fields(news, "parameters").items() if name != INTERFACE}
    return keys


def _spec(entry: Mapping[str, Any], side: str, batches: bool) -> dict[str, Any]:
    for key in entry:
        if key not in _TENSOR and entry[key] not in (False, "", "FORMAT_NONE", None):
            raise _wrong(
                side, f"the model configuration's {side!r} has {key!r}, which means nothing here; it may have {', '.join(_TENSOR)}"
            )
    dims, datatype = entry.get("dims"), entry.get("data_type")
    if not isinstance(dims, list) or not isinstance(datatype, str) or not datatype.startswith("TYPE_"):
        raise _wrong(side, f'the model configuration\'s {side!r} needs {{"name", "data_type": "TYPE_…", "dims": […]}}, not {dict(entry)!r}')
    shape = [None if size == -1 else size for size in dims]
    name = datatype.removeprefix("TYPE_")
    return {"name": entry.get("name"), "type": {"STRING": "BYTES"}.get(name, name), "shape": [None, *shape] if batches else shape}


def _instances(groups: list[Mapping[str, Any]]) -> dict[str, Any]:
    keys: dict[str, Any] = {"instances": 0}
    for group in groups:
        for key in group:
            if key not in _GROUP and group[key] not in (False, "", [], None):
                raise _wrong("instance_group", f"an instance_group's {key!r} means nothing here; it may have {', '.join(_GROUP)}")
        keys["instances"] += _number(group, "count") if "count" in group else 1
        kind, gpus = group.get("kind", "KIND_AUTO"), group.get("gpus") or [0]
        if kind == "KIND_CPU":
            keys["device"] = "cpu"
        elif kind == "KIND_GPU":
            if not isinstance(gpus, list) or len(gpus) != 1:
                raise _wrong("instance_group", f"an instance_group's 'gpus' must name one, not {gpus!r}: instances share a device")
            keys["device"] = f"cuda:{gpus[0]}"
        elif kind != "KIND_AUTO":
            raise _wrong("instance_group", f"an instance_group's kind must be KIND_AUTO, KIND_CPU or KIND_GPU, not {kind!r}")
    return keys


def _batching(fields: Mapping[str, Any]) -> dict[str, Any]:
    for key in fields:
        if key not in _BATCHING and fields[key] not in (False, [], {}, 0, None):
            raise _wrong("dynamic_batching", f"dynamic_batching's {key!r} means nothing here; it may have {', '.join(_BATCHING)}")
    return {_BATCHING[key]: _number(fields, key) for key in fields if key in _BATCHING}


def _parameter(name: str, value: Any) -> Any:
    text = value.get("string_value") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(text, str):
        raise _wrong(name, f'the parameter {name!r} of a model configuration must be {{"string_value": "…"}}, not {value!r}')
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    return text


def _number(fields: Mapping[str, Any], key: str) -> int:
    """A whole number, which protobuf's JSON may write as text."""
    value = fields[key]
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _wrong(key, f"the model configuration's {key!r} must be a whole number, not {value!r}")
    return value


def _entries(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entries = data[key]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _wrong(key, f"the model configuration's {key!r} must be a list of objects, not {entries!r}")
    return entries


def _fields(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    fields = data.get(key) or {}
    if not isinstance(fields, dict):
        raise _wrong(key, f"the model configuration's {key!r} must be an object, not {fields!r}")
    return fields


def _wrong(key: str, message: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.TASK_ATTRIBUTE, message, key)
