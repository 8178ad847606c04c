import json

import numpy as np
import pandas as pd
import pytest
import xgboost
from hypothesis import assume, given
from hypothesis import strategies as st

from zeromind import importing
from zeromind.adapters import xgboost_file
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.xgboost import XgboostAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

RNG = np.random.default_rng(5)
ROWS = RNG.normal(size=(60, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 3, 60)
COLOURS = np.array(["red", "green", "blue"])[CLASSES]
TINY = {"n_estimators": 3, "max_depth": 2, "n_jobs": 1}


def saved(model, folder, name="model.ubj"):
    with importing.silence():
        model.save_model(folder / name)
    return folder / name


def serve(model, folder, **source):
    return XgboostAdapter(Source(ModelFile(saved(model, folder)), **source))


def regressor(**settings):
    return xgboost.XGBRegressor(**{**TINY, **settings}).fit(ROWS, ROWS[:, 0] + ROWS[:, 1] ** 2)


def classifier(classes=CLASSES, **settings):
    return xgboost.XGBClassifier(**{**TINY, **settings}).fit(ROWS, classes)


def trained(objective, labels, **settings):
    """A booster of the native interface."""
    return xgboost.train({"objective": objective, "max_depth": 2, "nthread": 1, **settings}, xgboost.DMatrix(ROWS, labels), 3)


def with_colours(colours=COLOURS, **columns):
    table = pd.DataFrame({"colour": pd.Categorical(colours), **columns})
    settings = {**TINY, "n_estimators": 8, "enable_categorical": True}
    with importing.silence():
        return xgboost.XGBRegressor(**settings).fit(table, 10 * (CLASSES == 0) + 3 * (CLASSES == 1)), table


@pytest.mark.parametrize("name", ["model.json", "model.ubj", "nonsense"])
def test_its_formats_are_recognised_by_content(tmp_path, name):
    path = saved(classifier(), tmp_path, name).rename(tmp_path / "other.txt")
    assert XgboostAdapter.recognises(ModelFile(path))
    assert XgboostAdapter(Source(ModelFile(path))).spec.batches


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b'{"learner": 1, "version": [3, 2, 0]}',
        b'{"learner": {"x": 1}, "version": [3, 2, 0]}',
        b'{"version": [1, 2, 3]}',
        b'{"class_name": "Sequential", "learner": {"attributes": {}}}',
        b"{L\0\0\0\0\0\0\0\x07version",
        b"binf\0\0\0\0",
        b"tree\nversion=v4\n",
    ],
)
def test_other_files_are_not_recognised(tmp_path, content):
    path = tmp_path / "model.json"
    path.write_bytes(content)
    assert not XgboostAdapter.recognises(ModelFile(path))
    with pytest.raises(ZeroMindError, match="no JSON or UBJSON of XGBoost: save the model again") as caught:
        XgboostAdapter(Source(ModelFile(path)))
    assert caught.value.kind is ErrorKind.LOAD_FAILED


@given(st.binary(max_size=100))
def test_random_bytes_are_not_recognised(content):
    assume(not content.startswith(b"{"))  # hypothesis also tries what stands in the source
    assert not xgboost_file.is_model(content)


@pytest.mark.parametrize("name", ["model.json", "model.ubj"])
def test_a_file_that_is_cut_off_anywhere_is_refused_before_xgboost_reads_it(tmp_path, name):
    path = saved(classifier(), tmp_path, name)
    whole = path.read_bytes()
    for size in (*range(0, len(whole), 97), *range(len(whole) - 50, len(whole))):
        path.write_bytes(whole[:size])
        with pytest.raises(ZeroMindError) as caught:
            XgboostAdapter(Source(ModelFile(path)))
        assert caught.value.kind is ErrorKind.LOAD_FAILED


def test_a_damaged_file_is_refused_in_xgboosts_words_without_its_stack(tmp_path):
    path = saved(classifier(), tmp_path, "model.json")
    path.write_bytes(path.read_bytes().replace(b'"num_class":"3"', b'"num_class":"x"'))
    with pytest.raises(ZeroMindError, match=r"XGBoost cannot load model\.json") as caught:
        XgboostAdapter(Source(ModelFile(path)))
    assert caught.value.kind is ErrorKind.LOAD_FAILED
    assert "Stack" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_written_by_others_is_served_too(tmp_path):
    model = regressor()
    path = saved(model, tmp_path, "model.json")
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1) + "\n")
    answer = XgboostAdapter(Source(ModelFile(path))).predict({"input": ROWS})
    np.testing.assert_array_equal(answer["prediction"], model.predict(ROWS))


REGRESSORS = {
    "trees": regressor,
    "dart": lambda: regressor(booster="dart"),
    "poisson": lambda: xgboost.XGBRegressor(objective="count:poisson", **TINY).fit(ROWS, CLASSES),
    "targets": lambda: xgboost.XGBRegressor(**TINY).fit(ROWS, ROWS[:, :2]),
    "trees of targets": lambda: xgboost.XGBRegressor(multi_strategy="multi_output_tree", **TINY).fit(ROWS, ROWS[:, :2]),
    "quantiles": lambda: xgboost.XGBRegressor(objective="reg:quantileerror", quantile_alpha=[0.1, 0.9], **TINY).fit(ROWS, ROWS[:, 0]),
    "chances": lambda: xgboost.XGBRegressor(objective="binary:logistic", **TINY).fit(ROWS, CLASSES > 0),
    "ranker": lambda: xgboost.XGBRanker(**TINY).fit(ROWS, CLASSES, qid=np.repeat(range(6), 10)),
    "random forest": lambda: xgboost.XGBRFRegressor(**TINY).fit(ROWS, ROWS[:, 0]),
}


@pytest.mark.parametrize("kind", REGRESSORS)
def test_regressors_and_rankers_give_what_their_wrapper_gives(tmp_path, kind):
    model = REGRESSORS[kind]()
    adapter = serve(model, tmp_path)
    expected = model.predict(ROWS)
    assert adapter.spec.inputs == (TensorSpec("input", "FP32", (None, 4)),)
    assert adapter.spec.outputs == (TensorSpec("prediction", "FP32", (None, *expected.shape[1:])),)
    np.testing.assert_array_equal(adapter.predict({"input": ROWS})["prediction"], expected)


def test_linear_models_are_served(tmp_path):
    with importing.silence():
        model = regressor(booster="gblinear")
        adapter = serve(model, tmp_path, outputs=(TensorSpec("prediction", "FP32", (None,)), TensorSpec("raw", "FP32", (None,))))
        answer = adapter.predict({"input": ROWS})
        np.testing.assert_array_equal(answer["prediction"], model.predict(ROWS))
        np.testing.assert_array_equal(answer["raw"], model.predict(ROWS, output_margin=True))
        with pytest.raises(ValueError, match="inf"):
            adapter.predict({"input": np.full((1, 4), np.inf, np.float32)})


def test_classes_are_counted_and_have_probabilities(tmp_path):
    for classes in (CLASSES, CLASSES > 0, (ROWS[:, :2] > 0).astype(int), (ROWS > 0).astype(int)):
        model = classifier(classes)
        answer = serve(model, tmp_path).predict({"input": ROWS})
        assert (answer["label"].dtype, answer["probabilities"].dtype) == (np.int64, np.float32)
        np.testing.assert_array_equal(answer["label"], model.predict(ROWS))
        np.testing.assert_array_equal(answer["probabilities"], model.predict_proba(ROWS))


def test_boosters_of_the_native_interface_are_told_by_their_objective(tmp_path):
    chances = trained("multi:softprob", CLASSES, num_class=3).inplace_predict(ROWS)
    for objective in ("multi:softprob", "multi:softmax"):
        answer = serve(trained(objective, CLASSES, num_class=3), tmp_path).predict({"input": ROWS})
        np.testing.assert_allclose(answer["probabilities"], chances, rtol=1e-6)
        np.testing.assert_array_equal(answer["label"], chances.argmax(axis=1))
    assert [spec.name for spec in serve(trained("reg:logistic", CLASSES > 0), tmp_path).spec.outputs] == ["prediction"]


def test_classifiers_without_probabilities_give_labels(tmp_path):
    for objective, label in (("binary:hinge", lambda value: value == 1), ("binary:logitraw", lambda value: value > 0)):
        model = trained(objective, CLASSES > 0)
        answer = serve(model, tmp_path).predict({"input": ROWS})
        assert list(answer) == ["label"]
        np.testing.assert_array_equal(answer["label"], label(model.inplace_predict(ROWS)))


def test_the_task_chooses_outputs_and_their_form(tmp_path):
    model = classifier(CLASSES > 0)
    raw = serve(model, tmp_path, outputs=(TensorSpec("raw", "FP64", (None, 1)),)).predict({"input": ROWS})
    assert raw["raw"].dtype == np.float64
    np.testing.assert_array_equal(raw["raw"][:, 0], model.predict(ROWS, output_margin=True))
    chances = serve(model, tmp_path, outputs=(TensorSpec("chances", "FP32", (None, 2)),)).predict({"input": ROWS})
    np.testing.assert_array_equal(chances["chances"], model.predict_proba(ROWS))
    label = serve(model, tmp_path, outputs=(TensorSpec("y", "FP32", (None,)),)).predict({"input": ROWS})
    np.testing.assert_array_equal(label["y"], model.predict(ROWS))
    text = serve(model, tmp_path, outputs=(TensorSpec("y", "BYTES", (None,)),)).predict({"input": ROWS})
    assert text["y"].tolist() == [str(label).encode() for label in model.predict(ROWS)]
    for outputs in ((TensorSpec("a", "FP32", (None,)), TensorSpec("label", "INT64", (None,))), (TensorSpec("y", "BOOL", (None,)),)):
        with pytest.raises(ZeroMindError) as caught:
            serve(model, tmp_path, outputs=outputs)
        assert caught.value.kind is ErrorKind.OUTPUT_SPEC


def stopped(folder):
    """A model that early stopping found best before its last round."""
    model = xgboost.XGBRegressor(n_estimators=60, max_depth=2, n_jobs=1, early_stopping_rounds=4)
    model.fit(ROWS, ROWS[:, 0], eval_set=[(ROWS[:20], ROWS[:20, 0] + RNG.normal(size=20))], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    return model


def test_the_best_iteration_is_used_unless_the_task_says_otherwise(tmp_path):
    model = stopped(tmp_path)
    np.testing.assert_array_equal(serve(model, tmp_path).predict({"input": ROWS})["prediction"], model.predict(ROWS))
    rounds = model.get_booster().num_boosted_rounds()
    for count in (1, 2, rounds):
        answer = serve(model, tmp_path, options={"iterations": count}).predict({"input": ROWS})
        np.testing.assert_array_equal(answer["prediction"], model.predict(ROWS, iteration_range=(0, count)))
    for wrong in (0, -1, rounds + 1, True, "2", 1.5):
        with pytest.raises(ZeroMindError, match=f"a whole number from 1 to {rounds}") as caught:
            serve(model, tmp_path, options={"iterations": wrong})
        assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE


def test_missing_values_are_nan_or_the_number_that_the_task_names(tmp_path):
    model = regressor()
    gaps = ROWS.copy()
    gaps[::2, 0] = np.nan
    np.testing.assert_array_equal(serve(model, tmp_path).predict({"input": gaps})["prediction"], model.predict(gaps))
    marked = np.where(np.isnan(gaps), np.float32(-99), gaps)
    answer = serve(model, tmp_path, options={"missing": -99}).predict({"input": marked})
    np.testing.assert_array_equal(answer["prediction"], model.predict(gaps))
    with pytest.raises(ZeroMindError, match="'missing' must be a number") as caught:
        serve(model, tmp_path, options={"missing": "none"})
    assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE


def test_infinite_numbers_are_beyond_every_threshold(tmp_path):
    model = regressor()
    rows = np.float32([[np.inf, -np.inf, 0, 0]])
    expected = model.predict(np.float32([[1e30, -1e30, 0, 0]]))
    adapter = serve(model, tmp_path, inputs=(TensorSpec("input", "FP64", (None, 4)),))
    for each in (rows.astype(np.float64), np.float64([[1e300, -1e300, 0, 0]])):
        np.testing.assert_array_equal(adapter.predict({"input": each})["prediction"], expected)


def test_categories_are_sent_by_name(tmp_path):
    model, table = with_colours(weight=ROWS[:, 0], size=pd.Categorical(CLASSES + 40))
    adapter = serve(model, tmp_path)
    assert adapter.spec.inputs == (
        TensorSpec("colour", "BYTES", (None, 1)),
        TensorSpec("weight", "FP32", (None, 1)),
        TensorSpec("size", "FP32", (None, 1)),
    )
    columns = {
        "colour": np.array([colour.encode() for colour in COLOURS], object)[:, None],
        "weight": ROWS[:, :1],
        "size": np.float32(CLASSES + 40)[:, None],
    }
    with importing.silence():
        expected = model.predict(table)
        table["colour"] = table["colour"].where(table["colour"] != "red")
        table["size"] = table["size"].where(table["size"] != 41)
        without = model.predict(table)
    np.testing.assert_array_equal(adapter.predict(columns)["prediction"], expected)
    columns["colour"][COLOURS == "red"] = b""
    columns["size"][CLASSES == 1] = np.nan
    np.testing.assert_array_equal(adapter.predict(columns)["prediction"], without)
    for column, unknown in (("colour", np.full((60, 1), b"purple", object)), ("size", np.full((60, 1), 39, np.float32))):
        with pytest.raises(ValueError, match=f"does not know the value .* of column '{column}'"):
            adapter.predict({**columns, column: unknown})


def test_columns_that_are_all_texts_are_one_input(tmp_path):
    model, table = with_colours(other=pd.Categorical(COLOURS[::-1]))
    adapter = serve(model, tmp_path)
    assert adapter.spec.inputs == (TensorSpec("input", "BYTES", (None, 2)),)
    texts = np.array([[colour.encode(), other.encode()] for colour, other in zip(COLOURS, COLOURS[::-1], strict=True)], object)
    with importing.silence():
        np.testing.assert_array_equal(adapter.predict({"input": texts})["prediction"], model.predict(table))


def test_a_task_may_have_the_places_of_categories_sent(tmp_path):
    model, table = with_colours(weight=ROWS[:, 0])
    adapter = serve(model, tmp_path, inputs=(TensorSpec("x", "FP32", (None, 2)),))
    places = np.stack([table["colour"].cat.codes, ROWS[:, 0]], axis=1).astype(np.float32)
    with importing.silence():
        np.testing.assert_array_equal(adapter.predict({"x": places})["prediction"], model.predict(table))


def test_categories_that_xgboost_garbles_are_refused_unless_their_places_are_sent(tmp_path):
    model, table = with_colours(np.char.replace(COLOURS, "green", "grün"), weight=ROWS[:, 0])
    with pytest.raises(ZeroMindError, match=r"garbled the categories of column 'colour'.* send the categories' places") as caught:
        serve(model, tmp_path)
    assert caught.value.kind is ErrorKind.INPUT_SPEC
    adapter = serve(model, tmp_path, inputs=(TensorSpec("colour", "INT64", (None,)), TensorSpec("weight", "FP32", (None,))))
    answer = adapter.predict({"colour": table["colour"].cat.codes.to_numpy(np.int64), "weight": ROWS[:, 0]})
    with importing.silence():
        np.testing.assert_array_equal(answer["prediction"], model.predict(table))


def test_categories_without_names_are_numbers(tmp_path):
    model = xgboost.XGBRegressor(feature_types=["q", "c"], enable_categorical=True, **TINY).fit(np.c_[ROWS[:, 0], CLASSES], CLASSES)
    rows = np.float32(np.c_[ROWS[:, 0], CLASSES])
    np.testing.assert_array_equal(serve(model, tmp_path).predict({"input": rows})["prediction"], model.predict(rows))


def test_inputs_that_do_not_make_the_columns_are_refused(tmp_path):
    for inputs in (
        (TensorSpec("input", "FP32", (None, 3)),),
        (TensorSpec("input", "FP32", (None, None)),),
        (TensorSpec("input", "FP32", ()),),
        (TensorSpec("input", "BYTES", (None, 4)),),
    ):
        with pytest.raises(ZeroMindError) as caught:
            serve(regressor(), tmp_path, inputs=inputs)
        assert caught.value.kind is ErrorKind.INPUT_SPEC


def test_a_size_for_the_rows_keeps_requests_apart(tmp_path):
    assert not serve(regressor(), tmp_path, inputs=(TensorSpec("input", "FP32", (2, 4)),)).spec.batches


def test_devices_that_are_not_there_are_refused(tmp_path):
    for text in ("cpu", "auto"):
        serve(regressor(), tmp_path, device=text)
    with pytest.raises(ZeroMindError, match="XGBoost cannot use cuda:7") as caught:
        serve(regressor(), tmp_path, device="cuda:7")
    assert caught.value.kind is ErrorKind.LOAD_FAILED


def test_several_threads_give_the_same(tmp_path):
    model = regressor()
    np.testing.assert_array_equal(serve(model, tmp_path, threads=2).predict({"input": ROWS})["prediction"], model.predict(ROWS))


def test_whole_numbers_beyond_float32_are_told_apart(tmp_path):
    numbers = np.array([123456780, 123456781, 123456789])
    frame = pd.DataFrame({"code": pd.Categorical(numbers[CLASSES]), "size": ROWS[:, 0]})
    frame_model = xgboost.XGBRegressor(n_estimators=5, max_depth=3, n_jobs=1, enable_categorical=True).fit(frame, ROWS[:, 1])
    adapter = serve(frame_model, tmp_path)
    inputs = {"input": np.stack([numbers[CLASSES], ROWS[:, 0]], axis=1).astype(np.float64)}
    np.testing.assert_allclose(adapter.predict(inputs)["prediction"], frame_model.predict(frame), rtol=1e-5)
