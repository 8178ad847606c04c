"""Graphs that are made for a fixed number of rows, served with any: run as often as they must, the last time filled up with zeros."""

from __future__ import annotations

from collections.abc import Sequence

from zeromind.adapters import batch, interface, ladder
from zeromind.adapters.base import Source
from zeromind.errors import ErrorKind
from zeromind.tensors import ModelSpec, TensorSpec


def served(
    function: ladder.Function, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], source: Source
) -> tuple[ModelSpec, ladder.Function]:
    """The interface of a function with such tensors and what the task says of them, and the function for as many rows as that allows.

    A first dimension of one size, open or fixed, is the batch if no row's answer depends on its neighbours, as a few made-up rows show;
    a graph for a single row never sees any. Where the task gives the number of rows, there is no batch.
    """
    first = {spec.shape[:1] for spec in (*inputs, *outputs)} if inputs else set()
    (size,) = first.pop() if len(first) == 1 and first != {()} else (0,)
    if size:
        spec = _declared([each.of_rows() for each in inputs], [each.of_rows() for each in outputs], source)
        rows = ladder.padded((size,))
        cut: ladder.Function = lambda arrays: ladder.run(function, rows, arrays)  # noqa: E731 - a def would say no more
        if all(each.shape[:1] == (None,) for each in (*spec.inputs, *spec.outputs)) and (size == 1 or _shared(cut, spec)):
            return ModelSpec(spec.inputs, spec.outputs, batches=True), cut
    spec = _declared(inputs, outputs, source)
    return ModelSpec(spec.inputs, spec.outputs, _shared(function, spec)), function


def _declared(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], source: Source) -> ModelSpec:
    return ModelSpec(
        interface.declared(inputs, source.inputs, ErrorKind.INPUT_SPEC),
        interface.declared(outputs, source.outputs, ErrorKind.OUTPUT_SPEC),
        batches=False,
    )


def _shared(function: ladder.Function, spec: ModelSpec) -> bool:
    names = [each.name for each in spec.outputs]
    return batch.shared(
        spec.inputs, spec.outputs, lambda feed: dict(zip(names, function([feed[each.name] for each in spec.inputs]), strict=True))
    )
