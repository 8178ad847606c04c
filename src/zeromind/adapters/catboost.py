"""Models of CatBoost in its own formats."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from zeromind import importing
from zeromind.adapters import answers, boosting, device, interface
from zeromind.adapters.answers import Answer, Answers
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.columns import Column, Columns
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor, TensorSpec

# "CBM1", then the size of the core in four bytes: https://github.com/catboost/catboost/blob/master/catboost/libs/model/model.cpp
_CBM = re.compile(rb"CBM1(?!\0{4}).{4}", re.DOTALL)
_JSON = re.compile(
    rb'\{\s*("features_info"\s*:\s*\{\s*"(float|categorical|text|embedding)_features"\s*:\s*\['
    rb'|"ctr_data"\s*:\s*\{\s*"\{\\"identifier\\")'
)
_EXPONENTIAL = ("Poisson", "Tweedie")
_UNCERTAIN = "RMSEWithUncertainty"
_SEVERAL_TARGETS = ("MultiLogloss", "MultiCrossEntropy")
_RAW, _CHANCES = "RawFormulaVal", "Probability"


class CatboostAdapter(Adapter):
    """A model as CatBoost's ``save_model`` writes it, in its binary form or as JSON.

    Input: of a model of numbers ``input`` FP32 ``[rows, features]``, NaN where a value is missing; of one of categories or texts ``input``
    BYTES; of a model of both each feature is an input ``[rows, 1]`` of its own name (``input_0`` and so on if it has none). Categories that
    were whole numbers in training are sent as their digits. A category that training did not see is one more to CatBoost.

    Outputs: a classifier's ``label`` ``[rows]`` in the type of its classes, which the file names, and ``probabilities`` FP64
    ``[rows, classes]``, both ``[rows, targets]`` if there are several targets; else ``prediction`` FP64 ``[rows]``, ``[rows, targets]``, or
    mean and variance where it was trained for these. ``raw``, the sum of the trees' leaves, is given to a task whose ``outputs`` name it.
    """

    name = "catboost"
    formats = "CatBoost models: cbm and JSON of save_model"
    needs: ClassVar[Mapping[str, str]] = {"catboost": "1.2.7"}
    options: ClassVar[Mapping[str, str]] = {"iterations": boosting.ITERATIONS}

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it begins as CatBoost's binary form or its JSON does."""
        return _CBM.match(file.head) is not None or _JSON.match(file.head) is not None

    def __init__(self, source: Source) -> None:
        device.only_cpu(source.device, self.name)
        self._framework = self.require("catboost")
        with importing.silence():
            self._model = _load(self._framework, source.file)
        self._threads, self._iterations = source.threads, boosting.iterations(source, self._model.tree_count_)
        columns = _columns(self._model, source.file.path.name)
        self._columns = Columns(columns, source.inputs)
        self._table_type = object if any(column.datatype == "BYTES" for column in columns) else np.float32
        self._answers = Answers(self._offered(), source.outputs)
        self.spec = boosting.interface_of(self._columns, self._answers)
        self.labels = interface.labelled([spec for spec in self.spec.outputs if spec.name != "raw"], list(self._model.classes_))

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What the trees give for one batch."""
        table = self._columns.table(inputs, self._table_type)
        try:
            return self._answers.give(lambda call: self._call(table, call), len(table))
        except self._framework.CatBoostError as error:
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"the model refuses its inputs: {error}") from error

    def _call(self, table: Tensor, call: str) -> Tensor:
        return np.asarray(self._model.predict(table, call, ntree_end=self._iterations, thread_count=self._threads))

    def _offered(self) -> list[Answer]:
        """What the model offers, told from its answers to a row that it can take."""
        sample = {spec.name: _nothing(spec) for spec in self._columns.inputs}
        table = self._columns.table(sample, self._table_type)
        details = self._model.get_metadata()
        classes = np.asarray(self._model.classes_)
        raw = answers.plain("raw", _RAW, self._call(table, _RAW), on_request=True)
        loss = json.loads(details["params"])["loss_function"]["type"] if details.get("params") else ""  # a sum of models has none
        if not len(classes):
            value = "Exponent" if loss in _EXPONENTIAL else _UNCERTAIN if loss == _UNCERTAIN else _RAW
            return [answers.plain("prediction", value, self._call(table, value)), raw]
        threshold = float(details["binclass_probability_threshold"]) if "binclass_probability_threshold" in details else 0.5
        chances = self._call(table, _CHANCES)
        return [*answers.of_classes(_CHANCES, chances, classes, loss in _SEVERAL_TARGETS, threshold), raw]


def _load(catboost: Any, file: ModelFile) -> Any:
    path = file.path
    is_json = _JSON.match(file.head) is not None
    try:
        if is_json:
            json.loads(path.read_bytes())  # CatBoost takes one that is cut off, too
        return catboost.CatBoost().load_model(str(path), format="json" if is_json else "cbm")
    except (catboost.CatBoostError, ValueError, RecursionError) as error:
        text = f"CatBoost cannot load {path.name}, is it cut off or damaged? {error}"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, path.name) from error


def _columns(model: Any, file: str) -> list[Column]:
    if model.get_embedding_feature_indices():
        text = f"{file} takes embeddings, which are not served: train it with a numeric feature for each of their numbers"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, file)
    names = model.feature_names_
    if names == [str(place) for place in range(len(names))]:  # how CatBoost calls those that have none
        names = [""] * len(names)
    texts = {*model.get_cat_feature_indices(), *model.get_text_feature_indices()}
    return [Column(name, "BYTES" if place in texts else "FP32") for place, name in enumerate(names)]


def _nothing(spec: TensorSpec) -> Tensor:
    shape = [1, *(size or 1 for size in spec.shape[1:])]
    return np.full(shape, b"", object) if spec.datatype == "BYTES" else np.zeros(shape, spec.dtype)
