"""What a model can answer, and which of it a task wants: only that is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor, TensorSpec

_FLOATS = ("FP16", "FP32", "FP64")


class Answer(NamedTuple):
    """An output, the call of the framework that it is made of, and how."""

    spec: TensorSpec
    call: str
    make: Callable[[Any], Tensor] = np.asarray
    on_request: bool = False
    """Whether it is given only to a task that names it."""


class Answers:
    """The outputs of a model in the form that the task gives them.

    The task's ``outputs`` choose among the ``offered`` by name. A single one of any other name gets the probabilities if it is floating
    with as many columns as there are classes, else the first that is offered. Raises OUTPUT_SPEC for what is not offered.
    """

    def __init__(self, offered: Sequence[Answer], outputs: Sequence[TensorSpec]) -> None:
        by_name = {answer.spec.name: answer for answer in offered}
        if not outputs:
            chosen = [answer for answer in offered if not answer.on_request]
            self._chosen = chosen
        elif len(outputs) == 1 or all(spec.name in by_name for spec in outputs):
            chosen = [by_name.get(spec.name) or _meant(by_name, spec) for spec in outputs]
            self._chosen = [_formed(answer, spec) for answer, spec in zip(chosen, outputs, strict=True)]
        else:
            names = ", ".join(repr(name) for name in by_name)
            raise ZeroMindError(ErrorKind.OUTPUT_SPEC, f"the model gives {names}: name those, or a single output of any name")
        self.specs = tuple(answer.spec for answer in self._chosen)
        self.own = {formed.spec.name: answer.spec.name for formed, answer in zip(self._chosen, chosen, strict=True)}
        """What the model calls each output, by the name that the task gives it."""

    def give(self, ask: Callable[[str], Any], rows: int) -> dict[str, Tensor]:
        """The outputs for so many rows; ``ask`` makes a call of the framework, each at most once."""
        results = {call: ask(call) for call in dict.fromkeys(answer.call for answer in self._chosen)}
        return {answer.spec.name: _fitted(answer.make(results[answer.call]), answer.spec, rows) for answer in self._chosen}


def of_classes(call: str, sample: Tensor, classes: Tensor, targets: bool = False, threshold: float = 0.5) -> list[Answer]:
    """``label`` and ``probabilities``, made of what ``call`` gives; ``sample`` is that for some rows.

    A call gives the probability of the second of two classes, ``[rows]``; of each class, ``[rows, classes]``; or of the second class for
    each of several ``targets``, ``[rows, targets]``. Of two classes it is the second whose probability is over the ``threshold``.
    """
    classes = datatypes.as_bytes(classes) if classes.dtype.kind in "OSU" else classes
    datatype = datatypes.datatype_of(sample.dtype)
    single = sample.ndim == 1

    def label(chances: Tensor) -> Tensor:
        if single or targets:
            return classes[(chances > threshold).astype(np.intp)]
        places = chances[:, 1] > threshold if len(classes) == 2 else chances.argmax(axis=1)
        return classes[places.astype(np.intp)]

    def probabilities(chances: Tensor) -> Tensor:
        return np.stack([1 - chances, chances], axis=1) if single else chances

    label_shape = (None, sample.shape[1]) if targets else (None,)
    return [
        Answer(TensorSpec("label", datatypes.datatype_of(classes.dtype), label_shape), call, label),
        Answer(TensorSpec("probabilities", datatype, (None, 2 if single else sample.shape[1])), call, probabilities),
    ]


def plain(name: str, call: str, sample: Tensor, on_request: bool = False) -> Answer:
    """What ``call`` gives, as it is; ``sample`` is that for some rows."""
    spec = TensorSpec(name, datatypes.datatype_of(sample.dtype), (None, *sample.shape[1:]))
    return Answer(spec, call, on_request=on_request)


def _meant(offered: Mapping[str, Answer], spec: TensorSpec) -> Answer:
    probabilities = offered.get("probabilities")
    if probabilities and spec.datatype in _FLOATS and spec.shape[1:] == probabilities.spec.shape[1:]:
        return probabilities
    return next(iter(offered.values()))


def _formed(answer: Answer, spec: TensorSpec) -> Answer:
    """The answer in the form that the task gives it. Raises OUTPUT_SPEC where it has no such form."""
    own = answer.spec
    if len(spec.shape) == len(own.shape):  # the model knows what the task leaves open
        spec = TensorSpec(spec.name, spec.datatype, tuple(its or mine for its, mine in zip(spec.shape, own.shape, strict=True)))
    sample = np.zeros([1, *(size or 0 for size in own.shape[1:])], own.dtype)
    numbers = "BYTES" not in (own.datatype, spec.datatype)
    castable = np.can_cast(own.dtype, spec.dtype, "same_kind") if numbers else spec.datatype == "BYTES"
    if not castable or _reshaped(sample, spec, 1) is None:
        gives = f"{datatypes.type_name(own.datatype)} {own.shown_shape()}"
        asked = f"{datatypes.type_name(spec.datatype)} {spec.shown_shape()}"
        text = f"output {spec.name!r} would be {gives} ({own.name}), which is no {asked}: correct its type or shape"
        raise ZeroMindError(ErrorKind.OUTPUT_SPEC, text, spec.name)
    return answer._replace(spec=spec)


def _fitted(array: Tensor, spec: TensorSpec, rows: int) -> Tensor:
    reshaped = _reshaped(array, spec, rows)
    if reshaped is None:
        raise RuntimeError(f"the framework gave shape {list(array.shape)} for output {spec.name!r}")
    return datatypes.as_bytes(reshaped) if spec.datatype == "BYTES" else reshaped.astype(spec.dtype, copy=False)


def _reshaped(array: Tensor, spec: TensorSpec, rows: int) -> Tensor | None:
    """The array in the spec's shape, such as a column for ``[rows, 1]``; None where its rows do not fill it."""
    if spec.fits(array.shape):
        return array
    shape = [rows, *(-1 if size is None else size for size in spec.shape[1:])]
    try:
        reshaped = array.reshape(shape)
    except ValueError:
        return None
    return reshaped if spec.fits(reshaped.shape) else None
