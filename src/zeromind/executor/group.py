"""Requests that share one run of the model: what a batch is made of, on its way there and back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from zeromind.errors import ZeroMindError
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface, Parameter, Run

Answer: TypeAlias = "InferResponse | ZeroMindError"


@dataclasses.dataclass(slots=True)
class Group:
    """``rows`` of each request, and a Value by tensor name, joined over all of them along the first dimension.

    A list of arrays is a tensor still to be joined. Of an answered group, ``run`` is the model's run that it came from; ``fault`` stands
    for values. Of one to be answered, the seconds of ``run`` are the time of the monotonic clock until which that may begin, ``parameters``
    are for the model, ``bare`` keeps the outputs from their filters, and ``input_s`` is how long its inputs took so far.
    """

    rows: list[int]
    values: dict[str, Any]
    fault: ZeroMindError | None = None
    run: Run | None = None
    parameters: Mapping[str, Parameter] | None = None
    bare: bool = False
    input_s: float = 0.0

    def join(self) -> dict[str, Any]:
        """The values, with nothing left to join."""
        return {name: np.concatenate(value) if isinstance(value, list) else value for name, value in self.values.items()}

    def singles(self) -> list[Group]:
        """The same, one group per request."""
        if len(self.rows) == 1:
            return [self]
        parts = split(self.values, self.rows)
        return [dataclasses.replace(self, rows=[count], values=part) for count, part in zip(self.rows, parts, strict=True)]

    def answers(self) -> list[Answer]:
        """The answer to each request, in order; arrays are views."""
        if self.fault is not None:
            return [self.fault] * len(self.rows)
        assert self.run is not None, "it has been answered"  # noqa: S101 - a fault of ours
        return list(cut(self.values, self.rows, self.run))


def outcome(groups: Sequence[Group]) -> list[Answer] | ZeroMindError:
    """What a batch came to: an answer per request, in order; or the fault of them all, if the model was run on them as one."""
    if len(groups) == 1 and groups[0].fault is not None:
        return groups[0].fault
    return [answer for group in groups for answer in group.answers()]


def split(values: Mapping[str, Any], rows: Sequence[int]) -> list[dict[str, Any]]:
    """The values of each request of a batch, of so many rows each; arrays are views."""
    parts = []
    start = 0
    for count in rows:
        end = start + count
        parts.append({name: value[start:end] for name, value in values.items()})
        start = end
    return parts


def cut(outputs: dict[str, Any], rows: Sequence[int], run: Run) -> list[InferResponse]:
    """The answer to each request of a batch, of so many rows each; arrays are views."""
    if len(rows) == 1:
        return [InferResponse(outputs, run)]
    return [InferResponse(part, run) for part in split(outputs, rows)]


def grouped(batch: Sequence[InferRequest], rows: Sequence[int], interface: Interface, until: float = math.inf) -> list[Group]:
    """A batch of requests that agree in their tensors: one group if they are all tensors, else one group each; to be begun ``until``."""
    first = batch[0]
    parameters = first.parameters if interface.parameters else None
    bare = not first.filters
    if len(batch) == 1:
        return [Group([rows[0]], dict(first.inputs), None, Run(0, until), parameters, bare)]
    if interface.spec.batches and not any(isinstance(value, Encoded) for value in first.inputs.values()):
        values = {name: [request.inputs[name] for request in batch] for name in first.inputs}
        return [Group(list(rows), values, None, Run(0, until), parameters, bare)]
    return [Group([count], dict(request.inputs), None, Run(0, until), parameters, bare) for request, count in zip(batch, rows, strict=True)]
