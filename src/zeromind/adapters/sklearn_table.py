"""The features of an estimator: which tensors it takes, and the table that it wants them in.

Estimators do not say it outright; what they learnt from their training data does.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor, TensorSpec


class Table:
    """Makes of named arrays what the estimator was trained on: an array, a list of texts, or a DataFrame.

    ``inputs`` are the task's, or empty: then a text pipeline takes ``input`` BYTES ``[None]``, a LabelEncoder or LabelBinarizer
    ``input`` ``[None]`` in the type of its classes, columns of one kind are one ``input``
    ``[None, features]``, FP64 or BYTES, and columns of different kinds are an input each, ``[None, 1]``, named as in training.
    Raises INPUT_SPEC where the estimator does not tell, MISSING_PACKAGE where it needs pandas.
    """

    def __init__(self, estimator: Any, inputs: Sequence[TensorSpec]) -> None:
        self._estimator = estimator
        names = getattr(estimator, "feature_names_in_", None)
        self._names = None if names is None else [str(name) for name in names]
        first = list(_first_steps(estimator))
        self._is_text = any(hasattr(step, "build_analyzer") for step in first)
        # What encodes a target takes no table, but the target alone.
        self._is_target = type(estimator).__name__ in ("LabelEncoder", "LabelBinarizer") and hasattr(estimator, "classes_")
        self._samples: list[Any] = list(estimator.classes_[:1]) if self._is_target else []
        if not self._is_target and not self._is_text:
            self._samples = _samples(estimator, first, _width(estimator))
        self.inputs = tuple(inputs) or self._own()
        # Estimators of scikit-learn take an array just as well, three times as fast; one that picks columns by name does not.
        by_name = any(type(step).__name__ in ("ColumnTransformer", "FunctionTransformer") for step in first)
        own = all(type(step).__module__.startswith("sklearn.") for step in first)
        self._pandas: Any = None
        if self._names is not None and (by_name or not own):
            if importlib.util.find_spec("pandas") is None:
                text = "the estimator was trained on a DataFrame and picks its columns by name: pip install pandas"
                raise ZeroMindError(ErrorKind.MISSING_PACKAGE, text, "pandas")
            self._pandas = importlib.import_module("pandas")

    def build(self, inputs: Mapping[str, Tensor]) -> Any:
        """The table of a batch: rows are its first dimension, columns the features in the order of training."""
        arrays = {spec.name: inputs[spec.name] for spec in self.inputs}
        arrays = {name: datatypes.as_text(array) if array.dtype.hasobject else array for name, array in arrays.items()}
        if (self._is_text or self._is_target) and len(arrays) == 1:
            return next(iter(arrays.values())).reshape(-1)
        flat = {name: array.reshape(len(array), -1) for name, array in arrays.items()}
        if self._pandas is not None:
            return self._frame(flat)
        if self._names is not None and set(flat) == set(self._names):
            flat = {name: flat[name] for name in self._names}
        parts = list(flat.values())
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def sample(self) -> dict[str, Tensor]:
        """One row that the estimator can take."""
        sizes = [[1 if size is None else size for size in spec.shape] for spec in self.inputs]
        left: list[Any] = list(self._samples)
        arrays = {}
        for spec, size in zip(self.inputs, sizes, strict=True):
            array = np.zeros(size, spec.dtype) if spec.datatype != "BYTES" else np.full(size, b"", object)
            if len(left) >= array.size and not self._is_text:
                values, left = left[: array.size], left[array.size :]
                if all(isinstance(value, str) == (spec.datatype == "BYTES") for value in values):
                    array = datatypes.as_bytes(np.array(values, object)) if spec.datatype == "BYTES" else np.array(values, spec.dtype)
                    array = array.reshape(size)
            arrays[spec.name] = array
        return arrays

    def _frame(self, flat: Mapping[str, Tensor]) -> Any:
        names = self._names or []
        columns = [array[:, index] for array in flat.values() for index in range(array.shape[1])]
        if len(columns) != len(names):
            raise ValueError(f"the estimator takes {len(names)} columns, not {len(columns)}")
        given = list(flat) if set(flat) == set(names) else names
        table = self._pandas.DataFrame(dict(zip(given, columns, strict=True)), copy=False)
        return table[names]

    def _own(self) -> tuple[TensorSpec, ...]:
        if self._is_text:
            return (TensorSpec("input", "BYTES", (None,)),)
        if self._is_target:
            return (TensorSpec("input", datatypes.datatype_of(np.array(self._samples).dtype), (None,)),)
        kinds = ["BYTES" if isinstance(sample, str) else "FP64" for sample in self._samples]
        if not kinds:
            text = "the estimator does not tell its inputs: check that it is fitted, or give 'inputs' in the task"
            raise ZeroMindError(ErrorKind.INPUT_SPEC, text)
        if len(set(kinds)) == 1:
            return (TensorSpec("input", kinds[0], (None, len(kinds))),)
        names = self._names or getattr(self._estimator, "feature_names_", None) or [f"input_{index}" for index in range(len(kinds))]
        return tuple(TensorSpec(name, kind, (None, 1)) for name, kind in zip(names, kinds, strict=True))


def _first_steps(estimator: Any) -> Iterator[Any]:
    """The estimators, within this one, that get the features as they come."""
    if hasattr(estimator, "steps"):
        yield from _first_steps(next((step for _, step in estimator.steps if step not in (None, "passthrough")), None))
        return
    if hasattr(estimator, "transformer_list"):
        for _, part in estimator.transformer_list:
            yield from _first_steps(part)
        return
    yield estimator
    for attribute in ("best_estimator_", "estimator_", "regressor_", "estimators_", "calibrated_classifiers_"):
        inner = getattr(estimator, attribute, None)
        if isinstance(inner, (list, tuple, np.ndarray)):
            inner = next(iter(np.ravel(np.array(inner, object))), None)
        inner = getattr(inner, "estimator", inner) if attribute == "calibrated_classifiers_" else inner
        if inner is not None and not isinstance(inner, str):
            yield from _first_steps(inner)


def _width(estimator: Any) -> int:
    """How many features it takes, 0 where it does not tell."""
    # CatBoost forgets the number in a pickle, but not the names; an isotonic regression has but one.
    named = len(getattr(estimator, "feature_names_", ()))
    return getattr(estimator, "n_features_in_", 0) or named or int(hasattr(estimator, "X_thresholds_"))


def _samples(estimator: Any, first: Sequence[Any], count: int) -> list[Any]:
    """A value for each feature: a text where the estimator has learnt texts there, else a number."""
    samples: list[Any] = [0.0] * count
    for step in first:
        if hasattr(step, "transformers_"):
            names = [str(name) for name in getattr(estimator, "feature_names_in_", ())]
            for _, part, columns in step.transformers_:
                places = _places(columns, names, count)
                steps = [] if isinstance(part, str) else list(_first_steps(part))
                texts = [""] if any(hasattr(inner, "build_analyzer") for inner in steps) else _samples(part, steps, len(places))
                for place, sample in zip(places, texts, strict=False):
                    samples[place] = sample
        for place in step.get_cat_feature_indices() if hasattr(step, "get_cat_feature_indices") else ():
            samples[place] = ""
        for index, learnt in enumerate(_learnt(step)[:count]):
            samples[index] = learnt
    return samples


def _learnt(step: Any) -> list[Any]:
    known = getattr(step, "categories_", None)
    if known is None:
        known = [[value] for value in getattr(step, "statistics_", ())]
    firsts = [next((value for value in values if isinstance(value, str)), values[0] if len(values) else 0.0) for values in known]
    return [str(first) if isinstance(first, str) else float(first or 0.0) if np.isreal(first) else 0.0 for first in firsts]


def _places(columns: Any, names: Sequence[str], count: int) -> list[int]:
    """The indices of the features that one part of a ColumnTransformer takes."""
    if isinstance(columns, (str, int, np.integer)):
        columns = [columns]
    if isinstance(columns, slice):
        bounds = [names.index(end) if isinstance(end, str) else end for end in (columns.start, columns.stop)]
        if isinstance(columns.stop, str):
            bounds[1] += 1  # by name, both ends are within
        return list(range(count))[slice(bounds[0], bounds[1], columns.step)]
    columns = list(columns)
    if columns and all(isinstance(column, (bool, np.bool_)) for column in columns):
        return [index for index, chosen in enumerate(columns) if chosen]
    return [names.index(column) if isinstance(column, str) else int(column) for column in columns]
