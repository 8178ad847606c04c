"""Estimators and pipelines of scikit-learn, and of packages with its interface."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from zeromind import datatypes
from zeromind.adapters import batch, interface, sklearn_file
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.sklearn_table import Table
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Tensor, TensorSpec

_FURTHER = {"transform": "transform", "score": "decision_function"}
"""The methods that a task can ask for beside the usual ones, by the name of their output."""


class _Answer(NamedTuple):
    method: str
    target: int | None
    """Which of a list of arrays, where the method gives one per target."""
    spec: TensorSpec


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
        self.require("sklearn")
        self._joblib = self.require("joblib")
        self._alone = source.threads == 1
        # Of iterations that end early, of features without names: whoever serves a finished model can change nothing about it.
        warnings.filterwarnings("ignore", module=r"sklearn\.")
        self._estimator, inputs, outputs = sklearn_file.load(source)
        outputs = source.outputs or outputs
        methods = _methods(self._estimator, source.file.path.name)
        methods |= {spec.name: _FURTHER[spec.name] for spec in outputs if hasattr(self._estimator, _FURTHER.get(spec.name, ""))}
        self._table = Table(self._estimator, source.inputs or inputs)
        offered = self._probe(methods)
        self._answers = _chosen(offered, outputs)
        specs = tuple(answer.spec for answer in self._answers)
        # Estimators take row by row, but functions of the user's own that a pipeline calls need not.
        batches = batch.shared(["rows"] * (len(self._table.inputs) + len(specs)), self._table.inputs, specs, self._answer)
        self.spec = ModelSpec(self._table.inputs, specs, batches)
        self.labels = self._classes()

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What the estimator's own methods give for one batch."""
        answer = interface.nothing(self.spec, inputs)
        return self._answer(inputs) if answer is None else answer

    def _answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        table = self._table.build(inputs)
        methods = dict.fromkeys(answer.method for answer in self._answers)
        results = {method: self._call(method, table) for method in methods}
        rows = len(next(iter(inputs.values())))
        return {answer.spec.name: _fitted(results[answer.method], answer, rows) for answer in self._answers}

    def _classes(self) -> dict[str, tuple[str, ...]]:
        """The names of the classes whose probabilities are given."""
        classes, named = getattr(self._estimator, "classes_", ()), {}
        for answer in self._answers:
            if answer.method == "predict_proba":
                own = classes if answer.target is None else classes[answer.target]
                named.update(interface.labelled([answer.spec], list(own)))
        return named

    def _call(self, method: str, table: Any) -> Any:
        # A forest saved with n_jobs=-1 would start a thread per core for one row.
        with self._joblib.parallel_config("sequential") if self._alone else contextlib.nullcontext():
            return getattr(self._estimator, method)(table)

    def _probe(self, methods: Mapping[str, str]) -> dict[str, _Answer]:
        """What the estimator offers, told from its answer to two rows: to one alone some leave out a dimension."""
        row = self._table.sample()
        several = all(spec.shape[:1] == (None,) for spec in self._table.inputs)
        table = self._table.build({name: np.concatenate([array, array]) for name, array in row.items()} if several else row)
        offered: dict[str, _Answer] = {}
        for name, method in methods.items():
            try:
                result = self._call(method, table)
            except Exception as error:
                if offered:
                    continue  # some have predict_proba only to say that they were not trained for it
                text = f"{method} fails on rows of the inputs {_shown(self._table.inputs)}: {str(error).partition(chr(10))[0]}"
                raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{text}; check the estimator, or give 'inputs' in the task") from error
            parts = {f"{name}_{target}": part for target, part in enumerate(result)} if isinstance(result, list) else {name: result}
            for target, (own, part) in enumerate(parts.items()):
                array = _dense(part)
                spec = TensorSpec(own, datatypes.datatype_of(array.dtype), (None, *array.shape[1:]))
                offered[own] = _Answer(method, target if isinstance(result, list) else None, spec)
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


def _chosen(offered: Mapping[str, _Answer], outputs: Sequence[TensorSpec]) -> list[_Answer]:
    """The answers to give, in the form of the task's outputs where it has some. Raises OUTPUT_SPEC for what is not offered."""
    if not outputs:
        return list(offered.values())
    if all(spec.name in offered for spec in outputs):
        chosen = [offered[spec.name] for spec in outputs]
    elif len(outputs) == 1:
        chosen = [_meant(offered, outputs[0])]
    else:
        names = ", ".join(repr(name) for name in offered)
        raise ZeroMindError(ErrorKind.OUTPUT_SPEC, f"the estimator gives {names}: name those, or a single output of any name")
    for answer, spec in zip(chosen, outputs, strict=True):
        own = answer.spec
        sample = np.zeros([1, *(size or 0 for size in own.shape[1:])], own.dtype)
        numbers = "BYTES" not in (own.datatype, spec.datatype)
        castable = np.can_cast(own.dtype, spec.dtype, "same_kind") if numbers else spec.datatype == "BYTES"
        if not castable or _reshaped(sample, spec, 1) is None:
            gives = f"{datatypes.type_name(own.datatype)} {own.shown_shape()}"
            asked = f"{datatypes.type_name(spec.datatype)} {spec.shown_shape()}"
            text = f"output {spec.name!r} would be {gives} ({own.name}), which is no {asked}: correct its type or shape"
            raise ZeroMindError(ErrorKind.OUTPUT_SPEC, text, spec.name)
    return [answer._replace(spec=spec) for answer, spec in zip(chosen, outputs, strict=True)]


def _meant(offered: Mapping[str, _Answer], spec: TensorSpec) -> _Answer:
    probabilities = offered.get("probabilities")
    floating = spec.datatype in ("FP16", "FP32", "FP64")
    if probabilities and floating and len(spec.shape) == 2 and spec.shape[1] == probabilities.spec.shape[1]:
        return probabilities
    return next(iter(offered.values()))


def _fitted(result: Any, answer: _Answer, rows: int) -> Tensor:
    array = _dense(result if answer.target is None else result[answer.target])
    reshaped = _reshaped(array, answer.spec, rows)
    if reshaped is None:
        raise RuntimeError(f"{answer.method} gave shape {list(array.shape)} for output {answer.spec.name!r}")
    return datatypes.as_bytes(reshaped) if answer.spec.datatype == "BYTES" else reshaped.astype(answer.spec.dtype, copy=False)


def _reshaped(array: Tensor, spec: TensorSpec, rows: int) -> Tensor | None:
    """The array in the spec's shape, such as a column for ``[rows, 1]``; None where it does not fill it."""
    if spec.fits(array.shape):
        return array
    shape = [rows, *(-1 if size is None else size for size in spec.shape[1:])]
    try:
        reshaped = array.reshape(shape)
    except ValueError:
        return None
    return reshaped if spec.fits(reshaped.shape) else None


def _dense(result: Any) -> Tensor:
    return np.asarray(result.toarray() if hasattr(result, "toarray") else result)


def _shown(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name!r} {spec.shown_shape()}" for spec in specs)
