"""Models of CatBoost."""

import numpy as np
import pytest

from conformance.cases.case import CLASSES, ROWS, Case
from zeromind.datatypes import as_bytes

TINY = {"iterations": 3, "depth": 2, "thread_count": 1, "verbose": 0, "allow_writing_files": False, "random_seed": 1}


def catboost_cbm(folder):
    """A classifier with names for its classes, trained with gaps."""
    catboost = pytest.importorskip("catboost")
    rows = ROWS.astype(np.float32)
    rows[1, 2] = np.nan
    model = catboost.CatBoostClassifier(**TINY).fit(rows, np.array(["no", "yes", "später"])[CLASSES])
    path = folder / "model.cbm"
    model.save_model(path)
    expected = {"label": as_bytes(model.predict(rows)[:, 0]), "probabilities": model.predict_proba(rows)}
    return Case("catboost", path, {"input": rows}, expected)


def catboost_cbm_with_categories(folder):
    catboost, pandas = pytest.importorskip("catboost"), pytest.importorskip("pandas")
    colours, sizes = np.array(["red", "grün", "blue", "red", "grün"], object), np.array([40, 38, 40, 42, 38])
    table = pandas.DataFrame({"colour": colours, "the weight": ROWS[:, 0].astype(np.float32), "size": sizes})
    model = catboost.CatBoostRegressor(cat_features=["colour", "size"], **TINY).fit(table, np.arange(5) + 10 * (colours == "red"))
    path = folder / "model.cbm"
    model.save_model(path)
    columns = {"colour": as_bytes(colours[:, None]), "the weight": ROWS[:, :1].astype(np.float32), "size": as_bytes(sizes[:, None])}
    return Case("catboost", path, columns, {"prediction": model.predict(table)})


def catboost_json(folder):
    catboost = pytest.importorskip("catboost")
    rows = ROWS.astype(np.float32)
    model = catboost.CatBoostRegressor(**TINY).fit(rows, rows[:, 0])
    path = folder / "model.json"
    model.save_model(path, format="json")
    return Case("catboost", path, {"input": rows}, {"prediction": model.predict(rows)}, rtol=1e-12)


MAKERS = [catboost_cbm, catboost_cbm_with_categories, catboost_json]
