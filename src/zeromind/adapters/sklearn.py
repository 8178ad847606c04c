"""Estimators and pipelines of scikit-learn, and of packages with its interface."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from zeromind import datatypes
from zeromind.adapters import batch, device, interface, sklearn_file
from zeromind.adapters.answers import Answer, Answers
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.sklearn_table import Table
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Tensor, TensorSpec

_FURTHER = {"transform": "transform", "score": "decision_function"}
"""The methods that a task can ask for beside the usual ones, by the name of their output."""


class SklearnAdapter(Adapter):
    """An estimator from a pickle, a joblib file, a skops file, or a tar archive with ``model.jbl`` and specs beside it.

    Inputs are those of the task or the archive, else what the estimator learnt (``sklearn_table.Table`` says how), FP64 where they
    are numbers. Outputs, all with rows first:

    - a classifier's ``label``, in the type of its classes, and ``probabilities`` FP64 ``[rows, classes]`` where it has them; with
      several targets ``label`` ``[rows, targets]`` and ``probabilities_0``, ``probabilities_1``, …
    - an outlier detector's ``label`` (1, or -1 for an outlier) and ``score``; a clusterer's ``label``
    - a regressor's ``prediction``, ``[rows]`` or ``[rows, targets]``; a transformer's ``transform``; a density's ``score``

    The task's or the archive's ``outputs`` choose among these by name, and only those are computed; there they may also ask what
    predicts for its ``transform`` or its ``score`` (``decision_function``) where it has one. A single one of any other name gets the
    probabilities if it is floating with as many columns as there are classes, else the first of the above.
    """

    name = "sklearn"
    formats = "scikit-learn estimators: skops, joblib, pickle, tar archives with model.jbl"
    needs: ClassVar[Mapping[str, str]] = {"sklearn": "1.4", "joblib": "1.3", "skops": "0.13"}
    code = "pickle, joblib and archives with model.jbl"
    options: ClassVar[Mapping[str, str]] = {
        "trusted": "Names of types in a skops file to load although skops does not trust them; needs 'allow_code'.",
    }

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it is a skops file, a pickle that imports scikit-learn or its kin, or an archive with ``model.jbl``."""
        return bool(sklearn_file.format_of(file))

    @classmethod
    def carries_code(cls, file: ModelFile) -> str:
        """``a pickle`` for all but skops files."""
        return "" if sklearn_file.format_of(file) == "skops" else "a pickle"

    def __init__(self, source: Source) -> None:
        device.only_cpu(source.device, self.name)
        self.require("sklearn")
        self._joblib = self.require("joblib")
        self._alone = source.threads == 1
        # Of iterations that end early, of features without names: whoever serves a finished model can change nothing about it.
        warnings.filterwarnings("ignore", module=r"sklearn\.")
        self._estimator, inputs, outputs = sklearn_file.load(self.require, source)
        outputs = source.outputs or outputs
        methods = _methods(self._estimator, source.file.path.name)
        methods |= {spec.name: _FURTHER[spec.name] for spec in outputs if hasattr(self._estimator, _FURTHER.get(spec.name, ""))}
        self._table = Table(self._estimator, source.inputs or inputs)
        offered = self._probe(methods)
        self._answers = Answers(list(offered.values()), outputs)
        specs = self._answers.specs
        # Estimators take row by row, but functions of the user's own that a pipeline calls need not.
        names = ["rows"] * (len(self._table.inputs) + len(specs))
        batches = batch.shared(self._table.inputs, specs, self.predict, names)
        self.spec = ModelSpec(self._table.inputs, specs, batches)
        self.labels = self._classes()

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What the estimator's own methods give for one batch."""
        return self._answers.give(lambda method: self._call(method, self._copied(inputs)), len(next(iter(inputs.values()))))

    def _classes(self) -> dict[str, tuple[str, ...]]:
        """The names of the classes whose probabilities are given."""
        classes, named = getattr(self._estimator, "classes_", ()), {}
        for spec in self._answers.specs:
            kind, _, target = self._answers.own[spec.name].partition("_")
            if kind == "probabilities":
                named.update(interface.labelled([spec], list(classes[int(target)] if target else classes)))
        return named

    def _copied(self, inputs: Mapping[str, Tensor]) -> Any:
        """A table for one method, which may write into it: steps with ``copy=False`` do."""
        return self._table.build({name: array.copy() for name, array in inputs.items()})

    def _call(self, method: str, table: Any) -> Any:
        # A forest saved with n_jobs=-1 would start a thread per core for one row.
        with self._joblib.parallel_config("sequential") if self._alone else contextlib.nullcontext():
            return getattr(self._estimator, method)(table)

    def _probe(self, methods: Mapping[str, str]) -> dict[str, Answer]:
        """What the estimator offers, told from its answer to two rows: to one alone some leave out a dimension."""
        row = self._table.sample()
        several = all(spec.shape[:1] == (None,) for spec in self._table.inputs)
        rows = {name: np.concatenate([array, array]) for name, array in row.items()} if several else row
        offered: dict[str, Answer] = {}
        for name, method in methods.items():
            try:
                result = self._call(method, self._copied(rows))
            except Exception as error:
                if offered:
                    continue  # some have predict_proba only to say that they were not trained for it
                text = f"{method} fails on rows of the inputs {_shown(self._table.inputs)}: {str(error).partition(chr(10))[0]}"
                raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{text}; check the estimator, or give 'inputs' in the task") from error
            parts = {f"{name}_{target}": part for target, part in enumerate(result)} if isinstance(result, list) else {name: result}
            for target, (own, part) in enumerate(parts.items()):
                array = _dense(part)
                spec = TensorSpec(own, datatypes.datatype_of(array.dtype), (None, *array.shape[1:]))
                offered[own] = Answer(spec, method, functools.partial(_part, target if isinstance(result, list) else None))
        return offered


def _methods(estimator: Any, file: str) -> dict[str, str]:
    """The methods to serve, by the name of their output."""
    if isinstance(estimator, type):
        text = f"{file} holds the class {estimator.__name__} itself: fit an estimator of it, and save that"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, estimator.__name__)
    if not hasattr(estimator, "predict"):
        for name, method in (("transform", "transform"), ("score", "score_samples")):
            if hasattr(estimator, method):
                return {name: method}
        text = f"{file} holds {type(estimator).__name__}, which has neither predict nor transform: save an estimator that can serve"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, type(estimator).__name__)
    from sklearn import base

    kind = _kind(estimator, base)
    if hasattr(estimator, "predict_proba"):
        return {"label": "predict", "probabilities": "predict_proba"}
    if kind == "outlier_detector":
        return {"label": "predict", "score": "decision_function"}
    return {"label" if kind in ("classifier", "clusterer") or len(getattr(estimator, "classes_", ())) else "prediction": "predict"}


def _kind(estimator: Any, base: Any) -> str:
    for kind in ("classifier", "clusterer", "outlier_detector"):
        test = getattr(base, f"is_{kind}", None)
        with contextlib.suppress(AttributeError, TypeError):  # of estimators that only look like scikit-learn's
            if test(estimator) if test else getattr(estimator, "_estimator_type", "") == kind:
                return kind
    return ""


def _part(target: int | None, result: Any) -> Tensor:
    """An array of what a method gives; of one target, where it gives a list with an array for each."""
    return _dense(result if target is None else result[target])


def _dense(result: Any) -> Tensor:
    return np.asarray(result.toarray() if hasattr(result, "toarray") else result)


def _shown(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name!r} {spec.shown_shape()}" for spec in specs)
