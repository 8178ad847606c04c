"""Models of XGBoost in its own formats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from zeromind import importing
from zeromind.adapters import answers, boosting, device, xgboost_file
from zeromind.adapters.answers import Answer, Answers
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.columns import Column, Columns
from zeromind.adapters.file import ModelFile
from zeromind.adapters.xgboost_trees import Trees, reason
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor


class XgboostAdapter(Adapter):
    """A booster as XGBoost's ``save_model`` writes it, also that of its scikit-learn wrappers.

    Input: ``input`` FP32 ``[rows, features]``, NaN where a value is missing. Categorical features are numbers there, the places of their
    categories; where the file holds the categories (XGBoost 3.1 on, trained on a DataFrame) clients send these: if some are texts and
    other features are not, each feature is an input ``[rows, 1]`` of its own name, texts as BYTES, an empty one missing. A category that
    training did not see is an error. A task whose ``inputs`` bring numbers for texts has clients send the places.

    Outputs: a classifier's ``label`` INT64 ``[rows]``, counted from 0, as the file has no names for classes, and ``probabilities`` FP32
    ``[rows, classes]``, both ``[rows, targets]`` if there are several targets; else ``prediction`` FP32 ``[rows]`` or ``[rows, targets]``.
    ``raw``, the sum of the trees' leaves, is given to a task whose ``outputs`` name it.

    After early stopping the trees up to the best iteration are used, as by the scikit-learn wrappers. ``device`` ``auto`` is the
    processor, which is done with a few rows before they are on a GPU.
    """

    name = "xgboost"
    formats = "XGBoost models: JSON and UBJSON of save_model"
    needs: ClassVar[Mapping[str, str]] = {"xgboost": "2.1"}
    options: ClassVar[Mapping[str, str]] = {
        "iterations": boosting.ITERATIONS,
        "missing": "The number that stands for a missing value, beside NaN, if the model was trained so.",
    }

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it begins as XGBoost's JSON or UBJSON does."""
        return xgboost_file.is_model(file.head)

    def __init__(self, source: Source) -> None:
        xgboost = self.require("xgboost")
        missing = _missing(source)
        content, version = xgboost_file.read(source.file)
        with importing.silence():
            booster = _booster(xgboost, content, source)
            columns = _columns(booster, version, source)
        best, rounds = booster.attr("best_iteration"), booster.num_boosted_rounds()
        iterations = boosting.iterations(source, rounds) or (int(best) + 1 if best else 0)
        self._trees = Trees(xgboost, booster, iterations, missing)
        self._columns = Columns(columns, source.inputs)
        self._answers = Answers(self._offered(booster, len(columns)), source.outputs)
        self.spec = boosting.interface_of(self._columns, self._answers)

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What the trees give for one batch."""
        table = self._columns.table(inputs, np.float32)
        return self._answers.give(lambda call: self._trees.predict(table, call), len(table))

    def _offered(self, booster: Any, width: int) -> list[Answer]:
        """What the model offers, told from its answers to a row of nothing."""
        row = np.full((1, width), np.nan, np.float32)
        value, margin = self._trees.predict(row, "value"), self._trees.predict(row, "margin")
        raw = answers.plain("raw", "margin", margin, on_request=True)
        learner = _learner(booster)
        objective, sizes = learner["objective"]["name"], learner["learner_model_param"]
        kind = json.loads(booster.attr("scikit_learn") or "{}").get("_estimator_type")
        if kind != "classifier" and (kind or not objective.startswith(("binary:", "multi:"))):
            return [answers.plain("prediction", "value", value), raw]
        classes = np.arange(max(int(sizes["num_class"]), 2))
        if objective == "binary:logitraw":  # whoever chose that wants no probabilities
            return [answers.of_classes("margin", margin, classes, threshold=0)[0], raw]
        label, probabilities = answers.of_classes("value", value, classes, targets=int(sizes.get("num_target", 1)) > 1)
        return [label, raw] if objective == "binary:hinge" else [label, probabilities, raw]


def _missing(source: Source) -> float:
    missing = source.options.get("missing", np.nan)
    if isinstance(missing, bool) or not isinstance(missing, (int, float)):
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"task key 'missing' must be a number, not {missing!r}", "missing")
    return float(missing)


def _booster(xgboost: Any, content: bytearray, source: Source) -> Any:
    """The model on the device that the task names."""
    asked, name = device.parse(source.device), source.file.path.name
    booster = xgboost.Booster({"nthread": source.threads, "verbosity": 0})
    try:
        booster.load_model(content)
    except Exception as error:
        text = f"XGBoost cannot load {name}, is it damaged, or of a newer XGBoost? {reason(error)}"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name) from error
    if asked.kind == "cuda":
        booster.set_param({"device": f"cuda:{asked.number}"})
        if not _learner(booster)["generic_param"]["device"].startswith("cuda"):
            raise device.absent(source.device, "XGBoost", "check the driver and the number of the GPU")
    if _learner(booster)["objective"]["name"] == "multi:softmax":
        booster.set_param({"objective": "multi:softprob"})  # the same model, which then tells what its labels come from
    return booster


def _learner(booster: Any) -> Any:
    return json.loads(booster.save_config())["learner"]


def _columns(booster: Any, version: tuple[int, int], source: Source) -> list[Column]:
    count = booster.num_features()
    names = booster.feature_names or [""] * count
    values: list[tuple[Any, ...] | None] = [None] * count
    if "c" in (booster.feature_types or ()):
        values = xgboost_file.categories(booster, version) or values
    for name, known in zip(names, values, strict=True):
        if known == () and not source.inputs:
            text = f"XGBoost has garbled the categories of column {name!r} in the file, as it did before 3.3 with texts that are not ASCII:"
            raise ZeroMindError(ErrorKind.INPUT_SPEC, f"{text} give 'inputs' of numbers in the task, and send the categories' places", name)
    kinds = ["BYTES" if known and isinstance(known[0], str) else "FP32" for known in values]
    if any(known and not isinstance(known[0], str) and any(float(np.float32(value)) != value for value in known) for known in values):
        kinds = ["FP64" if kind == "FP32" else kind for kind in kinds]  # float32 would make one category of several
    return [Column(name, kind, known or None, strict=True) for name, kind, known in zip(names, kinds, values, strict=True)]
