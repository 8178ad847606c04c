"""Requests that share one run of the model: what a batch is made of, on its way there and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from zeromind.errors import ZeroMindError
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface

Answer: TypeAlias = "InferResponse | ZeroMindError"


@dataclasses.dataclass(slots=True)
class Group:
    """``rows`` of each request, and a Value by tensor name, joined over all of them along the first dimension.

    A list of arrays is a tensor still to be joined. Of an answered group, ``seconds`` is what the model took; ``fault`` stands for
    values.
    """

    rows: list[int]
    values: dict[str, Any]
    fault: ZeroMindError | None = None
    seconds: float = 0.0

    def join(self) -> dict[str, Any]:
        """The values, with nothing left to join."""
        return {name: np.concatenate(value) if isinstance(value, list) else value for name, value in self.values.items()}

    def singles(self) -> list[Group]:
        """The same, one group per request."""
        if len(self.rows) == 1:
            return [self]
        parts = cut(self.values, self.rows, self.seconds)
        return [Group([count], part.outputs, self.fault, self.seconds) for count, part in zip(self.rows, parts, strict=True)]

    def answers(self) -> list[Answer]:
        """The answer to each request, in order; arrays are views."""
        if self.fault is not None:
            return [self.fault] * len(self.rows)
        return list(cut(self.values, self.rows, self.seconds))


def outcome(groups: Sequence[Group]) -> list[Answer] | ZeroMindError:
    """What a batch came to: an answer per request, in order; or the fault of them all, if the model was run on them as one."""
    if len(groups) == 1 and groups[0].fault is not None:
        return groups[0].fault
    return [answer for group in groups for answer in group.answers()]


def cut(outputs: dict[str, Any], rows: Sequence[int], seconds: float) -> list[InferResponse]:
    """The answer to each request of a batch, of so many rows each; arrays are views."""
    if len(rows) == 1:
        return [InferResponse(outputs, seconds)]
    answers = []
    start = 0
    for count in rows:
        end = start + count
        answers.append(InferResponse({name: value[start:end] for name, value in outputs.items()}, seconds))
        start = end
    return answers


def grouped(batch: Sequence[InferRequest], rows: Sequence[int], interface: Interface) -> list[Group]:
    """A batch of requests that agree in their tensors: one group if they are all tensors, else one group each."""
    first = batch[0].inputs
    if len(batch) == 1:
        return [Group([rows[0]], dict(first))]
    if interface.spec.batches and not any(isinstance(value, Encoded) for value in first.values()):
        return [Group(list(rows), {name: [request.inputs[name] for request in batch] for name in first})]
    return [Group([count], dict(request.inputs)) for request, count in zip(batch, rows, strict=True)]
