"""MLflow models as python_function: whatever Python they are, behind MLflow's ``predict``."""

from __future__ import annotations

import importlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from zeromind import datatypes, importing
from zeromind.adapters import batch, interface, mlflow_file, mlflow_result
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.mlflow_signature import ARRAY, COLUMN, DATETIME, JSON, STR_TENSOR, TENSOR, Field, Signature
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Parameter, Tensor, TensorSpec

_SETTINGS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_CONFIGURE_LOGGING": "false"}

_log = logging.getLogger(__name__)


class PyfuncAdapter(Adapter):
    """What ``mlflow.pyfunc.load_model`` gives for a folder; ``MlflowAdapter`` says what clients must know, and has asked for permission."""

    name = "mlflow"
    formats = "MLflow models as python_function"
    needs: ClassVar[Mapping[str, str]] = {"mlflow": "3.0", "pandas": "2.1"}

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it is a folder with an MLmodel."""
        return mlflow_file.recognises(file)

    def __init__(self, source: Source) -> None:
        signature = mlflow_file.read(source.file).signature
        self._pandas = self.require("pandas")
        self._fields = _fields(source, signature)
        self._model = _load(self.require, source.file)
        self._known = signature.parameters
        self.parameters = bool(signature.parameters)
        inputs = tuple(field.spec for field in self._fields)
        outputs = self._told(source, signature)
        self.spec = ModelSpec(inputs, outputs, batches=False)
        # Spark splits tables of MLflow's models as it likes, so rows of a table are each other's neighbours by chance.
        names = ["rows"] * len((*inputs, *outputs)) if signature.is_table else ()
        self.spec = ModelSpec(inputs, outputs, batch.shared(inputs, outputs, self.predict, names))

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What the model gives with the parameters that it was saved with."""
        return self.predict_with(inputs, {})

    def predict_with(self, inputs: Mapping[str, Tensor], parameters: Mapping[str, Parameter]) -> Mapping[str, Tensor]:
        """The same with a request's parameters, of which those count that the signature names. INVALID_INPUT where MLflow refuses them."""
        named = {name: parameters[name] for name in self._known if name in parameters}
        return mlflow_result.fitted(self._ask(self._data(inputs), named), self.spec.outputs)

    def _ask(self, data: Any, parameters: Mapping[str, Parameter]) -> dict[str, Tensor]:
        try:
            return mlflow_result.named(self._model.predict(data, params=dict(parameters) or None))
        except Exception as error:
            if getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
                text = str(error).strip().rpartition("Error: ")[2].partition("\n")[0][:300]
                raise ZeroMindError(ErrorKind.INVALID_INPUT, f"the model refuses its inputs: {text}") from error
            raise

    def _data(self, inputs: Mapping[str, Tensor]) -> Any:
        """The batch in the form that the model was saved with."""
        values = [_value(field, inputs[field.spec.name], self._pandas) for field in self._fields]
        keys = [field.key for field in self._fields]
        if keys == [None]:
            return values[0] if self._fields[0].is_tensor else list(values[0])
        named = dict(zip(keys, values, strict=True))
        return named if any(field.is_tensor for field in self._fields) else self._pandas.DataFrame(named)

    def _told(self, source: Source, signature: Signature) -> tuple[TensorSpec, ...]:
        """The outputs of the task, else of the signature, held against what the model gives for a row, else these."""
        outputs = source.outputs or tuple(field.spec for field in signature.outputs)
        try:
            found = self._ask(self._sample(), {})
        except Exception as error:
            if outputs:
                return outputs  # made-up values may well be refused
            reason = str(error).strip().partition("\n")[0][:200]
            text = f"the model fails on a row of made-up values ({reason}): list its outputs in the task's 'outputs'"
            raise ZeroMindError(ErrorKind.OUTPUT_SPEC, text) from error
        try:
            mlflow_result.fitted(found, outputs)
        except ZeroMindError as error:
            if source.outputs:
                raise ZeroMindError(ErrorKind.OUTPUT_SPEC, f"{error.message}: correct the task's 'outputs'", *error.params) from error
            _log.warning("the signature is not what the model gives, which is served instead: %s", error.message)
            outputs = ()
        return outputs or tuple(TensorSpec(name, *mlflow_result.described(array)) for name, array in found.items())

    def _sample(self) -> Any:
        """The example that was saved with the model, or a row of nothing."""
        if self._model.input_example is not None:
            return self._model.input_example
        rows = {}
        for field in self._fields:
            nothing = (b"{}" if field.kind == JSON else b"") if field.spec.datatype == "BYTES" else 0
            rows[field.spec.name] = np.full([1 if size is None else size for size in field.spec.shape], nothing, field.spec.dtype)
        return self._data(rows)


def _load(require: Callable[[str], Any], file: ModelFile) -> Any:
    """MLflow's model, without a word to the network or into the working folder. Raises LOAD_FAILED or MISSING_PACKAGE."""
    for key, value in _SETTINGS.items():
        os.environ.setdefault(key, value)
    pyfunc = require("mlflow.pyfunc")
    if "MLFLOW_TRACKING_URI" not in os.environ:
        # A model that traces itself would begin a database in the working folder.
        importlib.import_module("mlflow.tracing").disable()
    try:
        with importing.silence():
            return pyfunc.load_model(str(file.path.resolve()), suppress_warnings=True)
    except ModuleNotFoundError as error:
        text = f"{file.path.name} was saved with the package {error.name!r}, which is not installed: pip install it beside the server"
        raise ZeroMindError(ErrorKind.MISSING_PACKAGE, text, error.name) from error
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:300]
        text = f"MLflow cannot load {file.path.name}: {type(error).__name__}: {reason}"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, file.path.name) from error


def _fields(source: Source, signature: Signature) -> tuple[Field, ...]:
    """What the model takes: the signature's columns or tensors in the shapes of the task, or those of the task. Raises INPUT_SPEC."""
    given = {spec.name for spec in source.inputs}
    if signature.inputs:
        taken = [field for field in signature.inputs if field.required or not given or field.spec.name in given]
        specs = interface.declared([field.spec for field in taken], source.inputs, ErrorKind.INPUT_SPEC)
        return tuple(Field(spec, field.key, field.kind) for field, spec in zip(taken, specs, strict=True))
    if not source.inputs:
        text = "the model has no signature that tells its inputs: give 'inputs' in the task, or save it with a signature"
        raise ZeroMindError(ErrorKind.INPUT_SPEC, text)
    if len(source.inputs) == 1:
        return (Field(source.inputs[0], None, TENSOR),)
    columns = all(len(spec.shape) == 1 or spec.shape[1:] == (1,) for spec in source.inputs)
    return tuple(Field(spec, spec.name, COLUMN if columns else TENSOR) for spec in source.inputs)


def _value(field: Field, array: Tensor, pandas: Any) -> Any:
    """A tensor as MLflow takes it: an array, or the values of a column."""
    if field.kind == "binary":
        return array.reshape(-1)
    if array.dtype.hasobject:
        array = datatypes.as_text(array)
    if field.kind in (TENSOR, STR_TENSOR):
        return array.astype(str) if field.kind == STR_TENSOR else array
    if field.kind == ARRAY:
        return list(array)
    values = array.reshape(-1)
    if field.kind == DATETIME:
        return pandas.to_datetime(values, format="ISO8601")
    return [json.loads(value) for value in values] if field.kind == JSON else values
