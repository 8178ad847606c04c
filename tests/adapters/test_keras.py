import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from zeromind import importing
from zeromind.adapters import keras_backend
from zeromind.adapters.base import Source, check_options
from zeromind.adapters.file import ModelFile
from zeromind.adapters.keras import KerasAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec, find

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def keras():
    return keras_backend.keras_module(1, "cpu")


@pytest.fixture
def save(tmp_path):
    def save(model, name="model.keras"):
        # Keras reads its variables in a way that numpy 2 deprecates.
        with importing.silence():
            model.save(tmp_path / "model.keras")
        return (tmp_path / "model.keras").rename(tmp_path / name)

    return save


def called(model, inputs):
    """What Keras itself answers, in the form of its outputs."""
    keras = keras_backend.keras_module(1, "cpu")
    with importing.silence():
        return keras.tree.map_structure(keras.ops.convert_to_numpy, model(inputs))


def load(path, batch=2, **more):
    return KerasAdapter(Source(ModelFile(path), options={"batch_sizes": [batch]} if batch else {}, **more))


def refusal(path, **more):
    with pytest.raises(ZeroMindError) as caught:
        load(path, **more)
    return caught.value


def dense(keras, units=2, columns=3, **more):
    return keras.Sequential([keras.Input((columns,), name="rows"), keras.layers.Dense(units, name="out", **more)])


def rows(count, columns=3):
    return RANDOM.normal(size=(count, columns)).astype(np.float32)


def rewritten(path, change):
    """The archive with its configuration changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = change(members["config.json"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["m.keras", "m.zip", "m"])
def test_an_archive_is_known_and_served_under_any_name(name, keras, save):
    model = dense(keras, activation="softmax")
    path = save(model, name)
    assert KerasAdapter.recognises(ModelFile(path))
    adapter = load(path)
    assert adapter.spec.inputs == (TensorSpec("rows", "FP32", (None, 3), ("rows:0",)),)
    assert adapter.spec.outputs == (TensorSpec("out", "FP32", (None, 2), ("out:0",)),)
    values = rows(2)
    np.testing.assert_allclose(adapter.predict({"rows": values})["out"], called(model, values), rtol=1e-5)


def test_other_archives_are_not_keras(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    assert not KerasAdapter.recognises(ModelFile(tmp_path / "m.keras"))
    assert refusal(tmp_path / "m.keras").kind is ErrorKind.LOAD_FAILED


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 20])
def test_a_batch_of_any_size_gets_the_answers_of_its_rows(count, keras, save):
    model = dense(keras)
    adapter = KerasAdapter(Source(ModelFile(save(model)), options={"batch_sizes": [8, 2]}))
    values = rows(count)
    answer = adapter.predict({"rows": values})["out"]
    assert answer.shape == (count, 2)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, called(model, values), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_weights_are_the_same_as_constants_and_as_arguments(limit, keras, save, monkeypatch):
    monkeypatch.setattr(keras_backend, "_CONSTANT_BYTES", limit)
    model, values = dense(keras, activation="tanh"), rows(3)
    np.testing.assert_allclose(load(save(model)).predict({"rows": values})["out"], called(model, values), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"batch_sizes": [2, 5]}])
def test_no_batch_waits_for_a_compiler(options, keras, save):
    monitoring = pytest.importorskip("jax.monitoring")
    if not keras_backend.specialises(keras):
        pytest.skip("this backend compiles no shapes")
    events = []

    def listen(event, *_, **__):
        events.append(event)

    monitoring.register_event_duration_secs_listener(listen)
    try:
        adapter = KerasAdapter(Source(ModelFile(save(dense(keras))), options=options, max_batch_size=12))
        assert any("compile" in event for event in events)
        events.clear()
        for count in (*range(14), 40):
            assert len(adapter.predict({"rows": rows(count)})["out"]) == count
        assert not events
    finally:
        monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize("value", [None, 4, [], [0], [-1], [1.5], ["8"], [True]])
def test_batch_sizes_that_are_none_are_refused(value, keras, save):
    with pytest.raises(ZeroMindError) as caught:
        KerasAdapter(Source(ModelFile(save(dense(keras))), options={"batch_sizes": value}))
    assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE


def test_its_only_task_key_is_batch_sizes():
    check_options(KerasAdapter, {"batch_sizes": [1]})
    with pytest.raises(ZeroMindError):
        check_options(KerasAdapter, {"batch_size": 1})


@pytest.mark.parametrize("form", [list, dict])
def test_several_inputs_and_outputs_have_their_names(form, keras, save):
    left, right = keras.Input((3,), name="b_left"), keras.Input((2,), name="a_right")
    total = keras.layers.Dense(2, name="total")(keras.layers.Concatenate()([left, right]))
    both = keras.layers.Dense(1, name="both")(total)
    ends = [left, right], [total, both]
    if form is dict:
        ends = {"b_left": left, "a_right": right}, {"z": total, "y": both}
    model = keras.Model(*ends)
    given = {"b_left": rows(2), "a_right": rows(2, 2)}
    adapter = load(save(model))
    assert {spec.name: spec.shape for spec in adapter.spec.inputs} == {"b_left": (None, 3), "a_right": (None, 2)}
    assert {spec.name: spec.shape for spec in adapter.spec.outputs} == {"total": (None, 2), "both": (None, 1)}
    answer = adapter.predict(given)
    expected = called(model, given if form is dict else list(given.values()))
    total, both = (expected["z"], expected["y"]) if form is dict else expected
    np.testing.assert_allclose(answer["total"], total, rtol=1e-5)
    np.testing.assert_allclose(answer["both"], both, rtol=1e-5)
    given["a_right"] = rows(1, 2)
    with pytest.raises(ValueError, match="different numbers of rows"):
        adapter.predict(given)


def test_one_layer_with_two_outputs_gets_two_names(keras, save):
    shared, left, right = keras.layers.Dense(2, name="d"), keras.Input((3,), name="l"), keras.Input((3,), name="r")
    adapter = load(save(keras.Model([left, right], [shared(left), shared(right)])))
    assert [spec.name for spec in adapter.spec.outputs] == ["d", "d_1"]


def test_token_ids_stay_integers(keras, save):
    model = keras.Sequential([keras.Input((4,), dtype="int32", name="ids"), keras.layers.Embedding(9, 3), keras.layers.Flatten(name="f")])
    adapter = load(save(model))
    assert adapter.spec.inputs[0].datatype == "INT32"
    ids = np.array([[0, 1, 2, 8], [3, 3, 3, 3]], np.int32)
    np.testing.assert_array_equal(adapter.predict({"ids": ids})["f"], called(model, ids))


def test_dimensions_beside_the_batch_may_be_open(keras, save):
    model = keras.Sequential([keras.Input((None, 3), name="x"), keras.layers.LSTM(2, name="y")])
    adapter = load(save(model))
    assert adapter.spec.inputs[0].shape == (None, None, 3)
    for length in (1, 4):
        values = RANDOM.normal(size=(3, length, 3)).astype(np.float32)
        np.testing.assert_allclose(adapter.predict({"x": values})["y"], called(model, values), rtol=1e-4, atol=1e-6)


def test_a_fixed_batch_is_filled_and_cut(keras, save):
    model = keras.Sequential([keras.Input(batch_shape=(4, 3), name="x"), keras.layers.Dense(2, name="y")])
    adapter = load(save(model), batch=None)
    assert adapter.spec.batches
    assert adapter.spec.inputs[0].shape == (None, 3)
    values = rows(7)
    with importing.silence():
        weights, bias = model.get_weights()
    np.testing.assert_allclose(adapter.predict({"x": values})["y"], values @ weights + bias, rtol=1e-5, atol=1e-6)


def test_a_model_across_its_rows_is_not_batched(keras, save):
    whole = keras.Input(batch_shape=(3, 2), name="x")
    adapter = load(save(keras.Model(whole, keras.ops.sum(whole, axis=0))), batch=None)
    assert not adapter.spec.batches
    assert [spec.shape for spec in (*adapter.spec.inputs, *adapter.spec.outputs)] == [(3, 2), (2,)]
    values = rows(3, 2)
    (total,) = adapter.predict({"x": values}).values()
    np.testing.assert_allclose(total, values.sum(0), rtol=1e-5)


def test_requests_do_not_share_the_state_of_a_stateful_layer(keras, save):
    model = keras.Sequential([keras.Input(batch_shape=(1, 2, 3), name="x"), keras.layers.LSTM(2, stateful=True, name="y")])
    adapter = load(save(model), batch=None)
    values = RANDOM.normal(size=(1, 2, 3)).astype(np.float32)
    np.testing.assert_array_equal(adapter.predict({"x": values})["y"], adapter.predict({"x": values})["y"])


def test_brain_floats_are_float32_inside(keras, save):
    adapter = load(save(dense(keras, dtype="mixed_bfloat16")))
    assert adapter.spec.outputs[0].datatype == "BF16"
    assert adapter.predict({"rows": rows(2)})["out"].dtype == np.float32


def test_what_random_layers_do_in_training_does_not_happen(keras, save):
    layers = [
        keras.Input((3,), name="x"),
        keras.layers.Dropout(0.9),
        keras.layers.BatchNormalization(),
        keras.layers.GaussianNoise(0.9, name="y"),
    ]
    values = rows(2)
    answer = load(save(keras.Sequential(layers))).predict({"x": values})["y"]
    np.testing.assert_allclose(answer, values / np.sqrt(1 + 1e-3), rtol=1e-5)


def test_an_archive_that_marks_shared_layers_loads(keras, save):
    def mark(data):
        config = json.loads(data)
        config["config"]["layers"][1]["shared_object_id"] = 7
        return json.dumps(config).encode()

    model, values = dense(keras), rows(2)
    np.testing.assert_allclose(load(rewritten(save(model), mark)).predict({"rows": values})["out"], called(model, values), rtol=1e-5)


def test_a_nested_model_gets_its_weights(keras, save):
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization()])
    model = keras.Sequential([keras.Input((3,), name="x"), inner, keras.layers.Dense(2, name="y")])
    values = rows(2)
    np.testing.assert_allclose(load(save(model)).predict({"x": values})["y"], called(model, values), rtol=1e-5, atol=1e-6)


def test_the_tasks_own_interface_must_name_the_models_tensors(keras, save):
    path = save(dense(keras))
    load(path, inputs=(TensorSpec("rows:0", "FP32", (None, 3)),), outputs=(TensorSpec("out", "FP32", (None, 2)),))
    assert refusal(path, inputs=(TensorSpec("other", "FP32", (None, 3)),)).kind is ErrorKind.INPUT_SPEC
    assert refusal(path, outputs=(TensorSpec("other", "FP32", (None, 2)),)).kind is ErrorKind.OUTPUT_SPEC


def test_a_model_without_an_interface_gets_it_from_the_task(keras, save):
    model = keras.Sequential([keras.layers.Dense(2, name="out")])
    values = rows(2)
    called(model, values)
    path = rewritten(save(model), without_shape)
    assert refusal(path).kind is ErrorKind.INPUT_SPEC
    assert refusal(path, inputs=(TensorSpec("x", "FP32", (3,)),)).kind is ErrorKind.INPUT_SPEC
    adapter = load(path, inputs=(TensorSpec("x", "FP32", (None, 3)),))
    np.testing.assert_allclose(next(iter(adapter.predict({"x": values}).values())), called(model, values), rtol=1e-5)


def without_shape(data):
    config = json.loads(data)
    config["config"].pop("build_input_shape", None)
    config["config"]["layers"] = [layer for layer in config["config"]["layers"] if layer["class_name"] != "InputLayer"]
    config.pop("build_config", None)
    for layer in config["config"]["layers"]:
        layer.pop("build_config", None)
    return json.dumps(config).encode()


@pytest.fixture
def with_code(keras, save):
    lambda_layer = keras.layers.Lambda(lambda x: x * 2, output_shape=(3,), name="twice")
    return save(keras.Sequential([keras.Input((3,), name="x"), lambda_layer]))


def test_a_lambda_needs_the_operators_word(with_code):
    assert "'twice'" in KerasAdapter.carries_code(ModelFile(with_code))
    assert refusal(with_code).kind is ErrorKind.CODE_NOT_ALLOWED
    np.testing.assert_array_equal(load(with_code, allow_code=True).predict({"x": np.ones((2, 3), np.float32)})["twice"], np.full((2, 3), 2))


def test_code_that_went_unseen_is_still_loaded_safely_only(with_code, monkeypatch):
    monkeypatch.setattr(KerasAdapter, "carries_code", classmethod(lambda cls, file: ""))
    assert refusal(with_code).kind is ErrorKind.LOAD_FAILED


@pytest.mark.parametrize(
    "part",
    [
        {"class_name": "Thing", "module": "os.path", "registered_name": None, "config": {}},
        {"class_name": "function", "module": "subprocess", "registered_name": "call", "config": "call"},
        {"class_name": "eval", "module": "builtins", "registered_name": None, "config": {}},
        {"class_name": "Thing", "module": None, "registered_name": "mine>Thing", "config": {}},
        {"class_name": "TFSMLayer", "module": "keras.layers", "registered_name": None, "config": {"filepath": "x"}},
        {"class_name": "__lambda__", "config": {"value": "4wE="}},
    ],
)
def test_what_lies_outside_keras_is_code(part, keras, save):
    def change(data):
        config = json.loads(data)
        config["config"]["layers"].append(part)
        return json.dumps(config).encode()

    path = rewritten(save(dense(keras)), change)
    assert KerasAdapter.carries_code(ModelFile(path))
    assert refusal(path).kind is ErrorKind.CODE_NOT_ALLOWED


def test_an_ordinary_archive_is_no_code(keras, save):
    assert KerasAdapter.carries_code(ModelFile(save(dense(keras, activation="relu", kernel_regularizer="l2")))) == ""


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"{}", b'"x"', b"\xff", b"[" * 100_000, b'{"class_name": "Nothing", "config": {}}'])
def test_a_configuration_that_is_none_is_a_sentence(data, keras, save):
    error = refusal(rewritten(save(dense(keras)), lambda _: data))
    assert error.kind is ErrorKind.LOAD_FAILED
    assert "\n" not in error.message


def test_a_configuration_beyond_bounds_is_not_read(keras, save):
    path = rewritten(save(dense(keras)), lambda data: data + b" " * (16 << 20))
    assert "16 MiB" in refusal(path).message


def test_an_archive_without_its_weights_is_a_sentence(keras, save):
    path = save(dense(keras))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if not name.endswith(".h5")}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert refusal(path).kind is ErrorKind.LOAD_FAILED


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_truncated_archive_is_a_sentence(part, keras, save):
    path = save(dense(keras))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    error = refusal(path)
    assert error.kind is ErrorKind.LOAD_FAILED
    assert "\n" not in error.message


def test_names_as_tensorflow_writes_them_are_understood(keras, save):
    spec = load(save(dense(keras))).spec
    assert find(spec.inputs, "rows:0") is spec.inputs[0]
    assert find(spec.outputs, "out:0") is spec.outputs[0]
    assert find(spec.outputs, "out_1:0") is None


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.keras import KerasAdapter

file = ModelFile(Path(sys.argv[1]))
assert KerasAdapter.recognises(file) and KerasAdapter.carries_code(file) == ""
assert not {"keras", "jax", "torch", "tensorflow"} & set(sys.modules)
KerasAdapter(Source(file, options={"batch_sizes": [1]})).predict({"rows": np.zeros((1, 3), np.float32)})
import keras
print(keras.config.backend())
"""


def test_the_backend_is_found_and_keeps_quiet(keras, save, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    command = [sys.executable, "-W", "default", "-c", PROGRAM, str(save(dense(keras)))]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{keras.config.backend()}\n", "")


def test_a_backend_that_is_not_there_is_named(keras, save, tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(save(dense(keras)))]
    environment = {**os.environ, "KERAS_BACKEND": "nonsense"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert "Keras does not start on 'nonsense'" in ran.stderr


def test_a_folder_that_is_called_like_a_backend_is_none(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "backend_of_this_test").mkdir()
    assert not keras_backend._installed("backend_of_this_test")
    (tmp_path / "backend_of_this_test" / "__init__.py").touch()
    assert keras_backend._installed("backend_of_this_test")
