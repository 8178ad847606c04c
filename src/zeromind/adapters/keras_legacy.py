"""A model of today's Keras from an HDF5 file of Keras 1 or 2: architecture repaired, weights set, tensors named as then."""

from __future__ import annotations

import functools
from typing import Any

from zeromind.adapters import keras_graph, keras_hdf5, keras_names, keras_one, keras_weights
from zeromind.errors import ErrorKind, ZeroMindError


def load(keras: Any, saved: keras_hdf5.Hdf5Model, allow_code: bool) -> tuple[Any, list[keras_names.Named], list[keras_names.Named]]:
    """The model, and the names of its inputs and outputs with their aliases. Raises LOAD_FAILED, INPUT_SPEC."""
    try:
        entry = keras_one.modern(saved.config) if saved.version < 2 else saved.config
        convert = functools.partial(keras_one.weights, saved.config) if saved.version < 2 else keras_weights.unchanged
        model = keras_graph.build(keras, entry, allow_code)
        _require_inputs(model, saved)
        keras_weights.fill(model, saved, functools.partial(keras_weights.todays, saved, entry, convert))
        ends = keras_names.inputs(entry), keras_names.outputs(entry, [len(tensor.shape) for tensor in model.outputs])
    except ZeroMindError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        why = f"{type(error).__name__}: {keras_hdf5.first_line(error)}"
        raise ZeroMindError(
            ErrorKind.LOAD_FAILED, f"the Keras file {saved.path.name} has a configuration that cannot be read: {why}"
        ) from error
    return model, keras_names.legacy(ends[0]), keras_names.legacy(ends[1])


def _require_inputs(model: Any, saved: keras_hdf5.Hdf5Model) -> None:
    if not model.built:
        raise ZeroMindError(ErrorKind.INPUT_SPEC, f"{saved.path.name} does not say the shape of its input: build the model, then save it")
