"""Models of LightGBM in its text format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from zeromind import importing
from zeromind.adapters import answers, boosting, device, lightgbm_file
from zeromind.adapters.answers import Answer, Answers
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.columns import Columns
from zeromind.adapters.file import ModelFile
from zeromind.adapters.lightgbm_trees import Trees
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor

_CLASSIFIERS = ("binary", "multiclass", "multiclassova")


class LightgbmAdapter(Adapter):
    """A booster as LightGBM's ``save_model`` writes it, also the ``booster_`` of its scikit-learn wrappers.

    Input: ``input`` FP64 ``[rows, features]``, NaN where a value is missing. Categorical features are numbers there, as in training. Of
    models trained on a DataFrame the file holds the categories, and clients send these: if some are texts and other features are not, each
    feature is an input ``[rows, 1]`` of its own name, texts as BYTES. A category that training did not see is missing, as for LightGBM. A
    task whose ``inputs`` bring numbers for texts has clients send the places of the categories.

    Outputs: a classifier's ``label`` INT64 ``[rows]``, counted from 0, as the file has no names for classes, and ``probabilities`` FP64
    ``[rows, classes]``; else ``prediction`` FP64 ``[rows]``, or ``[rows, outputs]`` where there are several. ``raw``, the sum of the trees'
    leaves, is given to a task whose ``outputs`` name it.
    """

    name = "lightgbm"
    formats = "LightGBM models: text of save_model"
    # before 4.6: CVE-2024-43598
    needs: ClassVar[Mapping[str, str]] = {"lightgbm": "4.6"}
    options: ClassVar[Mapping[str, str]] = {"iterations": boosting.ITERATIONS}

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it begins as LightGBM's text does."""
        return lightgbm_file.HEAD.match(file.head) is not None

    def __init__(self, source: Source) -> None:
        device.only_cpu(source.device, self.name)
        lightgbm = self.require("lightgbm")
        path = source.file.path
        model = lightgbm_file.read(path)
        if model.unplaced and not source.inputs:
            text = "the file does not tell which columns its categories are of: give 'inputs' in the task, and send the categories' places"
            raise ZeroMindError(ErrorKind.INPUT_SPEC, text)
        iterations = boosting.iterations(source, model.rounds) or model.rounds
        self._columns = Columns(model.columns, source.inputs)
        try:
            with importing.silence():
                self._trees = Trees(lightgbm, model.text, len(model.columns), iterations, source.threads)
        except ValueError as error:
            raise ZeroMindError(ErrorKind.LOAD_FAILED, f"LightGBM cannot load {path.name}: {error}", path.name) from error
        self._answers = Answers(self._offered(model), source.outputs)
        self.spec = boosting.interface_of(self._columns, self._answers)

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What the trees give for one batch."""
        table = self._columns.table(inputs, np.float64)
        return self._answers.give(lambda call: self._trees.predict(table, call), len(table))

    def close(self) -> None:
        """Free the model."""
        self._trees.close()

    def _offered(self, model: lightgbm_file.Model) -> list[Answer]:
        """What the model offers, told from its answer to a row of nothing."""
        value = self._trees.predict(np.full((1, len(model.columns)), np.nan), "value")
        raw = answers.plain("raw", "raw", value, on_request=True)
        if model.objective not in _CLASSIFIERS:
            return [answers.plain("prediction", "value", value), raw]
        return [*answers.of_classes("value", value, np.arange(max(value[0].size, 2))), raw]
