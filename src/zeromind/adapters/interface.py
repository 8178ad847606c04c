"""What every adapter asks of a model's interface: the file's tensors and the task's reconciled, the answer to no rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Shape, Tensor, TensorSpec


def declared(found: Sequence[TensorSpec], given: Sequence[TensorSpec], kind: ErrorKind) -> tuple[TensorSpec, ...]:
    """The tensors found in a file, with the shapes that the task gives some of them; the file knows its names and types best.

    Raises ``kind`` where the task names a tensor that the model lacks, or contradicts its type.
    """
    shapes: dict[str, Shape] = {}
    for spec in given:
        own = next((own for own in found if own.name == spec.name), None)
        if own is None:
            names = ", ".join(repr(own.name) for own in found)
            raise ZeroMindError(kind, f"the model has no tensor {spec.name!r}: it has {names}", spec.name)
        if own.datatype != spec.datatype:
            types = f"{datatypes.type_name(own.datatype)}, the task says {datatypes.type_name(spec.datatype)}"
            raise ZeroMindError(kind, f"tensor {spec.name!r} is {types}: correct the task", spec.name)
        shapes[spec.name] = spec.shape
    return tuple(TensorSpec(own.name, own.datatype, shapes.get(own.name, own.shape), own.aliases) for own in found)


def labelled(outputs: Sequence[TensorSpec], labels: Sequence[object]) -> dict[str, tuple[str, ...]]:
    """Names of classes by output: for the only one whose last dimension has as many values, none if there are several or no such."""
    fitting = [spec.name for spec in outputs if len(spec.shape) > 1 and spec.shape[-1] == len(labels)]
    return {fitting[0]: tuple(map(str, labels))} if len(fitting) == 1 and labels else {}


def nothing(spec: ModelSpec) -> dict[str, Tensor] | None:
    """The outputs for a batch of no rows, which models often cannot take; None where sizes are open that only the model tells."""
    if any(None in output.shape[1:] for output in spec.outputs):
        return None
    return {output.name: np.empty([size or 0 for size in output.shape], output.dtype) for output in spec.outputs}
