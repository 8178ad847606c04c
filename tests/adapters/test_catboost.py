import catboost
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from zeromind.adapters.base import Source
from zeromind.adapters.catboost import CatboostAdapter
from zeromind.adapters.file import ModelFile
from zeromind.datatypes import as_bytes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

RNG = np.random.default_rng(5)
ROWS = RNG.normal(size=(60, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 3, 60)
COLOURS = np.array(["red", "grün", "blue"], object)[CLASSES]
TINY = {"iterations": 3, "depth": 2, "thread_count": 1, "verbose": 0, "allow_writing_files": False}


def saved(model, folder, form="cbm"):
    model.save_model(str(folder / "model"), format=form)
    return folder / "model"


def serve(model, folder, form="cbm", **source):
    return CatboostAdapter(Source(ModelFile(saved(model, folder, form)), **source))


def regressor(**settings):
    return catboost.CatBoostRegressor(**TINY, **settings).fit(ROWS, ROWS[:, 0])


def classifier(classes=CLASSES, **settings):
    return catboost.CatBoostClassifier(**TINY, **settings).fit(ROWS, classes)


OTHERS = [b"", b"CBM1", b"CBM1\0\0\0\0", b"CBM2\x08\0\0\0", b"{", b"{}", b'{"features_info": {}}', b'{"ctr_data": {}}']


@pytest.mark.parametrize("content", OTHERS)
def test_other_files_are_known_errors(tmp_path, content):
    path = tmp_path / "model.cbm"
    path.write_bytes(content)
    assert not CatboostAdapter.recognises(ModelFile(path))
    with pytest.raises(ZeroMindError, match=r"CatBoost cannot load model\.cbm") as caught:
        CatboostAdapter(Source(ModelFile(path)))
    assert caught.value.kind is ErrorKind.LOAD_FAILED


@given(st.binary(max_size=100))
def test_random_bytes_are_not_recognised(tmp_path_factory, content):
    assume(not content.startswith((b"CBM1", b"{")))  # hypothesis also tries what stands in the source
    path = tmp_path_factory.getbasetemp() / "random"
    path.write_bytes(content)
    assert not CatboostAdapter.recognises(ModelFile(path))


@pytest.mark.parametrize("form", ["cbm", "json"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, form):
    path = saved(classifier(), tmp_path, form)
    whole = path.read_bytes().rstrip()
    for size in (*range(0, len(whole), 197), len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ZeroMindError) as caught:
            CatboostAdapter(Source(ModelFile(path)))
        assert caught.value.kind is ErrorKind.LOAD_FAILED


REGRESSORS = {
    "trees": regressor,
    "poisson": lambda: catboost.CatBoostRegressor(loss_function="Poisson", **TINY).fit(ROWS, CLASSES),
    "tweedie": lambda: catboost.CatBoostRegressor(loss_function="Tweedie:variance_power=1.5", **TINY).fit(ROWS, CLASSES),
    "uncertainty": lambda: regressor(loss_function="RMSEWithUncertainty"),
    "quantiles": lambda: regressor(loss_function="MultiQuantile:alpha=0.1,0.5"),
    "targets": lambda: catboost.CatBoostRegressor(loss_function="MultiRMSE", **TINY).fit(ROWS, ROWS[:, :2]),
    "ranker": lambda: catboost.CatBoostRanker(**TINY).fit(ROWS, CLASSES, group_id=np.repeat(range(6), 10)),
}


@pytest.mark.parametrize("form", ["cbm", "json"])
@pytest.mark.parametrize("kind", REGRESSORS)
def test_regressors_and_rankers_give_what_their_wrapper_gives(tmp_path, kind, form):
    model = REGRESSORS[kind]()
    adapter = serve(model, tmp_path, form)
    expected = model.predict(ROWS)
    assert adapter.spec.inputs == (TensorSpec("input", "FP32", (None, 4)),)
    assert adapter.spec.outputs == (TensorSpec("prediction", "FP64", (None, *expected.shape[1:])),)
    np.testing.assert_allclose(adapter.predict({"input": ROWS})["prediction"], expected, rtol=0 if form == "cbm" else 1e-12)


@pytest.mark.parametrize(
    ("classes", "datatype"),
    [
        (np.array(["no", "yes", "später"])[CLASSES], "BYTES"),
        (CLASSES > 0, "BOOL"),
        (CLASSES + 5, "INT64"),
        ((CLASSES > 0) + 0.5, "FP64"),
        (np.array(["no", "yes"])[CLASSES // 2], "BYTES"),
    ],
)
def test_classes_keep_their_names_and_types(tmp_path, classes, datatype):
    model = classifier(classes)
    adapter = serve(model, tmp_path)
    assert adapter.spec.outputs[0] == TensorSpec("label", datatype, (None,))
    answer = adapter.predict({"input": ROWS})
    label = model.predict(ROWS).reshape(-1)
    np.testing.assert_array_equal(answer["label"], as_bytes(label) if datatype == "BYTES" else label)
    np.testing.assert_array_equal(answer["probabilities"], model.predict_proba(ROWS))


def test_several_targets_have_a_label_and_a_probability_each(tmp_path):
    model = catboost.CatBoostClassifier(loss_function="MultiLogloss", **TINY).fit(ROWS, (ROWS[:, :2] > 0).astype(int))
    answer = serve(model, tmp_path).predict({"input": ROWS})
    np.testing.assert_array_equal(answer["label"], model.predict(ROWS))
    np.testing.assert_array_equal(answer["probabilities"], model.predict_proba(ROWS))


def test_the_threshold_in_the_file_is_used(tmp_path):
    model = classifier(CLASSES > 0)
    model.set_probability_threshold(float(np.median(model.predict_proba(ROWS)[:, 1])) + 1e-9)
    expected = model.predict(ROWS)
    assert len(np.unique(expected.astype(str))) == 2
    np.testing.assert_array_equal(serve(model, tmp_path).predict({"input": ROWS})["label"].astype(str), expected.astype(str))


def test_raw_scores_and_fewer_iterations_on_request(tmp_path):
    model = classifier()
    raw = serve(model, tmp_path, outputs=(TensorSpec("raw", "FP64", (None, 3)),)).predict({"input": ROWS})["raw"]
    np.testing.assert_array_equal(raw, model.predict(ROWS, prediction_type="RawFormulaVal"))
    answer = serve(model, tmp_path, options={"iterations": 2}).predict({"input": ROWS})
    np.testing.assert_array_equal(answer["probabilities"], model.predict_proba(ROWS, ntree_end=2))
    with pytest.raises(ZeroMindError, match="from 1 to 3") as caught:
        serve(model, tmp_path, options={"iterations": 4})
    assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE


def test_missing_and_infinite_values(tmp_path):
    rows = ROWS.copy()
    rows[::3, 0] = np.nan
    model = catboost.CatBoostRegressor(**TINY).fit(rows, ROWS[:, 1])
    rows[::4, 1], rows[1::4, 2] = np.inf, -np.inf
    np.testing.assert_array_equal(serve(model, tmp_path).predict({"input": rows})["prediction"], model.predict(rows))


def test_categories_and_texts_are_sent_as_they_are(tmp_path):
    words = np.array(["some words here", "other words there", "nothing"], object)[RNG.integers(0, 3, 60)]
    table = pd.DataFrame({"colour": COLOURS, "the weight": ROWS[:, 0], "size": CLASSES + 40, "words": words})
    model = catboost.CatBoostClassifier(cat_features=["colour", "size"], text_features=["words"], **TINY).fit(table, CLASSES > 0)
    adapter = serve(model, tmp_path)
    assert [(spec.name, spec.datatype, spec.shape) for spec in adapter.spec.inputs] == [
        ("colour", "BYTES", (None, 1)),
        ("the weight", "FP32", (None, 1)),
        ("size", "BYTES", (None, 1)),
        ("words", "BYTES", (None, 1)),
    ]
    columns = {name: as_bytes(table[[name]].to_numpy(object)) for name in ("colour", "size", "words")} | {"the weight": ROWS[:, :1]}
    np.testing.assert_array_equal(adapter.predict(columns)["probabilities"], model.predict_proba(table))
    columns["colour"][:] = b"purple"
    np.testing.assert_array_equal(adapter.predict(columns)["probabilities"], model.predict_proba(table.assign(colour="purple")))
    columns["colour"][:] = b"\xff"
    with pytest.raises(UnicodeDecodeError):
        adapter.predict(columns)


def test_categories_alone_are_one_input(tmp_path):
    model = catboost.CatBoostRegressor(cat_features=[0, 1], **TINY).fit(np.stack([COLOURS, COLOURS[::-1]], axis=1), CLASSES)
    adapter = serve(model, tmp_path)
    assert adapter.spec.inputs == (TensorSpec("input", "BYTES", (None, 2)),)
    rows = np.stack([COLOURS, COLOURS[::-1]], axis=1)
    np.testing.assert_array_equal(adapter.predict({"input": as_bytes(rows)})["prediction"], model.predict(rows))


def test_columns_without_names_are_numbered(tmp_path):
    rows = np.stack([COLOURS, ROWS[:, 0].astype(object)], axis=1)
    model = catboost.CatBoostRegressor(cat_features=[0], **TINY).fit(rows, CLASSES)
    adapter = serve(model, tmp_path)
    assert [spec.name for spec in adapter.spec.inputs] == ["input_0", "input_1"]
    answer = adapter.predict({"input_0": as_bytes(COLOURS[:, None]), "input_1": ROWS[:, :1]})
    np.testing.assert_array_equal(answer["prediction"], model.predict(rows))


def test_embeddings_are_refused(tmp_path):
    table = pd.DataFrame({"weight": ROWS[:, 0], "vector": list(ROWS[:, 1:])})
    model = catboost.CatBoostClassifier(embedding_features=["vector"], **TINY).fit(table, CLASSES > 0)
    with pytest.raises(ZeroMindError, match="takes embeddings, which are not served") as caught:
        serve(model, tmp_path)
    assert caught.value.kind is ErrorKind.LOAD_FAILED


def test_wrong_inputs_are_refused(tmp_path):
    for inputs in ((TensorSpec("input", "FP32", (None, 3)),), (TensorSpec("input", "BYTES", (None, 4)),)):
        with pytest.raises(ZeroMindError) as caught:
            serve(regressor(), tmp_path, inputs=inputs)
        assert caught.value.kind is ErrorKind.INPUT_SPEC


def test_several_threads_give_the_same(tmp_path):
    model = regressor()
    np.testing.assert_array_equal(serve(model, tmp_path, threads=2).predict({"input": ROWS})["prediction"], model.predict(ROWS))


def test_classes_are_the_labels_of_probabilities(tmp_path):
    assert serve(classifier(COLOURS), tmp_path).labels == {"probabilities": ("blue", "grün", "red")}
    assert serve(regressor(), tmp_path).labels == {}


def test_a_sum_of_models_has_no_parameters(tmp_path):
    both = catboost.sum_models([regressor(), regressor(random_seed=7)])
    np.testing.assert_allclose(serve(both, tmp_path).predict({"input": ROWS})["prediction"], both.predict(ROWS), rtol=1e-6)
