"""Folders of MLflow models: the flavour's own adapter where there is one, MLflow's python_function for all others."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from typing import ClassVar

from zeromind.adapters import device, mlflow_file
from zeromind.adapters.base import Adapter, Source, check_options
from zeromind.adapters.file import ModelFile
from zeromind.adapters.mlflow_file import Folder, Inner
from zeromind.adapters.mlflow_pyfunc import PyfuncAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Parameter, Tensor


class MlflowAdapter(Adapter):
    """A folder with a file ``MLmodel``, as ``save_model`` writes it and ``mlflow artifacts download`` fetches it.

    Models of a flavour that an adapter of ours serves (``mlflow_file`` lists them) are that adapter's: its inputs and outputs, its task
    keys, and no code where its format carries none; MLflow need not be installed for them. Where such a file does not tell its
    interface, the model's signature does.

    All other models are code, which the operator must allow, and predict as ``mlflow.pyfunc.load_model`` makes them. Their inputs are
    those of the signature: of a table an input each column, ``[rows, 1]``, numbers in the column's type, text, bytes and moments
    (ISO 8601) as BYTES, a column of arrays ``[rows, size]``, objects and other nested values as BYTES with JSON; of tensors those, and
    one without a name is ``input``. Optional columns may be left out for good by listing the others in the task's ``inputs``. Without
    a signature the task's ``inputs`` are needed: a single one arrives as an array, several as a DataFrame, or as a dict of arrays if any
    has more than a column. Outputs are the columns of what the model gives, else ``output``; the task's or the signature's ``outputs``
    say the types. Parameters of the signature that are single numbers or texts are taken from the request's parameters.
    """

    name = "mlflow"
    formats = "MLflow model folders: each flavour by its own adapter, all others as python_function"
    needs: ClassVar[Mapping[str, str]] = {**PyfuncAdapter.needs, "yaml": mlflow_file.YAML}
    code = "python_function, and flavours whose own files can"
    open_options = True

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it is a folder with an ``MLmodel`` that lists flavours."""
        return mlflow_file.recognises(file)

    @classmethod
    def carries_code(cls, file: ModelFile) -> str:
        """What the flavour's adapter says of its file; python_function is code. Raises LOAD_FAILED for an MLmodel beyond reading."""
        return _reason(mlflow_file.read(file))

    def __init__(self, source: Source) -> None:
        folder = mlflow_file.read(source.file)
        device.parse(source.device)
        reason, inner = _reason(folder), folder.inner
        if reason and not source.allow_code:
            text = f"the model in {source.file.path.name} can run code ({reason}): the operator must allow it"
            raise ZeroMindError(ErrorKind.CODE_NOT_ALLOWED, text, source.file.path.name)
        check_options(inner.adapter if inner else PyfuncAdapter, source.options)
        if source.allow_code:
            # As MLflow does: a pickle may name the modules that were saved with it.
            sys.path[:0] = [path for path in folder.code_folders if path not in sys.path]
        self._model = _delegated(inner, folder, source) if inner else PyfuncAdapter(source)
        self.spec = self._model.spec
        self.labels = self._model.labels
        self.decoupled, self.parameters = self._model.decoupled, self._model.parameters

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What the flavour's adapter, or MLflow, gives."""
        return self._model.predict(inputs)

    def predict_with(self, inputs: Mapping[str, Tensor], parameters: Mapping[str, Parameter]) -> Mapping[str, Tensor]:
        """The same with the request's parameters."""
        return self._model.predict_with(inputs, parameters)

    def stream(self, inputs: Mapping[str, Tensor], parameters: Mapping[str, Parameter]) -> Iterator[Mapping[str, Tensor]]:
        """The responses of a decoupled model of the flavour's adapter."""
        return self._model.stream(inputs, parameters)

    def lost(self) -> bool:
        """What the flavour's adapter says."""
        return self._model.lost()

    def close(self) -> None:
        """Close the flavour's adapter."""
        self._model.close()


def _reason(folder: Folder) -> str:
    """Why loading may run code; empty if it cannot. Raises LOAD_FAILED for a model that nobody serves."""
    if folder.inner:
        return folder.inner.adapter.carries_code(folder.inner.file) or ("types that skops does not trust" if folder.inner.trusted else "")
    if folder.is_pyfunc:
        return "MLflow's python_function"
    flavours = ", ".join(folder.flavours)
    text = f"the model has the flavours {flavours}, of which none is served: save it with python_function among them"
    raise ZeroMindError(ErrorKind.LOAD_FAILED, text, flavours)


def _delegated(inner: Inner, folder: Folder, source: Source) -> Adapter:
    options = dict(source.options)
    if inner.trusted and source.allow_code:
        options.setdefault("trusted", list(inner.trusted))
    source = dataclasses.replace(source, file=inner.file, options=options)
    try:
        return inner.adapter(source)
    except ZeroMindError as error:
        known = folder.signature
        if error.kind not in (ErrorKind.INPUT_SPEC, ErrorKind.OUTPUT_SPEC) or not (known.inputs or known.outputs):
            raise
    inputs = source.inputs or tuple(field.spec for field in known.inputs)
    outputs = source.outputs or tuple(field.spec for field in known.outputs)
    return inner.adapter(dataclasses.replace(source, inputs=inputs, outputs=outputs))
