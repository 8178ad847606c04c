"""Folders that MLflow saved."""

import os

import pytest

from conformance.cases import onnx, sklearn
from conformance.cases.case import ROWS, Case
from zeromind import importing
from zeromind.datatypes import as_bytes


def flavour(name):
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with importing.silence():
        return pytest.importorskip(f"mlflow.{name}")


def saved(name, folder, *model, **settings):
    """A folder with a model of that flavour."""
    path = folder / "saved"
    with importing.silence():
        # Without a list of requirements MLflow loads the model in another process to find them.
        flavour(name).save_model(*model, path=path, pip_requirements=[], **settings)
    return path


def mlflow_onnx(folder):
    inner = onnx.onnx_of_every_kind(folder)
    path = saved("onnx", folder, pytest.importorskip("onnx").load(inner.path))
    return Case("mlflow", path, inner.inputs, inner.expected, rtol=inner.rtol, cut="model.onnx")


def mlflow_sklearn(folder):
    model = sklearn.fitted()
    path = saved("sklearn", folder, model, serialization_format="cloudpickle")
    expected = {"label": model.predict(ROWS), "probabilities": model.predict_proba(ROWS)}
    return Case("mlflow", path, {"input": ROWS}, expected, "a pickle", 1e-12, cut="model.pkl")


def mlflow_pyfunc(folder):
    pyfunc = flavour("pyfunc")
    models, pandas = pytest.importorskip("mlflow.models"), pytest.importorskip("pandas")

    with importing.silence():  # it wants hints of types

        class Shown(pyfunc.PythonModel):
            def predict(self, context, model_input, params=None):
                texts = [f"{name} {x:.{params['digits']}f}" for name, x in zip(model_input["name"], model_input["x"], strict=True)]
                return model_input.assign(text=texts, half=model_input["x"] / 2)[["text", "half"]]

    table = pandas.DataFrame({"name": ["a", "b", "", "d", "é"], "x": ROWS[:, 0]})
    expected = Shown().predict(None, table, {"digits": 1})
    path = saved("pyfunc", folder, python_model=Shown(), signature=models.infer_signature(table, expected, {"digits": 1}))
    inputs = {"name": as_bytes(table["name"].to_numpy(object)).reshape(-1, 1), "x": ROWS[:, :1]}
    outputs = {"text": as_bytes(expected["text"].to_numpy(object)), "half": expected["half"].to_numpy()}
    return Case("mlflow", path, inputs, outputs, "MLflow's python_function", cut="python_model.pkl")


MAKERS = [mlflow_onnx, mlflow_sklearn, mlflow_pyfunc]
