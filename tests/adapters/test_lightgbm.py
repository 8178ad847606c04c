import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from zeromind import importing
from zeromind.adapters import lightgbm_file
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.lightgbm import LightgbmAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

RNG = np.random.default_rng(5)
ROWS = RNG.normal(size=(120, 4))
CLASSES = RNG.integers(0, 3, 120)
COLOURS = np.array(["red", "grün", "blue"])[CLASSES]
TINY = {"n_estimators": 3, "num_leaves": 4, "n_jobs": 1, "verbose": -1}
FOREST = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}


def saved(model, folder):
    path = folder / "model"
    getattr(model, "booster_", model).save_model(path)
    return path


def serve(model, folder, **source):
    return LightgbmAdapter(Source(ModelFile(saved(model, folder)), **source))


def regressor(**settings):
    with importing.silence():
        return lightgbm.LGBMRegressor(**{**TINY, **settings}).fit(ROWS, ROWS[:, 0] + ROWS[:, 1] ** 2)


def classifier(classes=CLASSES, **settings):
    with importing.silence():
        return lightgbm.LGBMClassifier(**{**TINY, **settings}).fit(ROWS, classes)


def with_colours(colours=COLOURS, fit=None, **columns):
    table = pd.DataFrame({"the colour": pd.Categorical(colours), **columns})
    with importing.silence():
        model = lightgbm.LGBMRegressor(min_data_per_group=1, cat_smooth=0, **TINY)
        model.fit(table, 10 * (CLASSES == 0) + 3 * (CLASSES == 1), **(fit or {}))
    return model, table


def asked(model, rows, **settings):
    with importing.silence():
        return model.predict(rows, **settings)


@pytest.mark.parametrize("content", [b"", b"tree\n", b"tree\nversion=", b"tree of life\nversion=v4\n", b"Tree\nversion=v4\nnum", b"{}"])
def test_other_files_are_not_recognised(tmp_path, content):
    path = tmp_path / "model.txt"
    path.write_bytes(content)
    assert not LightgbmAdapter.recognises(ModelFile(path))
    with pytest.raises(ZeroMindError, match="no whole model of LightGBM") as caught:
        LightgbmAdapter(Source(ModelFile(path)))
    assert caught.value.kind is ErrorKind.LOAD_FAILED


@given(st.binary(max_size=100))
def test_random_bytes_are_not_recognised(content):
    assume(not content.startswith(b"tree"))  # hypothesis also tries what stands in the source
    assert not lightgbm_file.HEAD.match(content)


@pytest.mark.parametrize("make", [classifier, lambda: with_colours(weight=ROWS[:, 0])[0]])
def test_a_file_that_is_cut_off_anywhere_is_refused_before_lightgbm_reads_it(tmp_path, make):
    path = saved(make(), tmp_path)
    whole = path.read_bytes()
    end = whole.rindex(b"\npandas_categorical")
    for size in (*range(0, end, 97), *range(end + 2, len(whole) - 1)):
        path.write_bytes(whole[:size])
        with pytest.raises(ZeroMindError) as caught:
            LightgbmAdapter(Source(ModelFile(path)))
        assert caught.value.kind is ErrorKind.LOAD_FAILED


def test_a_file_that_was_not_saved_from_python_is_whole(tmp_path):
    model = classifier()
    path = saved(model, tmp_path)
    text = path.read_text()
    path.write_text(text[: text.index("\npandas_categorical:")])
    answer = LightgbmAdapter(Source(ModelFile(path))).predict({"input": ROWS})
    np.testing.assert_array_equal(answer["probabilities"], asked(model.booster_, ROWS))


def test_trees_of_another_length_than_the_file_says_are_refused(tmp_path):
    path = saved(regressor(), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"shrinkage=1\n", b"", 1))
    with pytest.raises(ZeroMindError, match="not as long as it says"):
        LightgbmAdapter(Source(ModelFile(path)))


REGRESSORS = {
    "trees": regressor,
    "dart": lambda: regressor(boosting_type="dart"),
    "linear trees": lambda: regressor(linear_tree=True),
    "quantile": lambda: regressor(objective="quantile"),
    "own objective": lambda: regressor(objective=lambda its, mine: (mine - its, np.ones_like(its))).booster_,
    "poisson": lambda: lightgbm.LGBMRegressor(objective="poisson", **TINY).fit(ROWS, CLASSES),
    "chances": lambda: lightgbm.LGBMRegressor(objective="cross_entropy", **TINY).fit(ROWS, CLASSES / 2),
    "ranker": lambda: lightgbm.LGBMRanker(**TINY).fit(ROWS, CLASSES, group=[60, 60]),
}


@pytest.mark.parametrize("kind", REGRESSORS)
def test_regressors_and_rankers_give_what_their_wrapper_gives(tmp_path, kind):
    with importing.silence():
        model = REGRESSORS[kind]()
    adapter = serve(model, tmp_path)
    expected = asked(model, ROWS)
    assert adapter.spec.inputs == (TensorSpec("input", "FP64", (None, 4)),)
    assert adapter.spec.outputs == (TensorSpec("prediction", "FP64", (None,)),)
    np.testing.assert_array_equal(adapter.predict({"input": ROWS})["prediction"], expected)
    np.testing.assert_array_equal(adapter.predict({"input": ROWS[7:8]})["prediction"], expected[7:8])


@pytest.mark.parametrize("settings", [{}, {"objective": "multiclassova"}, FOREST])
@pytest.mark.parametrize("classes", [CLASSES, (CLASSES > 0).astype(int)])
def test_classes_are_counted_and_have_probabilities(tmp_path, settings, classes):
    if settings.get("objective") and classes.max() < 2:
        pytest.skip("of two classes it is binary")
    model = classifier(classes, **settings)
    answer = serve(model, tmp_path).predict({"input": ROWS})
    np.testing.assert_array_equal(answer["label"], asked(model, ROWS))
    with importing.silence():
        np.testing.assert_array_equal(answer["probabilities"], model.predict_proba(ROWS))


def test_raw_scores_and_fewer_iterations_on_request(tmp_path):
    model = classifier()
    raw = (TensorSpec("raw", "FP64", (None, 3)),)
    np.testing.assert_array_equal(
        serve(model, tmp_path, outputs=raw).predict({"input": ROWS})["raw"], asked(model.booster_, ROWS, raw_score=True)
    )
    for count in (1, 3):
        answer = serve(model, tmp_path, options={"iterations": count}).predict({"input": ROWS})
        np.testing.assert_array_equal(answer["probabilities"], asked(model.booster_, ROWS, num_iteration=count))
    with pytest.raises(ZeroMindError, match="from 1 to 3") as caught:
        serve(model, tmp_path, options={"iterations": 4})
    assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE


def test_missing_and_infinite_values(tmp_path):
    model = regressor()
    rows = ROWS.copy()
    rows[::3, 0], rows[::4, 1], rows[1::4, 2] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(serve(model, tmp_path).predict({"input": rows})["prediction"], asked(model, rows))


def test_categories_are_sent_by_name_and_unknown_ones_are_missing(tmp_path):
    model, table = with_colours(weight=ROWS[:, 0], size=pd.Categorical(CLASSES + 40))
    adapter = serve(model, tmp_path)
    assert [(spec.name, spec.datatype) for spec in adapter.spec.inputs] == [("the_colour", "BYTES"), ("weight", "FP64"), ("size", "FP64")]
    columns = {
        "the_colour": np.array([colour.encode() for colour in COLOURS], object)[:, None],
        "weight": ROWS[:, :1],
        "size": (CLASSES + 40.0)[:, None],
    }
    np.testing.assert_array_equal(adapter.predict(columns)["prediction"], asked(model, table))
    table["the colour"] = table["the colour"].where(table["the colour"] != "red")
    table["size"] = table["size"].where(table["size"] != 41)
    columns["the_colour"][COLOURS == "red"] = b"purple"
    columns["size"][CLASSES == 1] = 7
    np.testing.assert_array_equal(adapter.predict(columns)["prediction"], asked(model, table))


def test_categories_of_unknown_columns_need_their_places(tmp_path):
    model, table = with_colours(size=pd.Categorical(CLASSES + 40), fit={"categorical_feature": ["the colour"]})
    with pytest.raises(ZeroMindError, match="which columns its categories are of: give 'inputs'") as caught:
        serve(model, tmp_path)
    assert caught.value.kind is ErrorKind.INPUT_SPEC
    places = np.stack([table[name].cat.codes for name in table], axis=1).astype(np.float64)
    answer = serve(model, tmp_path, inputs=(TensorSpec("input", "FP64", (None, 2)),)).predict({"input": places})
    np.testing.assert_array_equal(answer["prediction"], asked(model, table))


def test_inputs_that_do_not_make_the_columns_are_refused(tmp_path):
    with pytest.raises(ZeroMindError, match="the model has 4 columns") as caught:
        serve(regressor(), tmp_path, inputs=(TensorSpec("input", "FP64", (None, 3)),))
    assert caught.value.kind is ErrorKind.INPUT_SPEC


def test_several_threads_give_the_same(tmp_path):
    model = regressor()
    np.testing.assert_array_equal(serve(model, tmp_path, threads=2).predict({"input": ROWS})["prediction"], asked(model, ROWS))
