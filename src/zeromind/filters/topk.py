"""The best few classes with their names."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import numpy as np

from zeromind.filters import numbers, settings
from zeromind.filters.base import Files, Side
from zeromind.tensors import TensorSpec


class TopKFilter:
    """The ``k`` largest elements of a sample, best first, equal ones in their order: ``[{"index", "label", "score"}, …]``.

    ``labels`` names the classes: a text file with one label per line, a ``.json`` file with a list, or a list in the task itself;
    without it there is no ``"label"``. ``softmax`` turns logits into probabilities first. A sample of more than one dimension is
    read as if it were flat; fewer than ``k`` elements give as many as there are.
    Raises FILTER_FILE for labels that cannot be read, FILTER_PARAMETERS where they are fewer than the classes, ValueError for a
    sample that holds anything but finite numbers (``softmax`` takes minus infinity too, as probability 0).
    """

    side: ClassVar[Side] = "output"

    def __init__(self, files: Files, k: int = 5, labels: str | list[str] | None = None, *, softmax: bool = False) -> None:
        self._k = settings.count("k", k)
        self._softmax = settings.flag("softmax", softmax)
        self._labels = None if labels is None else _read(labels, files)

    def apply(self, value: Any, spec: TensorSpec) -> list[dict[str, Any]]:
        """The best classes of one sample; ``score`` is a float."""
        scores = numbers.array_of(value).reshape(-1).astype(np.float64)
        if self._labels is not None and len(self._labels) < scores.size:
            raise settings.misfit("top-k", spec, f"'labels' names {len(self._labels)} classes of {scores.size}")
        if self._softmax and scores.size:
            with np.errstate(invalid="ignore"):
                powers = np.exp(scores - scores.max())
            scores = powers / powers.sum()
        if not np.isfinite(scores).all():
            raise ValueError("expected finite scores: there is NaN or infinity among them")
        best = np.argsort(-scores, kind="stable")[: self._k].tolist()
        if self._labels is None:
            return [{"index": index, "score": float(scores[index])} for index in best]
        return [{"index": index, "label": self._labels[index], "score": float(scores[index])} for index in best]


def _read(labels: Any, files: Files) -> list[str]:
    if isinstance(labels, str):
        data = files.read(labels)
        try:
            text = data.decode("utf-8-sig")
            labels = json.loads(text) if labels.lower().endswith(".json") else _lines(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the labels in {labels!r} are no UTF-8 text, or no JSON") from error
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        raise ValueError("'labels' must be the path of a text file with one label per line, or a list of texts")
    return list(labels)


def _lines(text: str) -> list[str]:
    # Not splitlines(): a label may hold a form feed or U+2028, and that would shift all labels after it.
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
