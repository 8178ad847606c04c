"""Keras models: the zip archives of Keras 3 and the HDF5 files of Keras 1 and 2, on whichever backend is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from zeromind import datatypes, importing
from zeromind.adapters import keras_archive, keras_backend, keras_batch, keras_code, keras_hdf5, keras_legacy, keras_names
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Tensor, TensorSpec, find

_MOST_ROWS = 256
"""Above this a larger program gains nothing, and its first run with zeros might not fit the memory."""
_COMPILING_S = 5.0
"""How long sizes are compiled at load beyond the smallest and the largest."""


class KerasAdapter(Adapter):
    """A Keras model as one compiled function, its weights fixed.

    Where the backend compiles for each batch size (JAX), it does so at load for a few, and batches are cut and padded to these, whichever
    way has proved the fastest; likewise where the model itself has a fixed batch size. No request waits for a compiler then, unless
    inputs have other dimensions that are open.
    A recurrent layer that is ``stateful`` begins each request anew.
    """

    name: ClassVar[str] = "keras"
    formats: ClassVar[str] = "Keras 3 archives (.keras) and HDF5 files of Keras 1 and 2 under any name (.keras, .h5, .hdf5)"
    needs: ClassVar[Mapping[str, str]] = {"keras": "3.12.4", "h5py": "3.10", "jax": "0.4.30"}
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
        named = keras_batch.ladder(source.options["batch_sizes"]) if "batch_sizes" in source.options else ()
        reason = self.carries_code(source.file)
        if reason and not source.allow_code:
            raise ZeroMindError(
                ErrorKind.CODE_NOT_ALLOWED,
                f"{source.file.path.name} can run code: {reason}; the operator can allow it with 'allow_code'",
                reason,
            )
        keras = keras_backend.keras_module(source.threads, source.device)
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
                sizes = keras_batch.usual(min(source.max_batch_size, _MOST_ROWS))
            self._plans = self._compiled(sizes, float("inf") if named else _COMPILING_S)

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch, each in its spec's dtype."""
        arrays = [inputs[spec.name] for spec in self.spec.inputs]
        outputs = keras_batch.run(self._function, self._plans, arrays) if self._plans else self._function(arrays)
        return {
            spec.name: output if output.dtype == spec.dtype else output.astype(spec.dtype)
            for spec, output in zip(self.spec.outputs, outputs, strict=True)
        }

    def _compiled(self, sizes: Sequence[int], limit_s: float) -> keras_batch.Plans:
        """Run the function before the first request does, with each size that there is; how to use these, nothing without any."""
        if any(None in spec.shape[1:] or spec.datatype == "BYTES" for spec in self.spec.inputs):
            return keras_batch.padded(sizes) if sizes else ()
        times = keras_batch.timed(self._run_zeros, sizes or (1,), limit_s)
        return keras_batch.plans(times) if sizes else ()

    def _run_zeros(self, rows: int) -> None:
        shapes = [(rows, *spec.shape[1:]) if self.spec.batches else spec.shape for spec in self.spec.inputs]
        self._function([np.zeros([side or 1 for side in shape], spec.dtype) for spec, shape in zip(self.spec.inputs, shapes, strict=True)])


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
