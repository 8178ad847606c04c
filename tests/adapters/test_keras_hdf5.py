import io
import json
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zeromind.adapters import keras_hdf5
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.keras import KerasAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec, find

# Files that Keras 1.2.2 and Keras 2.0.8 themselves (over the first interface of TensorFlow) and TF-Keras wrote, each with a batch of
# inputs, the predictions on it, and the names that the tensors had.
WRITTEN = Path(__file__).with_name("keras_files.zip")
with zipfile.ZipFile(WRITTEN) as archive:
    NAMES = sorted(name.removesuffix(".h5") for name in archive.namelist() if name.endswith(".h5"))
GONE = "keras-2.0.8/locally"


def unpack(name, folder):
    with zipfile.ZipFile(WRITTEN) as written:
        path = folder / "model.keras"
        path.write_bytes(written.read(f"{name}.h5"))
        arrays = np.load(io.BytesIO(written.read(f"{name}.npz")))
        names = json.loads(written.read(f"{name}.json"))
    return path, [arrays[key] for key in arrays if key[0] == "x"], [arrays[key] for key in arrays if key[0] == "y"], names


def load(path, batch=2, **more):
    return KerasAdapter(Source(ModelFile(path), options={"batch_sizes": [batch]}, **more))


def refusal(path, **more):
    with pytest.raises(ZeroMindError) as caught:
        load(path, **more)
    return caught.value


@pytest.mark.parametrize("name", [name for name in NAMES if name != GONE])
def test_old_files_predict_as_the_keras_that_wrote_them(name, tmp_path):
    path, inputs, outputs, names = unpack(name, tmp_path)
    assert KerasAdapter.recognises(ModelFile(path))
    assert KerasAdapter.carries_code(ModelFile(path)) == ""
    adapter = load(path, len(inputs[0]))
    answer = adapter.predict({spec.name: array.astype(spec.dtype) for spec, array in zip(adapter.spec.inputs, inputs, strict=True)})
    for spec, expected in zip(adapter.spec.outputs, outputs, strict=True):
        np.testing.assert_allclose(answer[spec.name], expected, atol=2e-5)
    assert adapter.spec.batches
    if name.startswith("keras-2.0.8"):
        assert [spec.name for spec in adapter.spec.inputs] == names["inputs"]
        assert [spec.name for spec in adapter.spec.outputs] == names["outputs"]


def test_a_layer_that_keras_has_given_up_is_named(tmp_path):
    error = refusal(unpack(GONE, tmp_path)[0])
    assert error.kind is ErrorKind.LOAD_FAILED
    assert "'locally_connected1d_1'" in error.message
    assert "'LocallyConnected1D'" in error.message


def dense(name, units, inputs=None, **more):
    """A Dense layer as Keras 2.0.8 writes it."""
    first = {"batch_input_shape": [None, inputs], "dtype": "float32"} if inputs else {}
    scaling = {
        "class_name": "VarianceScaling",
        "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None},
    }
    settings = {"name": name, "trainable": True, "units": units, "activation": "linear", "use_bias": True, "kernel_initializer": scaling}
    unset = dict.fromkeys(("kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint"))
    zeros = {"bias_initializer": {"class_name": "Zeros", "config": {}}}
    return {"class_name": "Dense", "config": {**first, **settings, **unset, **zeros, **more}}


def write(path, config, weights, *, version="2.0.8", backend="tensorflow", class_name="Sequential"):
    """An HDF5 file as Keras 2 writes it; ``weights``: layer name to the names and values of its weights."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version.encode()
        file.attrs["backend"] = backend.encode()
        file.attrs["model_config"] = json.dumps({"class_name": class_name, "config": config}).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, held in weights.items():
            inner = group.create_group(layer)
            inner.attrs["weight_names"] = [f"{layer}/{name}:0".encode() for name in held]
            for name, value in held.items():
                inner[f"{layer}/{name}:0"] = value
    return path


RANDOM = np.random.default_rng(0)
KERNEL, BIAS = RANDOM.normal(size=(3, 2)).astype(np.float32), RANDOM.normal(size=2).astype(np.float32)
ROWS = RANDOM.normal(size=(2, 3)).astype(np.float32)
ONE = {"dense_2": {"kernel": KERNEL, "bias": BIAS}}


def softmax(values):
    exponents = np.exp(values - values.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


@pytest.fixture
def small(tmp_path):
    return write(tmp_path / "m", [dense("dense_2", 2, 3, activation="softmax")], ONE)


@pytest.mark.parametrize("file_name", ["mnist.keras", "m.h5", "m.hdf5", "m"])
def test_the_form_of_the_article_loads_under_any_name(file_name, tmp_path):
    adapter = load(write(tmp_path / file_name, [dense("dense_2", 2, 3, activation="softmax")], ONE))
    assert adapter.spec.inputs == (TensorSpec("dense_2_input:0", "FP32", (None, 3), (r"dense_2_input(_\d+)?(:0)?",)),)
    assert adapter.spec.outputs == (TensorSpec("dense_2/Softmax:0", "FP32", (None, 2), (r"dense_2(_\d+)?(/Softmax)?(:0)?",)),)
    np.testing.assert_allclose(adapter.predict({"dense_2_input:0": ROWS})["dense_2/Softmax:0"], softmax(ROWS @ KERNEL + BIAS), rtol=1e-5)


def test_names_of_a_second_load_mean_the_same_tensors(small):
    spec = load(small).spec
    for name in ("dense_2_input:0", "dense_2_input_1:0", "dense_2_input_12:0", "dense_2_input"):
        assert find(spec.inputs, name) is spec.inputs[0]
    for name in ("dense_2/Softmax:0", "dense_2_1/Softmax:0", "dense_2_1", "dense_2"):
        assert find(spec.outputs, name) is spec.outputs[0]
    for name in ("dense_1/Softmax:0", "dense_2_x/Softmax:0", "dense_2/Relu:0", "conv2d_1_input:0"):
        assert find(spec.outputs, name) is find(spec.inputs, name) is None


def test_names_are_taken_literally_however_they_look(tmp_path):
    weights = {"a+b(c": {"kernel": KERNEL, "bias": BIAS}}
    spec = load(write(tmp_path / "m", [dense("a+b(c", 2, 3)], weights)).spec
    assert find(spec.inputs, "a+b(c_input_1:0") is spec.inputs[0]
    assert find(spec.outputs, "a+b(c_1/BiasAdd:0") is spec.outputs[0]


def test_the_object_form_of_a_sequential_is_the_same_model(tmp_path):
    layers = [dense("dense_2", 2, 3, activation="softmax")]
    bare, full = (load(write(tmp_path / name, config, ONE)) for name, config in (("a", layers), ("b", {"name": "s", "layers": layers})))
    assert bare.spec == full.spec
    np.testing.assert_array_equal(*(next(iter(each.predict({"dense_2_input:0": ROWS}).values())) for each in (bare, full)))


def test_layers_that_call_each_other_again_and_again_are_followed(tmp_path):
    there, back = RANDOM.normal(size=(3, 2)).astype(np.float32), RANDOM.normal(size=(2, 3)).astype(np.float32)
    calls = {"a": [[["b", call, 0, {}]] for call in range(3)], "b": [[["x", 0, 0, {}]], [["a", 0, 0, {}]], [["a", 1, 0, {}]]]}
    layers = [{**dense(name, units, use_bias=False), "name": name, "inbound_nodes": calls[name]} for name, units in (("a", 3), ("b", 2))]
    settings = {"batch_input_shape": [None, 3], "dtype": "float32", "name": "x"}
    layers.append({"class_name": "InputLayer", "config": settings, "name": "x", "inbound_nodes": []})
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["a", 2, 0]]}
    adapter = load(write(tmp_path / "m", config, {"a": {"kernel": back}, "b": {"kernel": there}}, class_name="Model"))
    assert [spec.name for spec in adapter.spec.outputs] == ["a_2/MatMul:0"]
    answer = adapter.predict({"x:0": ROWS})["a_2/MatMul:0"]
    np.testing.assert_allclose(answer, ROWS @ np.linalg.matrix_power(there @ back, 3), rtol=1e-4)


def test_a_graph_that_leads_nowhere_is_a_sentence(tmp_path):
    layers = [{**dense("a", 2), "name": "a", "inbound_nodes": [[["a", 0, 0, {}]]]}]
    config = {"name": "m", "layers": layers, "input_layers": [["a", 0, 0]], "output_layers": [["a", 0, 0]]}
    error = refusal(write(tmp_path / "m", config, {}, class_name="Model"))
    assert (error.kind, "'a'" in error.message) == (ErrorKind.LOAD_FAILED, True)


def test_a_list_of_layers_beyond_an_attribute_is_read_from_its_parts(small):
    with h5py.File(small, "r+") as file:
        group = file["model_weights"]
        names = group.attrs["layer_names"]
        del group.attrs["layer_names"]
        group.attrs["layer_names0"], group.attrs["layer_names1"] = names[:1], names[1:]
    load(small)


def test_theanos_kernels_are_turned(tmp_path):
    settings = {"filters": 1, "kernel_size": [2, 2], "batch_input_shape": [None, 2, 2, 1], "name": "conv2d_1", "activation": "linear"}
    kernel = np.arange(4, dtype=np.float32).reshape(2, 2, 1, 1)
    config = [{"class_name": "Conv2D", "config": settings}]
    path = write(tmp_path / "m", config, {"conv2d_1": {"kernel": kernel, "bias": np.zeros(1, np.float32)}}, backend="theano")
    picture = np.array([[1, 10], [100, 1000]], np.float32).reshape(1, 2, 2, 1)
    assert load(path, 1).predict({"conv2d_1_input:0": picture})["conv2d_1/BiasAdd:0"].item() == 3 * 1 + 2 * 10 + 1 * 100


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3)])
def test_cudnn_layers_become_their_plain_twins(kind, gates, tmp_path):
    units, columns = 2, 3
    kernel, recurrent = RANDOM.normal(size=(columns, gates * units)), RANDOM.normal(size=(units, gates * units))
    bias = RANDOM.normal(size=(2, gates * units))
    shape = {"units": units, "batch_input_shape": [None, 4, columns]}
    plain_bias = bias.sum(0) if kind == "LSTM" else bias
    more = {"recurrent_activation": "sigmoid", "reset_after": True} if kind == "GRU" else {"recurrent_activation": "sigmoid"}
    plain = write(
        tmp_path / "plain",
        [{"class_name": kind, "config": {**shape, **more, "name": "r"}}],
        {"r": {"kernel": kernel, "recurrent_kernel": recurrent, "bias": plain_bias}},
    )
    # cuDNN keeps each gate's matrices transposed, in C order within the shape of the plain one.
    held = np.hstack([gate.T.reshape(gate.shape) for gate in np.hsplit(kernel, gates)])
    turned = np.hstack([gate.T for gate in np.hsplit(recurrent, gates)])
    cudnn = write(
        tmp_path / "cudnn",
        [{"class_name": f"CuDNN{kind}", "config": {**shape, "name": "r"}}],
        {"r": {"kernel": held, "recurrent_kernel": turned, "bias": bias.reshape(-1)}},
    )
    rows = RANDOM.normal(size=(2, 4, columns)).astype(np.float32)
    answers = [next(iter(load(path).predict({"r_input:0": rows}).values())) for path in (plain, cudnn)]
    np.testing.assert_allclose(*answers, rtol=1e-5)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({}, "'dense_2' has no weights"),
        ({"dense_2": {"kernel": KERNEL.T, "bias": BIAS}}, "of shape [3, 2], the file holds [2, 3]"),
        ({"dense_2": {"kernel": KERNEL}}, "takes 2 weights, the file holds 1"),
        ({**ONE, "dense_9": {"kernel": KERNEL}}, "'dense_9' is not in the model"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_layer(weights, words, tmp_path):
    error = refusal(write(tmp_path / "m", [dense("dense_2", 2, 3)], weights))
    assert error.kind is ErrorKind.LOAD_FAILED
    assert words in error.message


def test_weights_without_an_architecture_are_told_so(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["x"] = KERNEL
    assert not KerasAdapter.recognises(ModelFile(tmp_path / "w.h5"))
    error = refusal(tmp_path / "w.h5")
    assert error.kind is ErrorKind.LOAD_FAILED
    assert "weights only" in error.message


def test_an_architecture_without_an_input_shape_is_told_so(tmp_path):
    assert refusal(write(tmp_path / "m", [dense("dense_2", 2)], ONE)).kind is ErrorKind.INPUT_SPEC


@pytest.mark.parametrize("door", ["external file", "external link", "soft link"])
def test_weights_outside_the_file_are_not_read(door, small, tmp_path):
    (tmp_path / "secret").write_bytes(KERNEL.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["kernel"] = KERNEL
    with h5py.File(small, "r+") as file:
        group = file["model_weights/dense_2/dense_2"]
        del group["kernel:0"]
        if door == "external file":
            group.create_dataset("kernel:0", KERNEL.shape, "f4", external=[(str(tmp_path / "secret"), 0, KERNEL.nbytes)])
        else:
            path = str(tmp_path / "other.h5")
            group["kernel:0"] = h5py.ExternalLink(path, "/kernel") if door == "external link" else h5py.SoftLink("bias:0")
    assert refusal(small).kind is ErrorKind.LOAD_FAILED


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.99])
def test_a_truncated_file_is_a_sentence(part, small):
    whole = small.read_bytes()
    small.write_bytes(whole[: int(len(whole) * part)])
    error = refusal(small)
    assert error.kind is ErrorKind.LOAD_FAILED
    assert "\n" not in error.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4) | st.sampled_from(["Dense", "Sequential", "Model", "relu"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "layers", "class_name", "config", "units", "batch_input_shape"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_values, st.sampled_from(["Sequential", "Model", "Functional", "Dense"]), st.sampled_from(["1.2.2", "2.0.8"]))
def test_whatever_the_configuration_says_the_answer_is_a_known_error(tmp_path, config, class_name, version):
    error = refusal(write(tmp_path / "m", config, ONE, version=version, class_name=class_name))
    assert error.kind in (ErrorKind.LOAD_FAILED, ErrorKind.INPUT_SPEC, ErrorKind.CODE_NOT_ALLOWED)


def test_a_function_layer_is_code_and_needs_the_operators_word(tmp_path):
    function = {"class_name": "Lambda", "config": {"name": "lambda_1", "function_type": "lambda", "function": ["4wEAAAA=", None, None]}}
    path = write(tmp_path / "m", [dense("dense_2", 2, 3), function], ONE)
    assert "'lambda_1'" in KerasAdapter.carries_code(ModelFile(path))
    assert refusal(path).kind is ErrorKind.CODE_NOT_ALLOWED
    assert refusal(path, allow_code=True).kind is ErrorKind.LOAD_FAILED


def test_without_h5py_a_file_is_still_recognised(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert KerasAdapter.recognises(ModelFile(small))
    with pytest.raises(ZeroMindError) as caught:
        keras_hdf5.read(small)
    assert caught.value.kind is ErrorKind.MISSING_PACKAGE
