"""Keras models: the zip archives of Keras 3 and the HDF5 files of Keras 1 and 2, on whichever backend is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from zeromind import datatypes, importing
from zeromind.adapters import keras_archive, keras_backend, keras_code, keras_hdf5, keras_legacy, keras_names, ladder
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Tensor, TensorSpec, find


class KerasAdapter(Adapter):
    """A Keras model as one compiled function, its weights fixed.

    Where the backend compiles for each batch size (JAX), it does so at load for a few, and batches are cut and padded to these, whichever
    way has proved the fastest; likewise where the model itself has a fixed batch size. No request waits for a compiler then, unless
    inputs have other dimensions that are open.
    A recurrent layer that is ``stateful`` begins each request anew.
    """

    name: ClassVar[str] = "keras"
    formats: ClassVar[str] = "Keras 3 archives (.keras) and HDF5 files of Keras 1 and 2 under any name (.keras, .h5, .hdf5)"
    needs: ClassVar[Mapping[str, str]] = {"keras": keras_backend.LEAST, "h5py": keras_hdf5.LEAST}
    code: ClassVar[str] = "Lambda layers, classes from outside Keras"
    options: ClassVar[Mapping[str, str]] = {
        "batch_sizes": "The batch sizes that the model is compiled for at load, as a list; other batches are padded or cut to them.",
    }

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether the file is a Keras 3 archive, or an HDF5 file with a model's configuration."""
        return keras_archive.recognises(file) or keras_hdf5.recognises(file)

    @classmethod
    def carries_code(cls, file: ModelFile) -> str:
        """Why loading may run code in the file: a Lambda layer, a class from outside Keras. Raises LOAD_FAILED where it is damaged."""
        if keras_archive.recognises(file):
            return keras_code.carried(keras_archive.config(file.path))
        return keras_code.carried(keras_hdf5.read(file.path).config) if keras_hdf5.recognises(file) else ""

    def __init__(self, source: Source) -> None:
        named = ladder.parse(source.options["batch_sizes"]) if "batch_sizes" in source.options else ()
        reason = self.carries_code(source.file)
        if reason and not source.allow_code:
            raise ZeroMindError(
                ErrorKind.CODE_NOT_ALLOWED,
                f"{source.file.path.name} can run code: {reason}; the operator can allow it with 'allow_code'",
                reason,
            )
        self._keras = keras = keras_backend.keras_module(source.threads, source.device)
        with importing.silence():
            model, inputs, outputs = _load(keras, source)
            fixed = _batch(model)
            self.spec = ModelSpec(_specs(model.inputs, inputs, fixed), _specs(model.outputs, outputs, fixed), fixed is not False)
            _check(source.inputs, self.spec.inputs, ErrorKind.INPUT_SPEC)
            _check(source.outputs, self.spec.outputs, ErrorKind.OUTPUT_SPEC)
            self._function = keras_backend.function(keras, model)
            sizes = named
            if fixed is False:
                sizes = ()
            elif fixed is not None:
                sizes = (fixed,)
            elif not named and keras_backend.specialises(keras):
                sizes = ladder.usual(min(source.max_batch_size, ladder.MOST_ROWS))
            self._plans: ladder.Plans = ()
            if sizes:
                self._plans = ladder.compiled(self._function, self.spec.inputs, sizes, float("inf") if named else ladder.COMPILING_S)
            else:
                self._warm()

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch, each in its spec's dtype."""
        arrays = [inputs[spec.name] for spec in self.spec.inputs]
        outputs = ladder.run(self._function, self._plans, arrays) if self._plans else self._function(arrays)
        return {
            spec.name: output if output.dtype == spec.dtype else output.astype(spec.dtype)
            for spec, output in zip(self.spec.outputs, outputs, strict=True)
        }

    def lost(self) -> bool:
        """Whether the GPU is."""
        return keras_backend.is_lost(self._keras)

    def _warm(self) -> None:
        """Run the function before the first request does, unless more than the number of rows is open."""
        inputs = self.spec.inputs
        shapes = [(1, *spec.shape[1:]) if self.spec.batches else spec.shape for spec in inputs]
        if not any(None in spec.shape[1:] or spec.datatype == "BYTES" for spec in inputs):
            self._function([np.zeros([side or 1 for side in shape], spec.dtype) for spec, shape in zip(inputs, shapes, strict=True)])


def _load(keras: Any, source: Source) -> tuple[Any, list[keras_names.Named], list[keras_names.Named]]:
    """The model, and the names of its inputs and outputs with their aliases."""
    path = source.file.path
    if source.file.is_hdf5:
        saved = keras_hdf5.read(path)
        if saved.version < 3:
            return keras_legacy.load(keras, saved, source.allow_code)
        model = _interfaced(keras, keras_archive.load_hdf5(keras, path, source.allow_code), source)
    elif keras_archive.recognises(source.file):
        model = keras_archive.load(keras, path, source.allow_code, lambda made: _interfaced(keras, made, source))
    else:
        raise ZeroMindError(
            ErrorKind.LOAD_FAILED, f"{path.name} is neither a Keras 3 archive nor an HDF5 file: check the model type", path.name
        )
    return model, keras_names.modern_inputs(model), keras_names.modern_outputs(model)


def _interfaced(keras: Any, model: Any, source: Source) -> Any:
    """The model itself where it knows its inputs, else one that is called with those that the task gives."""
    try:
        if model.inputs and model.outputs:
            return model
    except AttributeError:
        pass
    if not source.inputs:
        raise ZeroMindError(
            ErrorKind.INPUT_SPEC, "the model does not say which inputs it takes: write them as 'inputs' of the task (name, type, shape)"
        )
    inputs = [
        keras.Input(batch_shape=spec.shape, dtype=datatypes.type_name(spec.datatype), name=spec.name.removesuffix(":0"))
        for spec in source.inputs
    ]
    try:
        return keras.Model(inputs, model(inputs if len(inputs) > 1 else inputs[0], training=False))
    except Exception as error:
        why = keras_hdf5.first_line(error)
        raise ZeroMindError(ErrorKind.INPUT_SPEC, f"the model does not take the inputs that the task gives: {why}") from error


def _batch(model: Any) -> int | None:
    """The batch size that the model is fixed to, None where any goes, False where its first dimensions are no batch."""
    shapes = [tensor.shape for tensor in [*model.inputs, *model.outputs]]
    firsts = {shape[0] if shape else False for shape in shapes}
    return firsts.pop() if len(firsts) == 1 else False


def _specs(tensors: Sequence[Any], names: Sequence[keras_names.Named], fixed: int | None) -> tuple[TensorSpec, ...]:
    specs = []
    for tensor, (name, aliases) in zip(tensors, names, strict=True):
        shape = tuple(tensor.shape) if fixed is False else (None, *tensor.shape[1:])
        specs.append(TensorSpec(name, _datatype(tensor.dtype), shape, aliases))
    return tuple(specs)


def _datatype(dtype: Any) -> str:
    try:
        return datatypes.parse_datatype(str(dtype))
    except ValueError:
        # The float8 kinds have no name in the protocol; the compiled function takes and gives float32 for them, as for bfloat16.
        return "FP32"


def _check(wanted: Sequence[TensorSpec], known: Sequence[TensorSpec], kind: ErrorKind) -> None:
    for spec in wanted:
        if find(known, spec.name) is None:
            names = ", ".join(each.name for each in known)
            raise ZeroMindError(kind, f"the task describes {spec.name!r}, the model has {names}", spec.name)
