"""What every floor speaks of: tensors and their specs, a request for inference and its answer."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError

Tensor: TypeAlias = np.ndarray[Any, Any]
Shape: TypeAlias = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Encoded:
    """A value that only a filter understands, as the bytes that came: JSON text or a picture."""

    media: str
    data: bytes


Value: TypeAlias = Tensor | Encoded
Parameter: TypeAlias = bool | int | float | str


@dataclasses.dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named input or output: ``datatype`` as the Open Inference Protocol names it, ``None`` in ``shape`` = any size."""

    name: str
    datatype: str
    shape: Shape
    aliases: tuple[str, ...] = ()
    """Regular expressions of other names that mean this tensor."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype; ``object`` for BYTES."""
        return datatypes.NUMPY_OF[self.datatype]

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an array of this shape is one of ours."""
        if len(shape) != len(self.shape):
            return False
        for mine, its in zip(self.shape, shape):  # noqa: B905, SIM110 - as long as each other; strict and all() double the time
            if mine is not None and mine != its:
                return False
        return True

    def check(self, array: Tensor) -> Tensor:
        """The array itself in the spec's dtype.

        Raises INVALID_INPUT if the shape differs, the kind of type does (floats never become integers), or a value does not fit.
        """
        if not self.fits(array.shape):
            raise ZeroMindError(
                ErrorKind.INVALID_INPUT,
                f"input {self.name!r} has shape {list(array.shape)}, the model takes {self.shown_shape()}",
                self.name,
                list(array.shape),
            )
        if array.dtype == self.dtype:
            return array
        try:
            return _cast(array, self.datatype)
        except ValueError as error:
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"input {self.name!r} {error}", self.name) from None

    def of_rows(self, rows: int | None = None) -> TensorSpec:
        """The same with another first dimension: of any size, if none is given."""
        return TensorSpec(self.name, self.datatype, (rows, *self.shape[1:]), self.aliases)

    def shown_shape(self) -> str:
        """The shape for people: ``[any, 28, 28, 1]``."""
        return "[" + ", ".join("any" if size is None else str(size) for size in self.shape) + "]"

    def to_json(self) -> dict[str, Any]:
        """Plain values for a frame; ``from_json`` is its inverse."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape), "aliases": list(self.aliases)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TensorSpec:
        """The spec that ``to_json`` wrote. Raises KeyError, TypeError."""
        datatype, shape = _text(data["datatype"]), tuple(data["shape"])
        if datatype not in datatypes.NUMPY_OF or not all(size is None or (type(size) is int and size >= 0) for size in shape):
            raise TypeError(f"no tensor is of {datatype!r} with the shape {shape}")
        return cls(_text(data["name"]), datatype, shape, tuple(map(_text, data["aliases"])))


def _text(value: object) -> str:
    """The value. Raises TypeError if it is no text."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _cast(array: Tensor, datatype: str) -> Tensor:
    """The array in another type. Raises ValueError, worded as the end of a sentence, where its kind or a value does not fit."""
    dtype = datatypes.NUMPY_OF[datatype]
    if datatype == "BYTES" and array.dtype.kind in "SUT":
        return datatypes.as_bytes(array)
    if array.dtype.kind in "iu" and dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        if array.size and not bounds.min <= int(array.min()) <= int(array.max()) <= bounds.max:
            raise ValueError(f"holds numbers from {array.min()} to {array.max()}, the model takes {dtype.name}")
    elif datatype == "BYTES" or not np.can_cast(array.dtype, dtype, casting="same_kind"):
        raise ValueError(f"holds {array.dtype.name}, the model takes {datatypes.type_name(datatype)}")
    try:
        with np.errstate(over="raise"):
            return array.astype(dtype)
    except FloatingPointError:
        raise ValueError(f"holds a number too large for {dtype.name}") from None


def find(specs: Sequence[TensorSpec], name: str) -> TensorSpec | None:
    """The spec of that name; failing that, the only one that knows the name as an alias; else None."""
    for spec in specs:
        if spec.name == name:
            return spec
    matches = [spec for spec in specs if any(re.fullmatch(alias, name) for alias in spec.aliases)]
    return matches[0] if len(matches) == 1 else None


@dataclasses.dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model's interface as its adapter describes it.

    ``batches`` says that the first dimension of every input and output is the batch, so that requests may be joined along it.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batches: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values for a frame; ``from_json`` is its inverse."""
        return {
            "inputs": [spec.to_json() for spec in self.inputs],
            "outputs": [spec.to_json() for spec in self.outputs],
            "batches": self.batches,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelSpec:
        """The spec that ``to_json`` wrote."""
        inputs, outputs = (tuple(TensorSpec.from_json(item) for item in data[side]) for side in ("inputs", "outputs"))
        return cls(inputs, outputs, bool(data["batches"]))


@dataclasses.dataclass(frozen=True, slots=True)
class Interface:
    """What a loaded skill offers its clients: the model's tensors under the names that the task gave them, and its filters.

    ``media`` lists, for an input whose first filter takes whole files, the content types that it takes. ``labels`` names the classes
    of an output. ``decoupled`` says that a request may have any number of responses, ``parameters`` that the model looks at a
    request's parameters.
    """

    spec: ModelSpec
    adapter: str
    filtered_inputs: frozenset[str] = frozenset()
    filtered_outputs: frozenset[str] = frozenset()
    media: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    decoupled: bool = False
    parameters: bool = False

    @property
    def filtered(self) -> bool:
        """Whether any tensor has filters."""
        return bool(self.filtered_inputs or self.filtered_outputs)

    @property
    def bare(self) -> Interface:
        """What is offered to a client that wants no filters: the model's own tensors."""
        return dataclasses.replace(self, filtered_inputs=frozenset(), filtered_outputs=frozenset(), media={})

    @property
    def uniform(self) -> bool:
        """Whether any two requests agree in all but their number of rows: no filters, no parameters, no open sizes."""
        alike = self.spec.batches and not (self.filtered or self.parameters or self.decoupled)
        return alike and not any(None in spec.shape[1:] for spec in self.spec.inputs)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a frame; ``from_json`` is its inverse."""
        return {
            "spec": self.spec.to_json(),
            "adapter": self.adapter,
            "filtered_inputs": sorted(self.filtered_inputs),
            "filtered_outputs": sorted(self.filtered_outputs),
            "media": {name: list(types) for name, types in self.media.items()},
            "labels": {name: list(labels) for name, labels in self.labels.items()},
            "decoupled": self.decoupled,
            "parameters": self.parameters,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Interface:
        """The interface that ``to_json`` wrote; a worker may say anything. Raises KeyError, TypeError, AttributeError."""
        return cls(
            ModelSpec.from_json(data["spec"]),
            _text(data["adapter"]),
            frozenset(map(_text, data["filtered_inputs"])),
            frozenset(map(_text, data["filtered_outputs"])),
            {name: tuple(map(_text, types)) for name, types in data["media"].items()},
            {name: tuple(map(_text, labels)) for name, labels in data["labels"].items()},
            bool(data["decoupled"]),
            bool(data["parameters"]),
        )


@dataclasses.dataclass(slots=True)
class InferRequest:
    """Values for a model's inputs, by name; a filtered input is Encoded, any other an array that its spec has checked.

    ``parameters`` are for the model, if its interface says that it looks at them. ``priority`` is a level from 1, the most urgent, on;
    0 is the task's own. ``timeout_s`` may shorten the task's, 0 does not. Without ``filters`` inputs are tensors, and outputs stay so.
    """

    inputs: dict[str, Value]
    id: str = ""
    parameters: Mapping[str, Parameter] | None = None
    priority: int = 0
    timeout_s: float = 0.0
    filters: bool = True

    def size(self) -> tuple[int, int]:
        """How many rows it has, an encoded value counting as one, and how many bytes, those of text among the parameters too."""
        rows, nbytes = None, 0
        if self.parameters is not None:
            nbytes += sum(len(value) for value in self.parameters.values() if isinstance(value, str))
        for value in self.inputs.values():
            if isinstance(value, Encoded):
                nbytes += len(value.data)
                continue
            nbytes += value.nbytes
            if value.dtype.hasobject:
                nbytes += sum(map(len, value.flat))
            if rows is None and value.ndim:
                rows = len(value)
        return 1 if rows is None else rows, nbytes


class Run(NamedTuple):  # made twice for each batch, in a third of the time of a frozen dataclass
    """One call of a model with so many rows, and the seconds for its inputs (filters, joining), itself, and its outputs."""

    rows: int
    infer_s: float
    input_s: float = 0.0
    output_s: float = 0.0


@dataclasses.dataclass(slots=True)
class InferResponse:
    """Values of a model's outputs, by name; a filtered output is Encoded JSON, any other an array. Requests may share their ``run``.

    Of a decoupled model any number of responses with outputs come that are not ``final``, then one that is and has none.
    """

    outputs: dict[str, Value]
    run: Run
    final: bool = True

    @property
    def model_time(self) -> float:
        """How long the model itself took, in seconds."""
        return self.run.infer_s

    def copy(self) -> InferResponse:
        """The same with arrays of its own, for whoever keeps them."""
        outputs = {name: value if isinstance(value, Encoded) else value.copy() for name, value in self.outputs.items()}
        return InferResponse(outputs, self.run, self.final)
