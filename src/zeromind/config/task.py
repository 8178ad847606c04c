"""A task: the instruction to serve one model."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeromind import datatypes
from zeromind.config.options import TASK, Option
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import TENSORS
from zeromind.tensors import TensorSpec

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""What a task may be called."""
_KNOWN: dict[str, Option] = {option.key: option for option in TASK}


@dataclasses.dataclass(frozen=True, slots=True)
class FilterUse:
    """One entry of a filter list: the filter's id and its parameters."""

    id: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """A request to try a model on, and what it must answer: values by name, or the path of a file of them; of a stream, a list."""

    inputs: Mapping[str, Any] | str
    outputs: Mapping[str, Any] | str | list[Any] = dataclasses.field(default_factory=dict)
    rtol: float = 1e-4
    atol: float = 1e-6
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """A checked task. ``source`` is the object as its author wrote it, ``options`` its keys beyond everybody's, for the adapter."""

    id: str
    model_file: str
    model_type: str
    input_filters: Mapping[str, tuple[FilterUse, ...]]
    output_filters: Mapping[str, tuple[FilterUse, ...]]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    labels: Mapping[str, list[str] | str]
    samples: tuple[Sample, ...]
    instances: int
    threads: int
    isolation: str
    retry: str
    timeout_s: float
    device: str
    allow_code: bool
    network: str
    reads: list[str]
    writes: list[str]
    memory_limit_bytes: int
    max_batch_size: int
    max_queue_delay_us: float
    priority_levels: int
    default_priority_level: int
    options: Mapping[str, Any]
    source: Mapping[str, Any]

    @classmethod
    def parse(cls, source: Mapping[str, Any], base: Path | None = None) -> Task:
        """Check a task object; ``base`` is the folder that a relative ``model_file`` belongs to, where that is already known.

        Raises TASK_ATTRIBUTE, SPEC_ATTRIBUTE, INPUT_SPEC, OUTPUT_SPEC or FILTER_PARAMETERS, naming the culprit.
        """
        for key in ("id", "model_file"):
            if source.get(key) in (None, ""):
                raise _wrong(key, f"a task needs {key!r}: {_KNOWN[key].help}")
        values = {key: source.get(key, option.default) for key, option in _KNOWN.items()}
        for key, value in values.items():
            problem = _KNOWN[key].problem(value)
            if problem:
                raise _wrong(key, f"task key {key!r} {problem}")
        if not ID.fullmatch(values["id"]):
            raise _wrong("id", f"task id {values['id']!r} may hold letters, digits, '.', '_' and '-' only, at most 128, the first no sign")
        if values["default_priority_level"] > values["priority_levels"]:
            raise _wrong("default_priority_level", "task key 'default_priority_level' must be one of the 'priority_levels'")
        if "\0" in values["model_file"]:
            raise _wrong("model_file", "task key 'model_file' holds a NUL character")
        if base is not None:
            values["model_file"] = str((base / values["model_file"]).resolve())
        for side in ("input_filters", "output_filters"):
            values[side] = {name: tuple(_filter_use(entry) for entry in entries) for name, entries in values[side].items()}
        values["inputs"] = parse_specs(values["inputs"], ErrorKind.INPUT_SPEC)
        values["outputs"] = parse_specs(values["outputs"], ErrorKind.OUTPUT_SPEC)
        values["samples"] = tuple(_sample(entry) for entry in values["samples"])
        options = {key: value for key, value in source.items() if key not in _KNOWN}
        return cls(**values, options=options, source=dict(source))


def parse_specs(entries: list[Any], kind: ErrorKind) -> tuple[TensorSpec, ...]:
    """The tensors that a task or a spec file lists as ``{"name", "type", "shape"}``.

    Raises SPEC_ATTRIBUTE for a missing attribute, else ``kind``.
    """
    specs = []
    for entry in entries:
        for key in ("name", "type", "shape"):
            if not isinstance(entry, dict) or key not in entry:
                raise ZeroMindError(ErrorKind.SPEC_ATTRIBUTE, f"the entry {entry!r} of inputs/outputs lacks {key!r}", key)
        name, shape = entry["name"], entry["shape"]
        if not isinstance(name, str) or not name:
            raise ZeroMindError(kind, f"a tensor's name must be a string, not {name!r}", name)
        if not isinstance(shape, list) or len(shape) > TENSORS.dimensions or not all(_is_size(size) for size in shape):
            raise ZeroMindError(kind, f"the shape of {name!r} must be a list of sizes and nulls, not {shape!r}", name)
        try:
            datatype = datatypes.parse_datatype(str(entry["type"]))
        except ValueError as error:
            raise ZeroMindError(kind, f"the type of {name!r}: {error}", name) from None
        specs.append(TensorSpec(name, datatype, tuple(None if size == -1 else size for size in shape)))
    if len({spec.name for spec in specs}) < len(specs):
        raise ZeroMindError(kind, "two tensors have the same name")
    return tuple(specs)


def _is_size(size: Any) -> bool:
    return size is None or (isinstance(size, int) and not isinstance(size, bool) and -1 <= size < 1 << 31)


def _filter_use(entry: Any) -> FilterUse:
    if isinstance(entry, str):
        return FilterUse(entry)
    if isinstance(entry, dict) and isinstance(entry.get("filter"), str):
        return FilterUse(entry["filter"], {key: value for key, value in entry.items() if key != "filter"})
    raise ZeroMindError(ErrorKind.FILTER_PARAMETERS, f'a filter is an id or {{"filter": id, parameter: value, …}}, not {entry!r}', entry)


def _sample(entry: dict[str, Any]) -> Sample:
    named = isinstance(entry.get("inputs"), (dict, str)) and isinstance(entry.get("outputs", {}), (dict, str, list))
    tolerances = [entry.get(key, 0.0) for key in ("rtol", "atol")]
    close = all(isinstance(number, (int, float)) and 0 <= number < 1e9 for number in tolerances)
    fields = {field.name for field in dataclasses.fields(Sample)}
    if not (named and close and entry.keys() <= fields and isinstance(entry.get("parameters", {}), dict)):
        form = '{"inputs": {name: values}, "outputs": {name: values}, "rtol": 1e-4}'
        raise _wrong("samples", f"task key 'samples' lists objects {form}, not {entry!r}")
    return Sample(**entry)


def _wrong(key: str, message: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.TASK_ATTRIBUTE, message, key)
