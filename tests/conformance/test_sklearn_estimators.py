"""Every estimator of scikit-learn that predicts or transforms numbers, served over HTTP and compared with its own answers."""

import inspect

import joblib
import numpy as np
import pytest
import tritonclient.http
from sklearn.base import is_classifier, is_outlier_detector, is_regressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import all_estimators

from zeromind import importing
from zeromind.datatypes import datatype_of, type_name

ESTIMATORS = dict(all_estimators())
RANDOM = np.random.default_rng(0)
CLASSES = np.arange(36) % 3
# Positive, as some want it, and of few values, as encoders of categories do.
ROWS = np.round(RANDOM.uniform(0.1, 2, (36, 4)) + CLASSES[:, None], 1)
TARGET = ROWS @ [1.0, 0.5, 0.0, 0.2] + RANDOM.uniform(0, 0.1, 36)
TARGETS = np.stack([TARGET, TARGET[::-1]], axis=1)
FLAGS = np.stack([CLASSES == 0, ROWS[:, 1] > 2], axis=1).astype(int)
HOLES = np.where(RANDOM.uniform(size=ROWS.shape) < 0.2, np.nan, ROWS)

SKIPPED = {
    "CountVectorizer": "takes texts",
    "DictVectorizer": "takes dicts",
    "FeatureHasher": "takes dicts",
    "HashingVectorizer": "takes texts",
    "MultiLabelBinarizer": "takes sets",
    "PatchExtractor": "gives several rows for each that it gets, which no server can tell apart",
    "TfidfVectorizer": "takes texts",
}
LOOSE = {"MiniBatchNMF": 1e-2, "NMF": 1e-2}
"""How far a row's answer may be from that in company: their iterations end when all rows together are good enough."""
ROUTES = ("predict", "predict_proba", "transform", "score_samples")

CLASSIFIER, REGRESSOR = LogisticRegression(), Ridge()
SETTINGS = {
    "ClassifierChain": {"estimator": CLASSIFIER},
    "ColumnTransformer": {"transformers": [("a", StandardScaler(), [2, 0]), ("b", "passthrough", [1])]},
    "FeatureUnion": {"transformer_list": [("a", StandardScaler()), ("b", MinMaxScaler())]},
    "FixedThresholdClassifier": {"estimator": CLASSIFIER},
    "FrozenEstimator": {"estimator": LogisticRegression().fit(ROWS, CLASSES)},
    "GridSearchCV": {"estimator": CLASSIFIER, "param_grid": {"C": [1.0]}},
    "LocalOutlierFactor": {"novelty": True},
    "MultiOutputClassifier": {"estimator": CLASSIFIER},
    "MultiOutputRegressor": {"estimator": REGRESSOR},
    "OneVsOneClassifier": {"estimator": CLASSIFIER},
    "OneVsRestClassifier": {"estimator": CLASSIFIER},
    "OutputCodeClassifier": {"estimator": CLASSIFIER},
    "Pipeline": {"steps": [("a", StandardScaler()), ("b", CLASSIFIER)]},
    "RFE": {"estimator": CLASSIFIER},
    "RFECV": {"estimator": CLASSIFIER},
    "RadiusNeighborsClassifier": {"radius": 10.0},
    "RadiusNeighborsRegressor": {"radius": 10.0},
    "RandomizedSearchCV": {"estimator": REGRESSOR, "param_distributions": {"alpha": [1.0]}, "n_iter": 1},
    "RegressorChain": {"estimator": REGRESSOR},
    "SelectFromModel": {"estimator": CLASSIFIER},
    "SelfTrainingClassifier": {"estimator": CLASSIFIER},
    "SequentialFeatureSelector": {"estimator": CLASSIFIER},
    "SparseCoder": {"dictionary": np.eye(4)},
    "StackingClassifier": {"estimators": [("a", CLASSIFIER), ("b", make_pipeline(StandardScaler(), CLASSIFIER))]},
    "StackingRegressor": {"estimators": [("a", REGRESSOR), ("b", make_pipeline(StandardScaler(), REGRESSOR))]},
    "TunedThresholdClassifierCV": {"estimator": CLASSIFIER},
    "VotingClassifier": {"estimators": [("a", CLASSIFIER), ("b", make_pipeline(StandardScaler(), CLASSIFIER))], "voting": "soft"},
    "VotingRegressor": {"estimators": [("a", REGRESSOR), ("b", make_pipeline(StandardScaler(), REGRESSOR))]},
}
QUICK = {
    "n_estimators": 3,
    "n_components": 2,
    "cv": 2,
    "n_init": 1,
    "random_state": 0,
    "max_iter": 50,
    "n_quantiles": 10,
    "max_subpopulation": 50,
}
INPUTS = {
    "IsotonicRegression": ROWS[:, :1],
    "KernelCenterer": ROWS @ ROWS.T,
    "LabelBinarizer": CLASSES,
    "LabelEncoder": CLASSES,
    **dict.fromkeys(("KNNImputer", "MissingIndicator", "SimpleImputer", "HistGradientBoostingClassifier"), HOLES),
}
SEVERAL = ("CCA", "MultiOutputRegressor", "PLSCanonical", "PLSRegression", "PLSSVD", "RegressorChain")


def serves(name):
    return any(hasattr(ESTIMATORS[name], route) for route in ROUTES) or name == "FrozenEstimator"


def fitted(name):
    """The estimator, and the rows that it was fitted on."""
    cls, rows = ESTIMATORS[name], INPUTS.get(name, ROWS)
    known = inspect.signature(cls).parameters
    settings = {key: value for key, value in QUICK.items() if key in known and (name, key) != ("OrthogonalMatchingPursuitCV", "max_iter")}
    with importing.silence():
        estimator = cls(**settings | SETTINGS.get(name, {}))
        return (estimator.fit(rows) if rows is CLASSES else estimator.fit(rows, target(name, estimator))), rows


def target(name, estimator):
    if name in ("ClassifierChain", "MultiOutputClassifier"):
        return FLAGS
    if name in ("FixedThresholdClassifier", "TunedThresholdClassifierCV"):
        return FLAGS[:, 0]
    if name in SEVERAL or name.startswith("MultiTask"):
        return TARGETS
    return TARGET if is_regressor(estimator) else CLASSES


def usual(estimator):
    """The outputs that it has unless the task says something else, by name, and the methods that give them."""
    if not hasattr(estimator, "predict"):
        return {"transform": "transform"} if hasattr(estimator, "transform") else {"score": "score_samples"}
    if hasattr(estimator, "predict_proba"):
        return {"label": "predict", "probabilities": "predict_proba"}
    if is_outlier_detector(estimator):
        return {"label": "predict", "score": "decision_function"}
    clusters = is_classifier(estimator) or hasattr(estimator, "cluster_centers_") or type(estimator).__name__ == "Birch"
    return {"label" if clusters else "prediction": "predict"}


def further(estimator):
    """The outputs that the task can ask for beside these."""
    found = {"transform": "transform", "score": "decision_function"} if hasattr(estimator, "predict") else {}
    return {name: method for name, method in found.items() if hasattr(estimator, method) and name not in usual(estimator)}


def answers(estimator, methods, rows):
    """What the methods give for the rows, dense, a list of results numbered."""
    found = {}
    for name, method in methods.items():
        with importing.silence():
            result = getattr(estimator, method)(rows)
        parts = {f"{name}_{index}": part for index, part in enumerate(result)} if isinstance(result, list) else {name: result}
        found |= {own: part.toarray() if hasattr(part, "toarray") else np.asarray(part) for own, part in parts.items()}
    return found


@pytest.fixture(scope="module")
def pool(thread_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("estimators")
    with thread_server(roots=[str(folder)], code_roots=[str(folder)]) as client:
        client.folder = folder
        yield client


@pytest.fixture(scope="module")
def wire(pool):
    with tritonclient.http.InferenceServerClient(pool.address) as client:
        yield client


def served(pool, wire, estimator, rows, expected, **task):
    """Load it, compare its answers to all rows and to one, drop it."""
    loose = LOOSE.get(type(estimator).__name__, 1e-7)
    joblib.dump(estimator, pool.folder / "model")
    pool.serve({"id": "m", "model_file": str(pool.folder / "model"), "allow_code": True, **task})
    try:
        (spec,) = pool.get("/v2/models/m").json["inputs"]
        for part, tolerance in ((slice(None), 1e-7), (slice(7, 8), loose)):
            data = rows[part]
            given = tritonclient.http.InferInput(spec["name"], data.shape, spec["datatype"])
            given.set_data_from_numpy(data)
            result = wire.infer("m", [given])
            assert {output["name"] for output in result.get_response()["outputs"]} == set(expected)
            for name, array in expected.items():
                mine = result.as_numpy(name)
                assert mine.dtype == array.dtype
                np.testing.assert_allclose(mine, array[part], rtol=tolerance, atol=1e-9)
    finally:
        assert pool.drop("m").status == 200


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name not in SKIPPED and serves(name)])
def test_it_is_served_as_it_answers_itself(name, pool, wire):
    estimator, rows = fitted(name)
    served(pool, wire, estimator, rows, answers(estimator, usual(estimator), rows), isolation="thread")
    more = answers(estimator, further(estimator), rows)
    if more:
        types = {own: type_name(datatype_of(part.dtype)) for own, part in more.items()}
        outputs = [{"name": own, "type": types[own], "shape": [None, *part.shape[1:]]} for own, part in more.items()]
        served(pool, wire, estimator, rows, more, isolation="thread", outputs=outputs)


@pytest.mark.parametrize("name", ["RandomForestClassifier", "PLSRegression", "SimpleImputer"])
def test_it_is_served_by_a_process_of_its_own(name, pool, wire):
    estimator, rows = fitted(name)
    served(pool, wire, estimator, rows, answers(estimator, usual(estimator), rows))


def test_none_is_forgotten():
    assert set(SKIPPED) <= {name for name in ESTIMATORS if serves(name)}
