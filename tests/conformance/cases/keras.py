"""Keras models."""

import contextlib
import io

import numpy as np
import pytest

from conformance.cases.case import ROWS, Case
from zeromind import importing
from zeromind.adapters import keras_backend


def keras_model(folder, name):
    pytest.importorskip("jax")
    keras = keras_backend.keras_module(1, "cpu")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, activation="relu"), keras.layers.Dense(3, activation="softmax")])
    path, rows = folder / name, ROWS.astype(np.float32)
    # Keras reads its variables in a way that numpy 2 deprecates, and calls HDF5 old.
    with importing.silence(), contextlib.redirect_stdout(io.StringIO()):
        expected = np.asarray(model(rows))
        model.save(path)
    return path, rows, expected


def keras_zip(folder):
    path, rows, expected = keras_model(folder, "model.keras")
    return keras_case(path, rows, expected)


def keras_hdf5(folder):
    path, rows, expected = keras_model(folder, "model.h5")
    return keras_case(path, rows, expected)


def keras_case(path, rows, expected):
    case = Case("keras", path, {}, {}, rtol=1e-5, task={"batch_sizes": [1, 4]})
    # Keras numbers its layers per process, so the names are the loaded model's own.
    case.inputs = {case.loaded.spec.inputs[0].name: rows}
    case.expected = {case.loaded.spec.outputs[0].name: expected}
    return case


MAKERS = [keras_zip, keras_hdf5]
