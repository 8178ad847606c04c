"""Files of Keras 1 and 2 written by hand, served over HTTP and compared with arithmetic by numpy."""

import json

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")
RANDOM = np.random.default_rng(0)
UNSET = dict.fromkeys(("W_regularizer", "b_regularizer", "activity_regularizer", "W_constraint", "b_constraint"))
KERNEL = RANDOM.normal(size=(3, 3, 2, 4)).astype(np.float32)
BIAS = RANDOM.normal(size=4).astype(np.float32)
WEIGHTS = RANDOM.normal(size=(2 * 3 * 4, 3)).astype(np.float32)
SHIFT = RANDOM.normal(size=3).astype(np.float32)
PICTURES = RANDOM.normal(size=(3, 5, 7, 2)).astype(np.float32)


def write(path, version, layers, weights):
    """``weights``: the values of each layer by their names in the file."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version.encode()
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": layers}).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [layer["config"]["name"].encode() for layer in layers]
        for layer in layers:
            name = layer["config"]["name"]
            held, inner = weights.get(name, {}), group.create_group(name)
            inner.attrs["weight_names"] = [weight.encode() for weight in held]
            for weight, value in held.items():
                inner[weight] = value
    return path


def keras_1(path, ordering):
    """Convolution, pooling and a dense layer in Keras 1.2's words, with Theano's order of dimensions (th) or TensorFlow's (tf)."""
    shape, kernel = ([2, 5, 7], KERNEL.transpose(3, 2, 0, 1)) if ordering == "th" else ([5, 7, 2], KERNEL)
    size = {"nb_filter": 4, "nb_row": 3, "nb_col": 3, "subsample": [2, 2], "border_mode": "same", "dim_ordering": ordering}
    first = {"batch_input_shape": [None, *shape], "input_dtype": "float32", "trainable": True, "init": "glorot_uniform", "bias": True}
    decay = {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01}
    pool = {"pool_size": [2, 2], "strides": [1, 1], "border_mode": "valid", "dim_ordering": ordering, "trainable": True}
    dense = {"output_dim": 3, "input_dim": None, "init": "uniform", "bias": True, "trainable": True, "activation": "softmax"}
    layers = [
        ("Convolution2D", {**UNSET, **first, **size, "name": "convolution2d_1", "activation": "relu", "W_regularizer": decay}),
        ("MaxPooling2D", {**pool, "name": "maxpooling2d_1"}),
        ("Dropout", {"p": 0.5, "name": "dropout_1", "trainable": True}),
        ("Flatten", {"name": "flatten_1", "trainable": True}),
        ("Dense", {**UNSET, **dense, "name": "dense_1"}),
    ]
    values = {
        "convolution2d_1": {"convolution2d_1_W": kernel, "convolution2d_1_b": BIAS},
        "dense_1": {"dense_1_W": WEIGHTS, "dense_1_b": SHIFT},
    }
    return write(path, "1.2.2", [{"class_name": name, "config": config} for name, config in layers], values)


def keras_2(path):
    """The same in Keras 2.0.8's words, channels last, with a normalization that does something."""
    first = {"batch_input_shape": [None, 5, 7, 2], "dtype": "float32", "trainable": True, "use_bias": True, "dilation_rate": [1, 1]}
    size = {"filters": 4, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same", "data_format": "channels_last"}
    start = {"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}}
    decay = {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}}
    pool = {"pool_size": [2, 2], "strides": [1, 1], "padding": "valid", "data_format": "channels_last", "trainable": True}
    dense = {"units": 3, "activation": "softmax", "use_bias": True, "kernel_initializer": start, "kernel_constraint": None}
    normal = {"axis": -1, "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True, "trainable": True}
    layers = [
        ("Conv2D", {**first, **size, "name": "conv2d_1", "activation": "relu", "kernel_initializer": start, "kernel_regularizer": decay}),
        ("BatchNormalization", {**normal, "name": "batch_normalization_1"}),
        ("MaxPooling2D", {**pool, "name": "max_pooling2d_1"}),
        ("Flatten", {"name": "flatten_1", "trainable": True}),
        ("Dense", {**dense, "name": "dense_1"}),
    ]
    norm = dict(zip(("gamma", "beta", "moving_mean", "moving_variance"), NORMALIZED, strict=True))
    values = {
        "conv2d_1": {"conv2d_1/kernel:0": KERNEL, "conv2d_1/bias:0": BIAS},
        "batch_normalization_1": {f"batch_normalization_1/{name}:0": value for name, value in norm.items()},
        "dense_1": {"dense_1/kernel:0": WEIGHTS, "dense_1/bias:0": SHIFT},
    }
    return write(path, "2.0.8", [{"class_name": name, "config": config} for name, config in layers], values)


NORMALIZED = RANDOM.uniform(0.5, 1.5, (4, 4)).astype(np.float32)


def convolved(pictures):
    """Steps of two, padded so that every pixel counts: 5 by 7 pictures become 3 by 4 of them."""
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
    return np.maximum(np.einsum("nhwcij,ijcf->nhwf", windows, KERNEL) + BIAS, 0)


def pooled(pictures):
    return np.lib.stride_tricks.sliding_window_view(pictures, (2, 2), axis=(1, 2)).max(axis=(-1, -2))


def classified(flat):
    exponents = np.exp(flat @ WEIGHTS + SHIFT)
    return exponents / exponents.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def pool(thread_server, tmp_path_factory):
    with thread_server(roots=[str(tmp_path_factory.getbasetemp())]) as client:
        yield client


def check(pool, path, name, pictures, expected):
    pool.serve({"id": "m", "model_file": str(path), "batch_sizes": [3], "isolation": "thread"})
    try:
        for rows in (slice(None), slice(1, 2)):
            answer = pool.predict("m", {name: pictures[rows].tolist()})
            assert answer.status == 200, answer
            np.testing.assert_allclose(answer.json["result"]["dense_1/Softmax:0"], expected[rows], rtol=1e-4, atol=1e-6)
    finally:
        assert pool.drop("m").status == 200


@pytest.mark.parametrize("ordering", ["tf", "th"])
def test_a_file_of_keras_1(pool, ordering, tmp_path):
    seen = pooled(convolved(PICTURES))
    first, flat = (PICTURES, seen) if ordering == "tf" else (PICTURES.transpose(0, 3, 1, 2), seen.transpose(0, 3, 1, 2))
    path = keras_1(tmp_path / "nonsense", ordering)
    check(pool, path, "convolution2d_1_input:0", first, classified(flat.reshape(3, -1)))


def test_a_file_of_keras_2(pool, tmp_path):
    gamma, beta, mean, variance = NORMALIZED
    normal = (convolved(PICTURES) - mean) / np.sqrt(variance + 0.001) * gamma + beta
    path = keras_2(tmp_path / "nonsense")
    check(pool, path, "conv2d_1_input:0", PICTURES, classified(pooled(normal).reshape(3, -1)))
