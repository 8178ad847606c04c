"""Models of XGBoost."""

import numpy as np
import pytest

from conformance.cases.case import CLASSES, ROWS, Case
from zeromind import importing
from zeromind.datatypes import as_bytes


def xgboost_json(folder):
    """A classifier of the scikit-learn wrapper, trained with gaps."""
    xgboost = pytest.importorskip("xgboost")
    rows = ROWS.astype(np.float32)
    rows[1, 2] = np.nan
    model = xgboost.XGBClassifier(n_estimators=3, max_depth=2, min_child_weight=0, n_jobs=1).fit(rows, CLASSES)
    path = folder / "model.json"
    model.save_model(path)
    expected = {"label": model.predict(rows).astype(np.int64), "probabilities": model.predict_proba(rows)}
    return Case("xgboost", path, {"input": rows}, expected)


def xgboost_ubjson_with_categories(folder):
    xgboost, pandas = pytest.importorskip("xgboost", minversion="3.1"), pytest.importorskip("pandas")
    colours = np.array(["red", "green", "blue", "red", "green"])
    sizes = np.array([40, 38, 40, 42, 38])
    table = pandas.DataFrame({"weight": ROWS[:, 0], "colour": pandas.Categorical(colours), "size": pandas.Categorical(sizes)})
    with importing.silence():
        model = xgboost.XGBRegressor(n_estimators=5, max_depth=2, min_child_weight=0, n_jobs=1, enable_categorical=True)
        model.fit(table, np.arange(5) + 10 * (colours == "red") + sizes)
        expected = {"prediction": model.predict(table)}
    path = folder / "model.ubj"
    model.save_model(path)
    columns = {"weight": ROWS[:, :1].astype(np.float32), "colour": as_bytes(colours[:, None]), "size": sizes[:, None].astype(np.float32)}
    return Case("xgboost", path, columns, expected)


MAKERS = [xgboost_json, xgboost_ubjson_with_categories]
