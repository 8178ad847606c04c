"""Models of LightGBM."""

import numpy as np
import pytest

from conformance.cases.case import CLASSES, ROWS, Case
from zeromind import importing
from zeromind.datatypes import as_bytes

TINY = {
    "n_estimators": 3,
    "min_child_samples": 1,
    "min_data_in_bin": 1,
    "min_data_per_group": 1,
    "cat_smooth": 0,
    "n_jobs": 1,
    "verbose": -1,
}


def lightgbm_text(folder):
    """A classifier of the scikit-learn wrapper, trained with gaps."""
    lightgbm = pytest.importorskip("lightgbm")
    rows = ROWS.copy()
    rows[1, 2] = np.nan
    path = folder / "model.txt"
    with importing.silence():
        model = lightgbm.LGBMClassifier(**TINY).fit(rows, CLASSES)
        model.booster_.save_model(path)
        expected = {"label": model.predict(rows), "probabilities": model.predict_proba(rows)}
    return Case("lightgbm", path, {"input": rows}, expected)


def lightgbm_text_with_categories(folder):
    lightgbm, pandas = pytest.importorskip("lightgbm"), pytest.importorskip("pandas")
    colours = np.array(["red", "grün", "blue", "red", "grün"])
    table = pandas.DataFrame({"the weight": ROWS[:, 0], "colour": pandas.Categorical(colours)})
    path = folder / "model.txt"
    with importing.silence():
        model = lightgbm.LGBMRegressor(**TINY).fit(table, np.arange(5) + 10 * (colours == "red"))
        model.booster_.save_model(path)
        expected = {"prediction": model.predict(table)}
    return Case("lightgbm", path, {"the_weight": ROWS[:, :1], "colour": as_bytes(colours[:, None])}, expected)


MAKERS = [lightgbm_text, lightgbm_text_with_categories]
