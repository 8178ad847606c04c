"""What the frameworks of boosted trees have in common."""

from __future__ import annotations

from zeromind.adapters.answers import Answers
from zeromind.adapters.base import Source
from zeromind.adapters.columns import Columns
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec

ITERATIONS = "How many rounds of boosting to use, counted from the first; all, or up to the best if that is known, where it is not given."


def iterations(source: Source, rounds: int) -> int:
    """The rounds that the task wants of so many; 0 where it does not say. Raises TASK_ATTRIBUTE."""
    wanted = source.options.get("iterations")
    if wanted is None:
        return 0
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 0 < wanted <= rounds:
        text = f"task key 'iterations' must be a whole number from 1 to {rounds}, which the model has, not {wanted!r}"
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, "iterations")
    return wanted


def interface_of(columns: Columns, answers: Answers) -> ModelSpec:
    """The model's interface: a row's answer is its own, so requests are joined unless the task gives a size for the rows."""
    batches = all(spec.shape[:1] == (None,) for spec in (*columns.inputs, *answers.specs))
    return ModelSpec(columns.inputs, answers.specs, batches)
