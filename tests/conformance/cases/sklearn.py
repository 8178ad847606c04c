"""Estimators of scikit-learn."""

import io
import json
import pickle
import tarfile

import numpy as np
import pytest

from conformance.cases.case import CLASSES, ROWS, Case
from zeromind.datatypes import as_bytes


def fitted():
    linear = pytest.importorskip("sklearn.linear_model")
    return linear.LogisticRegression().fit(ROWS, CLASSES)


def classified(path, code="a pickle"):
    model = fitted()
    return Case("sklearn", path, {"input": ROWS}, {"label": model.predict(ROWS), "probabilities": model.predict_proba(ROWS)}, code, 1e-12)


def sklearn_joblib(folder):
    path = folder / "model.joblib"
    pytest.importorskip("joblib").dump(fitted(), path, compress=3)
    return classified(path)


def sklearn_pickle(folder):
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(fitted(), 2))
    return classified(path)


def sklearn_skops(folder):
    path = folder / "model.skops"
    pytest.importorskip("skops.io").dump(fitted(), path)
    return classified(path, code="")


def sklearn_text(folder):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    texts = ["a good day", "bad luck", "", "good", "bad"]
    model = make_pipeline(TfidfVectorizer(), SGDClassifier(random_state=0)).fit(texts, ["+", "-", "+", "+", "-"])
    path = folder / "model.joblib"
    pytest.importorskip("joblib").dump(model, path)
    return Case("sklearn", path, {"input": as_bytes(np.array(texts))}, {"label": as_bytes(model.predict(texts))}, "a pickle")


def sklearn_archive(folder):
    model, stream = fitted(), io.BytesIO()
    pytest.importorskip("joblib").dump(model, stream)
    specs = {"input_spec.json": [{"name": "flower", "type": "float64", "shape": [None, 4]}]}
    specs["output_spec.json"] = [{"name": "kind", "type": "int32", "shape": [None, 1]}]
    members = {"model.jbl": stream.getvalue(), **{name: json.dumps(spec).encode() for name, spec in specs.items()}}
    path = folder / "model.sklearn"
    with tarfile.open(path, "w:gz") as packed:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return Case("sklearn", path, {"flower": ROWS}, {"kind": model.predict(ROWS).reshape(-1, 1)}, "a pickle")


MAKERS = [sklearn_joblib, sklearn_pickle, sklearn_skops, sklearn_text, sklearn_archive]
