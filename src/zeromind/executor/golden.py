"""The samples of a task: inputs that a model is tried on when it is loaded, and what it must make of them."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from zeromind import datatypes, strictjson
from zeromind.config.task import Sample
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.group import Group
from zeromind.filters.base import Files
from zeromind.tensors import Encoded, Interface, Tensor, TensorSpec, Value, find

_MOST_BYTES = 256 << 20
_SHOWN = 200
_KINDS = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}
"""Which of numpy's kinds may stand for one: whole numbers for fractions, never the other way."""


class Tried(Protocol):
    """What of a Skill is needed to try it."""

    interface: Interface

    def run(self, groups: Sequence[Group]) -> list[Group]:
        """The answers to all requests of the groups."""

    def prepare(self, group: Group) -> Group:
        """The group with tensors for the model."""

    def stream(self, prepared: Group) -> Iterable[Group]:
        """The responses of a decoupled model."""


def check(skill: Tried, samples: Sequence[Sample], files: Files) -> None:
    """Run the model on each sample, its filters included. Raises LOAD_FAILED where it fails, or gives another answer than expected."""
    for number, sample in enumerate(samples, 1):
        try:
            responses = _run(skill, Group([1], _inputs(sample, skill.interface, files), parameters=sample.parameters or None))
            _compare(responses, sample, skill.interface, files)
        except ZeroMindError as error:
            raise ZeroMindError(ErrorKind.LOAD_FAILED, f"sample {number} of the task: {error.message}", number) from error


def _run(skill: Tried, group: Group) -> list[Mapping[str, Value]]:
    """What the model answers: one response, of a decoupled model any number. Raises what went wrong."""
    answered = list(skill.stream(skill.prepare(group))) if skill.interface.decoupled else skill.run([group])
    for each in answered:
        if each.fault is not None:
            raise each.fault
    return [each.values for each in answered]


def _inputs(sample: Sample, interface: Interface, files: Files) -> dict[str, Value]:
    specs = interface.spec.inputs
    values: dict[str, Value] = {}
    for name, given in _given(sample.inputs, files).items():
        spec = _named(specs, name, "input")
        if spec.name in interface.filtered_inputs:
            values[spec.name] = Encoded("application/json", json.dumps(_plain(given)).encode())
        else:
            values[spec.name] = spec.check(_tensor(given, spec))
    missing = [spec.name for spec in specs if spec.name not in values]
    if missing:
        raise _wrong(f"input {missing[0]!r} is missing")
    return values


def _compare(responses: Sequence[Mapping[str, Value]], sample: Sample, interface: Interface, files: Files) -> None:
    wanted = sample.outputs if isinstance(sample.outputs, (list, tuple)) else [sample.outputs] * bool(sample.outputs)
    if wanted and len(wanted) != len(responses):
        raise _wrong(f"{len(wanted)} responses are expected, the model gives {len(responses)}")
    for values, expected in zip(responses, wanted, strict=False):
        for name, given in _given(expected, files).items():
            spec = _named(interface.spec.outputs, name, "output")
            value = values[spec.name]
            if isinstance(value, Encoded):
                plain = _plain(given)
                if not _same(json.loads(value.data), plain, sample):
                    raise _wrong(f"output {spec.name!r} is {value.data.decode()[:_SHOWN]}, expected is {json.dumps(plain)[:_SHOWN]}")
            else:
                _equal(spec.name, value, _tensor(given, spec), sample)


def _equal(name: str, mine: Tensor, its: Tensor, sample: Sample) -> None:
    """Refuse an output that is not the expected one, numbers within the sample's tolerance."""
    if mine.shape != its.shape:
        raise _wrong(f"output {name!r} has shape {list(mine.shape)}, expected is {list(its.shape)}")
    numbers = mine.dtype.kind in "fc" or its.dtype.kind in "fc"
    with np.errstate(invalid="ignore", over="ignore"):
        same = np.isclose(mine, its, sample.rtol, sample.atol, equal_nan=True) if numbers else np.asarray(mine == its)
    if same.all():
        return
    place = tuple(int(index[0]) for index in np.nonzero(~same)) if same.ndim else ()
    tolerance = f" (rtol {sample.rtol:g}, atol {sample.atol:g})" if numbers else ""
    raise _wrong(
        f"output {name!r} at {list(place)} is {_shown(mine[place])}, expected is {_shown(its[place])}{tolerance}; "
        f"{int((~same).sum())} of {same.size} values differ"
    )


def _same(mine: Any, its: Any, sample: Sample) -> bool:
    """Whether two values of JSON are alike, numbers within the sample's tolerance."""
    if isinstance(mine, list) and isinstance(its, list):
        return len(mine) == len(its) and all(_same(one, other, sample) for one, other in zip(mine, its, strict=True))
    if isinstance(mine, dict) and isinstance(its, dict):
        return mine.keys() == its.keys() and all(_same(mine[name], its[name], sample) for name in mine)
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (mine, its)):
        return math.isclose(mine, its, rel_tol=sample.rtol, abs_tol=sample.atol)
    return type(mine) is type(its) and bool(mine == its)


def _shown(value: Any) -> str:
    return repr(value.decode(errors="replace")) if isinstance(value, bytes) else str(value)


def _given(source: Any, files: Files) -> Mapping[str, Any]:
    """The values by name that a task writes out, or that are in the ``.npz`` or JSON file that it names."""
    if not isinstance(source, str):
        if not isinstance(source, Mapping):
            raise _wrong(f"values by tensor name are expected, not {source!r}")
        return source
    data = files.read(source)
    try:
        if data.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(data)) as packed:
                size = sum(member.file_size for member in packed.infolist())
            if size > _MOST_BYTES:
                raise _wrong(f"{source!r} unpacks to {size} bytes, which is more than a sample may have")
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return dict(arrays)
        values = strictjson.loads(data)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise _wrong(f"{source!r} is neither an .npz file of plain arrays nor JSON: {error}") from None
    if not isinstance(values, dict):
        raise _wrong(f"{source!r} must hold a JSON object of values by tensor name")
    return values


def _plain(given: Any) -> Any:
    return given.tolist() if isinstance(given, np.ndarray) else given


def _tensor(given: Any, spec: TensorSpec) -> Tensor:
    """The values as an array that the spec may check; null is a number that is none. Raises LOAD_FAILED where they are of another kind."""
    text = spec.datatype == "BYTES"
    try:
        array = given if isinstance(given, np.ndarray) else np.asarray(given, object if text else None)
        if array.dtype.hasobject and not text:
            array = np.array([math.nan if item is None else float(item) for item in array.reshape(-1).tolist()]).reshape(array.shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise _wrong(f"what stands for {spec.name!r} is no {spec.shown_shape()} tensor: {error}") from None
    if not array.size:
        return array.astype(spec.dtype)
    kind = array.dtype.kind
    fits = all(isinstance(item, (str, bytes)) for item in array.reshape(-1).tolist()) if text else kind in _KINDS[spec.dtype.kind]
    if not fits:
        raise _wrong(f"what stands for {spec.name!r} is not {datatypes.type_name(spec.datatype)}, but {array.dtype.name}")
    return datatypes.as_bytes(array) if text else datatypes.rounded(array, spec.datatype)


def _named(specs: Sequence[TensorSpec], name: str, side: str) -> TensorSpec:
    spec = find(specs, name)
    if spec is None:
        raise _wrong(f"it names the {side} {name!r}, but the model's {side}s are {', '.join(repr(each.name) for each in specs)}")
    return spec


def _wrong(text: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.LOAD_FAILED, text)
