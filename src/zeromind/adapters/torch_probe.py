"""What a PyTorch model shows of itself when it is tried on made-up numbers: its outputs, and what it does with memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from zeromind.adapters import batch, torch_values
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor, TensorSpec

Run: TypeAlias = Callable[[Sequence[Any]], Any]

_SIZES = ((5, 17), (16, 48), (64, 160), (256, 320), (1, 2))
"""Of the other dimensions that are open, for the two tries: some models take no small ones, some only multiples of a power of two."""
_MOST_ELEMENTS = 1 << 24
_COMPLAINT = re.compile(r"(?:builtins\.)?\w+Error: (.+)")


class Seen(NamedTuple):
    """What two tries have shown."""

    outputs: tuple[TensorSpec, ...]
    """With ``None`` for each size that differed between the tries, or was nothing."""
    writes: bool
    """Whether it changes its inputs."""
    keeps: tuple[bool, ...]
    """For each output whether the model gives the same memory every time."""


class _Try(NamedTuple):
    names: list[str]
    results: list[Any]
    wrote: bool


def observed(run: Run, inputs: Sequence[TensorSpec], values: torch_values.Values, file: str, bounds: tuple[int, int]) -> Seen:
    """What the model, which takes from so many rows to so many, shows.

    Raises INPUT_SPEC with its own words where it takes none of the numbers, LOAD_FAILED for odd outputs.
    """
    least, most = bounds
    rows = [min(max(count, least), most) for count in (2, max(2, least) + 1)]
    reason = "they are too large to be tried"
    for sizes in _sizes(inputs):
        samples = [[batch.sample(spec, count, size) for spec in inputs] for count, size in zip(rows, sizes, strict=True)]
        if any(array.size > _MOST_ELEMENTS for array in samples[1]):
            break
        try:
            first, second = (_tried(run, inputs, arrays, values) for arrays in samples)
        except Exception as error:  # this size is not for it, whatever it calls that
            reason = said(error)
            continue
        return _compared(first, second, values)
    shown = ", ".join(f"{spec.name!r} {spec.shown_shape()}" for spec in inputs)
    text = f"the model in {file} takes no inputs like {shown}: {reason}; correct the types and shapes in the task's 'inputs'"
    raise ZeroMindError(ErrorKind.INPUT_SPEC, text, file)


def least_rows(run: Run, inputs: Sequence[TensorSpec], values: torch_values.Values) -> int:
    """1, or 2 for a model that takes no single row: for torch.export an open size is at least 2, and AOTInductor may hold to it."""
    for rows in (1, 2) if all(spec.shape[:1] == (None,) for spec in inputs) else ():
        for sizes in _sizes(inputs):
            try:
                run([values.fed(batch.sample(spec, rows, sizes[0]), spec, True) for spec in inputs])
            except Exception:  # noqa: S112 - as long as another does
                continue
            return rows
    return 1


def _sizes(inputs: Sequence[TensorSpec]) -> Sequence[tuple[int, int]]:
    return _SIZES if any(None in spec.shape[1:] for spec in inputs) else _SIZES[:1]


def said(error: BaseException) -> str:
    """A model's complaint in one line: TorchScript tells where it arose before it says what is wrong."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    ends = [match[1] for match in map(_COMPLAINT.match, lines) if match]
    return ends[-1] if ends else lines[0]


def _tried(run: Run, inputs: Sequence[TensorSpec], arrays: list[Tensor], values: torch_values.Values) -> _Try:
    before = [array.copy() for array in arrays]
    feed = [values.fed(array, spec, False) for array, spec in zip(arrays, inputs, strict=True)]
    versions = _versions(feed)
    found = list(torch_values.named(run(feed)))
    wrote = versions != _versions(feed)
    wrote = wrote or not all(np.array_equal(mine, its, equal_nan=mine.dtype.kind == "f") for mine, its in zip(arrays, before, strict=True))
    return _Try([name for name, _ in found], [value for _, value in found], wrote)


def _versions(feed: Sequence[Any]) -> list[int]:
    return [tensor._version for tensor in feed]  # noqa: SLF001 - PyTorch's documentation names it for this


def _compared(first: _Try, second: _Try, values: torch_values.Values) -> Seen:
    outputs, keeps = [], []
    for name, mine, its in zip(first.names, first.results, second.results, strict=True):
        shapes = [tuple(getattr(value, "shape", ())) for value in (mine, its)]
        if len(shapes[0]) != len(shapes[1]):
            text = (
                f"output {name!r} has {len(shapes[0])} dimensions for some inputs and {len(shapes[1])} for others: have it keep one number"
            )
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name)
        outputs.append(values.spec_of(name, mine, [size if size == other and size else None for size, other in zip(*shapes, strict=True)]))
        keeps.append(hasattr(mine, "data_ptr") and mine.untyped_storage().data_ptr() == its.untyped_storage().data_ptr())
    return Seen(tuple(outputs), first.wrote or second.wrote, tuple(keeps))
