"""A caller's values as a model's inputs: tensors of the right types and shapes, pictures and text for filters."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zeromind import datatypes
from zeromind.client.faults import refused
from zeromind.codecs.inputs import complete, named
from zeromind.codecs.oip_raw import Bytes, to_objects, to_raw
from zeromind.codecs.picture import media_of
from zeromind.errors import ZeroMindError
from zeromind.tensors import Interface, Tensor, TensorSpec, Value, find


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """The bytes of a picture file: PNG, JPEG, WEBP, BMP or GIF."""

    data: bytes


class Input(NamedTuple):  # made in a third of the time of a frozen dataclass
    """An input as it travels."""

    name: str
    datatype: str
    array: Tensor

    def raw(self) -> Bytes:
        """Its bytes; where it can be, they are the array's own memory."""
        return to_raw(self.array, self.datatype)


def tensors(values: Any, interface: Interface) -> tuple[Input, ...]:
    """The inputs in ``{name: value}``, or in the value of the only one. Raises InvalidInput for what does not fit the model."""
    specs = interface.spec.inputs
    if len(specs) == 1 and type(values) is np.ndarray and _is(values, specs[0]) and not interface.filtered_inputs:  # as most are
        return (Input(specs[0].name, specs[0].datatype, values),)
    try:
        given: dict[str, Value] = {}
        for name, value in _by_name(values, interface).items():
            spec = named(str(name), interface, given)
            given[spec.name] = _samples(value) if spec.name in interface.filtered_inputs else _tensor(value, spec, interface.spec.batches)
        datatype = {spec.name: spec.datatype for spec in specs}
        return tuple(
            Input(name, "BYTES" if name in interface.filtered_inputs else datatype[name], array)
            for name, array in complete(given, interface).items()
            if isinstance(array, np.ndarray)
        )
    except ZeroMindError as error:
        raise refused(error.message) from None


def plain(values: Any, interface: Interface) -> dict[str, Any]:
    """The same as JSON has it, by name. Raises InvalidInput likewise, also for bytes that are no text."""
    return {one.name: _listed(one, one.name in interface.filtered_inputs) for one in tensors(values, interface)}


def _by_name(values: Any, interface: Interface) -> Mapping[str, Any]:
    inputs = interface.spec.inputs
    if len(inputs) != 1:
        if isinstance(values, Mapping):
            return values
        names = ", ".join(repr(spec.name) for spec in inputs)
        raise refused(f"the model has {len(inputs)} inputs: send {{name: value}} of {names}, not {type(values).__name__}")
    # A record for the filters of the only input is a mapping, too: one that does not name this input.
    if isinstance(values, Mapping) and (inputs[0].name not in interface.filtered_inputs or any(find(inputs, str(name)) for name in values)):
        return values
    return {inputs[0].name: values}


def _is(array: Tensor, spec: TensorSpec) -> bool:
    """Whether an array is what the model takes, as it is."""
    return array.dtype == spec.dtype and spec.datatype != "BYTES" and spec.fits(array.shape)


def _tensor(value: Any, spec: TensorSpec, batches: bool) -> Tensor:
    """The array for an input; one sample without the batch's dimension becomes a batch of one."""
    if type(value) is np.ndarray and _is(value, spec):
        return value
    array = _array(value, spec)
    missing = len(spec.shape) - array.ndim
    if missing == 1 and batches:
        array = array[np.newaxis]
    elif missing > 0 and array.ndim == 0:
        array = array.reshape((1,) * missing)
    return spec.check(array)


def _array(value: Any, spec: TensorSpec) -> Tensor:
    if isinstance(value, (Picture, Path)) or _is_pillow(value):
        raise refused(f"input {spec.name!r} takes {datatypes.type_name(spec.datatype)} {spec.shown_shape()}, no picture: it has no filters")
    if isinstance(value, (bytes, bytearray, memoryview)) and spec.datatype == "BYTES":
        return to_objects([bytes(value)], ())
    if spec.datatype == "BYTES":
        return _text(value, spec)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise refused(f"input {spec.name!r} is no array: {error}") from None
    if array.dtype.kind == "V" and array.dtype.name == "bfloat16":  # of ml_dtypes
        return array.astype(np.float32)
    if array.dtype.kind not in "biuf":
        raise refused(f"input {spec.name!r} takes {datatypes.type_name(spec.datatype)} {spec.shown_shape()}, not {type(value).__name__}")
    return array.astype(spec.dtype) if array.size == 0 and not isinstance(value, np.ndarray) else array


def _text(value: Any, spec: TensorSpec) -> Tensor:
    array = np.asarray(value, None if isinstance(value, np.ndarray) else np.object_)
    if array.dtype.kind not in "OSUT" or not all(isinstance(item, (str, bytes)) for item in array.reshape(-1).tolist()):
        raise refused(f"input {spec.name!r} takes text {spec.shown_shape()}: str or bytes, or lists of them")
    return datatypes.as_bytes(array)


def _samples(value: Any) -> Tensor:
    """What the filters of an input get: an element for each sample, a picture file or JSON text."""
    samples = list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value]
    if not samples:
        raise refused("an input with filters needs at least one sample")
    return to_objects([_sample(sample) for sample in samples], (len(samples),))


def _sample(value: Any) -> bytes:
    if isinstance(value, Picture):
        return value.data
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, os.PathLike):
        try:
            return Path(value).read_bytes()
        except OSError as error:
            raise refused(f"{value} cannot be read: {error.strerror or error}") from None
    if _is_pillow(value):
        buffer = io.BytesIO()
        value.save(buffer, "PNG")
        return buffer.getvalue()
    try:
        return json.dumps(value, default=_lists, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise refused(f"a value for the filters of an input must be a picture, or something that JSON has a form for: {error}") from None


def _is_pillow(value: Any) -> bool:
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


def _lists(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has none")


def _listed(one: Input, filtered: bool) -> Any:
    if filtered:
        return [_json(item) for item in one.array.tolist()]
    try:
        return (datatypes.as_text(one.array) if one.datatype == "BYTES" else one.array).reshape(one.array.shape).tolist()
    except UnicodeDecodeError:
        raise refused(f"input {one.name!r} is no UTF-8 text, so that HTTP's stream cannot carry it: use grpc://") from None


def _json(item: bytes) -> Any:
    try:
        return {"image": base64.b64encode(item).decode()} if media_of(item) else json.loads(item)
    except ValueError:
        raise refused("bytes for the filters of an input must be a picture file or JSON text") from None
