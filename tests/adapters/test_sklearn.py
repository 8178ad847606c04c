import io
import json
import pickle
import tarfile
import time
import zlib

import joblib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from zeromind import importing
from zeromind.adapters import sklearn_file
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.sklearn import SklearnAdapter
from zeromind.datatypes import as_bytes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

X, Y = load_iris(return_X_y=True)
ROWS = X[::30]


@pytest.fixture(scope="module")
def classifier():
    return LogisticRegression(max_iter=1000).fit(X, Y)


def serve(estimator, folder, inputs=(), outputs=()):
    path = folder / "model"
    joblib.dump(estimator, path)
    return SklearnAdapter(Source(ModelFile(path), inputs, outputs, allow_code=True))


def described(specs):
    return {spec.name: (spec.datatype, spec.shape) for spec in specs}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol_are_known_and_served(classifier, tmp_path, protocol):
    path = tmp_path / "m"
    path.write_bytes(pickle.dumps(classifier, protocol))
    assert SklearnAdapter.recognises(ModelFile(path))
    assert SklearnAdapter.carries_code(ModelFile(path)) == "a pickle"
    adapter = SklearnAdapter(Source(ModelFile(path), allow_code=True))
    np.testing.assert_array_equal(adapter.predict({"input": ROWS})["label"], classifier.predict(ROWS))


@pytest.mark.parametrize("compress", [0, 3, ("zlib", 9), ("gzip", 3), ("bz2", 9), ("lzma", 3), ("xz", 3)])
def test_joblib_files_of_every_compression_are_known_and_served(classifier, tmp_path, compress):
    path = tmp_path / "m"
    joblib.dump(classifier, path, compress=compress)
    assert SklearnAdapter.recognises(ModelFile(path))
    adapter = SklearnAdapter(Source(ModelFile(path), allow_code=True))
    np.testing.assert_array_equal(adapter.predict({"input": ROWS})["probabilities"], classifier.predict_proba(ROWS))


def test_recognising_runs_nothing(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    path = tmp_path / "m.joblib"
    path.write_bytes(pickle.dumps([Trap(), LinearSVC()]))
    assert SklearnAdapter.recognises(ModelFile(path))
    with pytest.raises(ZeroMindError) as caught:
        SklearnAdapter(Source(ModelFile(path)))
    assert caught.value.kind is ErrorKind.CODE_NOT_ALLOWED


@pytest.mark.parametrize("content", [b"", b"sklearn", b"import sklearn\n", pickle.dumps({"sklearn": "svm"}), pickle.dumps(np.ones(3))])
def test_other_files_are_not_taken_for_estimators(tmp_path, content):
    path = tmp_path / "m"
    path.write_bytes(content)
    assert not SklearnAdapter.recognises(ModelFile(path))


@given(st.binary(max_size=200), st.integers(0, 300))
def test_a_pickles_head_may_be_anything(noise, cut):
    head = pickle.dumps(LinearSVC())
    sklearn_file.packages_in(noise)
    sklearn_file.packages_in(b"\x80\x04" + noise)
    sklearn_file.packages_in(head[:cut] + noise)


@given(
    st.binary(max_size=300),
    st.sampled_from([b"\x1f\x8b\x08\0", b"\x78\x9c", b"BZh9", b"\xfd7zXZ\0", b"\x5d\0\0", b"PK\x03\x04", b"\x80\x02", b"c", b"("]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_noise_is_no_estimator(tmp_path, noise, magic):
    (tmp_path / "noise").write_bytes(magic + noise)
    assert sklearn_file.format_of(ModelFile(tmp_path / "noise")) == ""


def test_a_bomb_is_looked_at_in_its_head_only(tmp_path):
    (tmp_path / "bomb").write_bytes(zlib.compress(bytes(200 << 20)))
    file = ModelFile(tmp_path / "bomb")
    start = time.perf_counter()
    assert not SklearnAdapter.recognises(file)
    assert time.perf_counter() - start < 2


def test_trust_is_a_matter_of_skops_files(classifier, tmp_path):
    (tmp_path / "m").write_bytes(pickle.dumps(classifier))
    with pytest.raises(ZeroMindError, match="leave it out") as caught:
        SklearnAdapter(Source(ModelFile(tmp_path / "m"), allow_code=True, options={"trusted": []}))
    assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE


def test_a_classifier_offers_labels_in_the_type_of_its_classes(tmp_path):
    names = np.array(["setosa", "versicolor", "virginica"])[Y]
    model = RandomForestClassifier(5, n_jobs=-1, random_state=0).fit(X, names)
    adapter = serve(model, tmp_path)
    assert described(adapter.spec.inputs) == {"input": ("FP64", (None, 4))}
    assert described(adapter.spec.outputs) == {"label": ("BYTES", (None,)), "probabilities": ("FP64", (None, 3))}
    assert adapter.predict({"input": ROWS})["label"].tolist() == [name.encode() for name in model.predict(ROWS)]


def test_without_probabilities_there_is_a_label_only(tmp_path):
    adapter = serve(LinearSVC().fit(X, Y), tmp_path)
    assert described(adapter.spec.outputs) == {"label": ("INT64", (None,))}


def test_several_targets(tmp_path):
    targets = np.stack([Y, Y == 1], axis=1)
    model = MultiOutputClassifier(LogisticRegression(max_iter=1000)).fit(X, targets)
    adapter = serve(model, tmp_path)
    shapes = {"label": ("INT64", (None, 2)), "probabilities_0": ("FP64", (None, 3)), "probabilities_1": ("FP64", (None, 2))}
    assert described(adapter.spec.outputs) == shapes
    np.testing.assert_array_equal(adapter.predict({"input": ROWS})["probabilities_1"], model.predict_proba(ROWS)[1])


@pytest.mark.parametrize(
    ("model", "outputs"),
    [
        (lambda: LinearRegression().fit(X, Y), {"prediction": ("FP64", (None,))}),
        (lambda: LinearRegression().fit(X, X[:, :2]), {"prediction": ("FP64", (None, 2))}),
        (lambda: TransformedTargetRegressor(LinearRegression()).fit(X, Y), {"prediction": ("FP64", (None,))}),
        (lambda: StandardScaler().fit(X), {"transform": ("FP64", (None, 4))}),
        (lambda: OneHotEncoder().fit(X[:, :1].astype(int).astype(str)), {"transform": ("FP64", (None, 4))}),
        (lambda: KMeans(3, n_init=1, random_state=0).fit(X), {"label": ("INT32", (None,))}),
        (lambda: make_pipeline(StandardScaler(), KMeans(3, n_init=1)).fit(X), {"label": ("INT32", (None,))}),
        (lambda: IsolationForest(n_estimators=5, random_state=0).fit(X), {"label": ("INT64", (None,)), "score": ("FP64", (None,))}),
        (
            lambda: GridSearchCV(LogisticRegression(max_iter=1000), {"C": [1.0]}, cv=2).fit(X, Y),
            {"label": ("INT64", (None,)), "probabilities": ("FP64", (None, 3))},
        ),
    ],
)
def test_each_kind_of_estimator_says_what_it_gives(tmp_path, model, outputs):
    assert described(serve(model(), tmp_path).spec.outputs) == outputs


@pytest.mark.parametrize("vectorizer", [TfidfVectorizer, CountVectorizer])
def test_text_pipelines_take_texts(tmp_path, vectorizer):
    model = make_pipeline(vectorizer(), LogisticRegression()).fit(["good", "fine good", "bad", "very bad"], ["+", "+", "-", "-"])
    adapter = serve(model, tmp_path)
    assert described(adapter.spec.inputs) == {"input": ("BYTES", (None,))}
    assert adapter.predict({"input": np.array([b"a good one", b"bad"], object)})["label"].tolist() == [b"+", b"-"]


def test_columns_of_different_kinds_are_an_input_each(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"colour": ["red", "blue", "red", "green"], "size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b", "a", "b"]})
    mixed = ColumnTransformer([("text", OneHotEncoder(), ["colour", "kind"]), ("number", StandardScaler(), ["size"])])
    model = make_pipeline(mixed, LinearRegression()).fit(table, [1.0, 2.0, 3.0, 4.0])
    adapter = serve(model, tmp_path)
    assert described(adapter.spec.inputs) == {"colour": ("BYTES", (None, 1)), "size": ("FP64", (None, 1)), "kind": ("BYTES", (None, 1))}
    inputs = {"size": np.array([[2.0]]), "kind": np.array([[b"b"]], object), "colour": np.array([[b"blue"]], object)}
    np.testing.assert_array_equal(adapter.predict(inputs)["prediction"], model.predict(table[1:2]))


def test_mixed_columns_of_an_array(tmp_path):
    table = np.array([["red", 1.0], ["blue", 2.0], ["red", 3.0]], object)
    model = make_pipeline(ColumnTransformer([("text", OneHotEncoder(), [0])], remainder="passthrough"), LinearRegression()).fit(
        table, [1, 2, 3]
    )
    adapter = serve(model, tmp_path)
    assert described(adapter.spec.inputs) == {"input_0": ("BYTES", (None, 1)), "input_1": ("FP64", (None, 1))}
    answer = adapter.predict({"input_0": np.array([[b"red"]], object), "input_1": np.array([[2.0]])})
    np.testing.assert_array_equal(answer["prediction"], model.predict(np.array([["red", 2.0]], object)))


def test_a_model_of_a_dataframe_takes_its_numbers_in_one_array(tmp_path):
    pytest.importorskip("pandas")
    frame, target = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(frame, target)
    adapter = serve(model, tmp_path)
    assert described(adapter.spec.inputs) == {"input": ("FP64", (None, 4))}
    np.testing.assert_array_equal(adapter.predict({"input": ROWS})["label"], model.predict(frame[::30]))


def test_columns_by_name_come_in_the_order_of_training(tmp_path):
    pytest.importorskip("pandas")
    frame, target = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(frame, target)
    names = list(frame.columns)[::-1]
    adapter = serve(model, tmp_path, tuple(TensorSpec(name, "FP64", (None,)) for name in names))
    answer = adapter.predict({name: frame[name].to_numpy()[::30] for name in names})
    np.testing.assert_array_equal(answer["label"], model.predict(frame[::30]))


def test_a_task_may_say_types_and_shapes(classifier, tmp_path):
    adapter = serve(classifier, tmp_path, (TensorSpec("x", "FP32", (None, 2, 2)),), (TensorSpec("y", "FP32", (None, 1)),))
    answer = adapter.predict({"x": ROWS.astype(np.float32).reshape(-1, 2, 2)})
    assert answer["y"].dtype == np.float32
    assert answer["y"].tolist() == [[value] for value in classifier.predict(ROWS)]


def test_a_single_floating_output_as_wide_as_the_classes_gets_the_probabilities(classifier, tmp_path):
    adapter = serve(classifier, tmp_path, (), (TensorSpec("y", "FP32", (None, 3)),))
    np.testing.assert_allclose(adapter.predict({"input": ROWS})["y"], classifier.predict_proba(ROWS), rtol=1e-6)


def test_outputs_choose_by_name(classifier, tmp_path):
    adapter = serve(classifier, tmp_path, (), (TensorSpec("probabilities", "FP64", (None, 3)),))
    assert set(adapter.predict({"input": ROWS})) == {"probabilities"}


@pytest.mark.parametrize(
    "outputs",
    [(TensorSpec("a", "FP32", (None,)), TensorSpec("b", "FP32", (None,))), (TensorSpec("a", "FP32", (None, 7)),)],
)
def test_outputs_that_the_estimator_cannot_give_are_refused(classifier, tmp_path, outputs):
    with pytest.raises(ZeroMindError, match=r"label|type or shape") as caught:
        serve(classifier, tmp_path, (), outputs)
    assert caught.value.kind is ErrorKind.OUTPUT_SPEC


@pytest.mark.parametrize(
    ("thing", "kind", "words"),
    [
        (LogisticRegression(), ErrorKind.INPUT_SPEC, "fitted"),
        ({"model": LogisticRegression()}, ErrorKind.LOAD_FAILED, "dict"),
    ],
)
def test_what_cannot_serve_is_refused_with_the_next_step(tmp_path, thing, kind, words):
    with pytest.raises(ZeroMindError, match=words) as caught:
        serve(thing, tmp_path)
    assert caught.value.kind is kind


def pack(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


INPUTS = [{"name": "flower", "type": "float32", "shape": [None, 4]}]
OUTPUTS = [{"name": "kind", "type": "int32", "shape": [None]}]


@pytest.mark.parametrize("form", [lambda specs: specs, lambda specs: dict(enumerate(specs))], ids=["list", "as /model/info"])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_an_archive_brings_its_interface(classifier, tmp_path, form, prefix):
    stream = io.BytesIO()
    joblib.dump(classifier, stream)
    path = tmp_path / "x.sklearn"
    specs = {"input_spec.json": json.dumps(form(INPUTS)).encode(), "output_spec.json": json.dumps(form(OUTPUTS)).encode()}
    pack(path, {prefix + name: data for name, data in {"model.jbl": stream.getvalue(), **specs}.items()})
    assert SklearnAdapter.recognises(ModelFile(path))
    adapter = SklearnAdapter(Source(ModelFile(path), allow_code=True))
    assert described(adapter.spec.inputs) == {"flower": ("FP32", (None, 4))}
    assert adapter.predict({"flower": ROWS.astype(np.float32)})["kind"].dtype == np.int32


@pytest.mark.parametrize(
    ("spec", "kind"),
    [(b"[", ErrorKind.INPUT_SPEC), (b"7", ErrorKind.INPUT_SPEC), (b'[{"name": "x"}]', ErrorKind.SPEC_ATTRIBUTE)],
)
def test_a_spec_that_cannot_be_read_is_named(classifier, tmp_path, spec, kind):
    stream = io.BytesIO()
    joblib.dump(classifier, stream)
    pack(tmp_path / "x", {"model.jbl": stream.getvalue(), "input_spec.json": spec})
    with pytest.raises(ZeroMindError) as caught:
        SklearnAdapter(Source(ModelFile(tmp_path / "x"), allow_code=True))
    assert caught.value.kind is kind


class TestSkops:
    @pytest.fixture
    def io(self):
        return pytest.importorskip("skops.io")

    def test_needs_no_permission(self, io, classifier, tmp_path):
        io.dump(classifier, tmp_path / "m")
        file = ModelFile(tmp_path / "m")
        assert SklearnAdapter.recognises(file)
        assert SklearnAdapter.carries_code(file) == ""
        np.testing.assert_array_equal(SklearnAdapter(Source(file)).predict({"input": ROWS})["label"], classifier.predict(ROWS))

    def test_untrusted_types_are_named_and_trusted_only_by_the_operator(self, io, tmp_path):
        model = make_pipeline(FunctionTransformer(np.nan_to_num, validate=True), LinearRegression()).fit(X, Y)
        io.dump(model, tmp_path / "m")
        file = ModelFile(tmp_path / "m")
        with pytest.raises(ZeroMindError, match=r"numpy.*nan_to_num.*'trusted'") as caught:
            SklearnAdapter(Source(file, allow_code=True))
        assert caught.value.kind is ErrorKind.LOAD_FAILED
        trusted = {"trusted": list(caught.value.params)}
        with pytest.raises(ZeroMindError) as refused:
            SklearnAdapter(Source(file, options=trusted))
        assert refused.value.kind is ErrorKind.CODE_NOT_ALLOWED
        adapter = SklearnAdapter(Source(file, options=trusted, allow_code=True))
        np.testing.assert_array_equal(adapter.predict({"input": ROWS})["prediction"], model.predict(ROWS))

    def test_a_damaged_one_is_never_unpickled(self, io, classifier, tmp_path):
        data = io.dumps(classifier)
        (tmp_path / "m").write_bytes(data[: len(data) // 2])
        with pytest.raises(ZeroMindError, match="damaged") as caught:
            SklearnAdapter(Source(ModelFile(tmp_path / "m"), allow_code=True))
        assert caught.value.kind is ErrorKind.LOAD_FAILED


def test_another_versions_file_is_loaded_with_a_word_in_the_log(tmp_path, classifier, caplog):
    state = pickle.dumps(classifier).replace(__import__("sklearn").__version__.encode(), b"1.4.9")
    (tmp_path / "m").write_bytes(state)
    SklearnAdapter(Source(ModelFile(tmp_path / "m"), allow_code=True))
    assert "1.4.9" in caplog.text


def test_a_missing_package_is_named(tmp_path):
    (tmp_path / "m").write_bytes(b"cimblearn.pipeline\nPipeline\n.")
    file = ModelFile(tmp_path / "m")
    assert SklearnAdapter.recognises(file)
    with pytest.raises(ZeroMindError, match="pip install") as caught:
        SklearnAdapter(Source(file, allow_code=True))
    assert caught.value.kind is ErrorKind.MISSING_PACKAGE


def test_a_class_instead_of_an_estimator_is_told_apart(tmp_path):
    (tmp_path / "m").write_bytes(b"csklearn.linear_model\nRidge\n.")
    with pytest.raises(ZeroMindError, match="the class Ridge itself: fit an estimator") as caught:
        SklearnAdapter(Source(ModelFile(tmp_path / "m"), allow_code=True))
    assert caught.value.kind is ErrorKind.LOAD_FAILED


def test_a_task_may_ask_what_predicts_for_more(tmp_path):
    model = KMeans(3, n_init=1, random_state=0).fit(X)
    adapter = serve(model, tmp_path, (), (TensorSpec("label", "INT32", (None,)), TensorSpec("transform", "FP64", (None, 3))))
    answer = adapter.predict({"input": ROWS})
    np.testing.assert_array_equal(answer["transform"], model.transform(ROWS))
    model = LinearSVC().fit(X, Y)
    adapter = serve(model, tmp_path, (), (TensorSpec("score", "FP64", (None, 3)),))
    np.testing.assert_array_equal(adapter.predict({"input": ROWS})["score"], model.decision_function(ROWS))


def test_functions_that_look_at_all_rows_are_asked_request_by_request(tmp_path):
    centred = FunctionTransformer(np.cumsum, kw_args={"axis": 0}, validate=True).fit(X)
    assert not serve(centred, tmp_path).spec.batches
    assert serve(FunctionTransformer(np.abs, validate=True).fit(X), tmp_path).spec.batches


def boosters():
    def xgboost_classifier():
        return pytest.importorskip("xgboost").XGBClassifier(n_estimators=5, max_depth=2)

    def xgboost_regressor():
        return pytest.importorskip("xgboost").XGBRegressor(n_estimators=5, max_depth=2)

    def lightgbm_classifier():
        return pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=5, min_child_samples=2, verbose=-1)

    def lightgbm_regressor():
        return pytest.importorskip("lightgbm").LGBMRegressor(n_estimators=5, min_child_samples=2, verbose=-1)

    def catboost_classifier():
        return pytest.importorskip("catboost").CatBoostClassifier(iterations=5, verbose=False, allow_writing_files=False)

    def catboost_regressor():
        return pytest.importorskip("catboost").CatBoostRegressor(iterations=5, verbose=False, allow_writing_files=False)

    return [xgboost_classifier, xgboost_regressor, lightgbm_classifier, lightgbm_regressor, catboost_classifier, catboost_regressor]


@pytest.mark.parametrize("frame", [False, True], ids=["array", "frame"])
@pytest.mark.parametrize("booster", boosters())
def test_boosted_trees_with_the_interface_of_estimators_are_served_with_what_is_missing(booster, frame, tmp_path):
    holes = np.where(np.random.default_rng(0).uniform(size=X.shape) < 0.1, np.nan, X)
    assert np.isnan(holes[::7]).any()
    table = pytest.importorskip("pandas").DataFrame(holes, columns=list("abcd")) if frame else holes
    with importing.silence():
        model = booster().fit(table, Y)
        expected = model.predict(table[::7])
        chances = model.predict_proba(table[::7]) if hasattr(model, "predict_proba") else None
    adapter = serve(model, tmp_path)
    assert SklearnAdapter.recognises(ModelFile(tmp_path / "model"))
    assert adapter.spec.batches
    assert described(adapter.spec.inputs) == {"input": ("FP64", (None, 4))}
    answer = adapter.predict({"input": holes[::7]})
    np.testing.assert_array_equal(answer["prediction" if chances is None else "label"].reshape(expected.shape), expected)
    if chances is not None:
        np.testing.assert_array_equal(answer["probabilities"], chances)


def test_catboosts_categories_are_texts(tmp_path):
    pandas, catboost = pytest.importorskip("pandas"), pytest.importorskip("catboost")
    table = pandas.DataFrame({"size": np.arange(30.0), "colour": ["red", "green", "blue"] * 10})
    with importing.silence():
        model = catboost.CatBoostClassifier(iterations=5, verbose=False, allow_writing_files=False, cat_features=["colour"])
        model.fit(table, ["a", "b", "c"] * 10)
    adapter = serve(model, tmp_path)
    assert described(adapter.spec.inputs) == {"size": ("FP64", (None, 1)), "colour": ("BYTES", (None, 1))}
    answer = adapter.predict({"size": np.arange(4.0)[:, None], "colour": as_bytes(table[["colour"]].to_numpy()[:4])})
    assert answer["label"].tolist() == [[label.encode()] for label in model.predict(table[:4]).ravel()]


def test_classes_are_the_labels_of_probabilities(tmp_path):
    names = np.array(["a", "b", "c"])[Y]
    assert serve(LogisticRegression(max_iter=1000).fit(X, names), tmp_path).labels == {"probabilities": ("a", "b", "c")}
    renamed = serve(LogisticRegression(max_iter=1000).fit(X, names), tmp_path, outputs=[TensorSpec("p", "FP32", (None, 3))])
    assert renamed.labels == {"p": ("a", "b", "c")}
    two = serve(MultiOutputClassifier(LogisticRegression(max_iter=1000)).fit(X, np.stack([names, Y > 0], axis=1)), tmp_path)
    assert two.labels == {"probabilities_0": ("a", "b", "c"), "probabilities_1": ("False", "True")}
    assert serve(LinearRegression().fit(X, Y), tmp_path).labels == {}


def test_a_step_that_writes_into_its_input_spoils_no_other_answer(tmp_path):
    model = make_pipeline(StandardScaler(copy=False), LogisticRegression(max_iter=1000)).fit(X.copy(), Y)
    adapter = serve(model, tmp_path)
    rows = ROWS.copy()
    answer = adapter.predict({"input": rows})
    np.testing.assert_array_equal(rows, ROWS)
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(ROWS.copy()), rtol=1e-12)
