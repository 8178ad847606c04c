"""A model of each family of keras.applications, saved in both forms, served over HTTP and compared with Keras' own prediction."""

import contextlib
import io
import math

import numpy as np
import pytest
import tritonclient.http

from zeromind import importing
from zeromind.adapters import keras_backend

RANDOM = np.random.default_rng(0)
BYTES, SIGNED = (0, 255), (-1, 1)
"""The numbers that its pictures have: some scale them themselves."""
SMALLEST = {
    "ConvNeXtTiny": (32, BYTES),
    "DenseNet121": (32, SIGNED),
    "EfficientNetB0": (32, BYTES),
    "EfficientNetV2B0": (32, BYTES),
    "InceptionResNetV2": (75, SIGNED),
    "InceptionV3": (75, SIGNED),
    "MobileNet": (32, SIGNED),
    "MobileNetV2": (32, SIGNED),
    "MobileNetV3Small": (32, BYTES),
    "NASNetMobile": (32, SIGNED),
    "ResNet50": (32, SIGNED),
    "ResNet50V2": (32, SIGNED),
    "VGG16": (32, SIGNED),
    "VGG19": (32, SIGNED),
    "Xception": (71, SIGNED),
}
"""The smallest member of each family, the smallest picture that it takes, and the numbers in it."""
QUICK = ("MobileNetV3Small",)
LOUDER = {"EfficientNetB0": 1.3}
"""Where gates and activations damp pictures so much that all would look the same: by how much weights are larger."""
TOLERANCE = 1e-4
"""Of the largest number: XLA may add up in another order for another batch size, through up to hundreds of layers."""


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("jax")
    return keras_backend.keras_module(1, "cpu")


def scaled(initializer, shape, dtype=None, **_):
    """Weights through which pictures are still told apart at the end; drawn by numpy, since compiling for every shape takes minutes."""
    fan = math.prod(shape[:-2] if shape[-1] == 1 else shape[:-1])
    return RANDOM.normal(scale=math.sqrt(2 / fan), size=shape).astype(dtype or np.float32)


SLOW = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", params=[pytest.param(name, marks=[] if name in QUICK else SLOW) for name in SMALLEST])
def saved(request, keras, tmp_path_factory):
    """The folder with the model as ``m.keras`` and ``m.h5``, three pictures, and what Keras says to them."""
    size, (least, most) = SMALLEST[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch, importing.silence(), contextlib.redirect_stdout(io.StringIO()):
        for name in ("VarianceScaling", "TruncatedNormal", "RandomNormal"):
            patch.setattr(getattr(keras.initializers, name), "__call__", scaled)
        family = getattr(keras.applications, request.param)
        model = family(weights=None, input_shape=(size, size, 3), classes=5, classifier_activation=None)
        louder = LOUDER.get(request.param, 1.0)
        # Fresh normalizations do nothing: weights that were exchanged or forgotten would not show.
        for variable in model.weights:
            if len(variable.shape) == 1 and variable.dtype == "float32":
                variable.assign(np.abs(np.asarray(variable) + RANDOM.normal(scale=0.1, size=variable.shape).astype(np.float32)))
            elif louder != 1:
                variable.assign(np.asarray(variable) * louder)
        for layer in model.layers:
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()  # it computes with copies of its weights
        noise = RANDOM.uniform(0, 1, (3, size, size, 3)) * RANDOM.uniform(0, 1, (3, 1, 1, 3))
        pictures = (least + (most - least) * noise).astype(np.float32)
        expected = model.predict(pictures, verbose=0)
        for form in ("keras", "h5"):
            model.save(folder / f"m.{form}")
    assert np.isfinite(expected).all()
    assert expected.std(axis=0).max() > 1e-3 * np.abs(expected).max(), "all pictures look the same to it"
    return folder, pictures, expected


@pytest.fixture(scope="module")
def pool(thread_server, tmp_path_factory):
    with thread_server(roots=[str(tmp_path_factory.getbasetemp())]) as client:
        yield client


@pytest.mark.parametrize("form", ["keras", "h5"])
def test_it_predicts_as_keras_does(saved, form, pool):
    folder, pictures, expected = saved
    task = {"id": "m", "model_file": str(folder / f"m.{form}"), "batch_sizes": [3], "isolation": "thread"}
    pool.serve(task)
    assert pool.get("/model/info?id=m").json["tool"] == "keras"
    try:
        about = pool.get("/v2/models/m").json
        with tritonclient.http.InferenceServerClient(pool.address, network_timeout=300) as client:
            for rows in (slice(None), slice(1, 2)):
                given = tritonclient.http.InferInput(about["inputs"][0]["name"], pictures[rows].shape, "FP32")
                given.set_data_from_numpy(pictures[rows])
                mine = client.infer("m", [given]).as_numpy(about["outputs"][0]["name"])
                np.testing.assert_allclose(mine, expected[rows], rtol=0, atol=TOLERANCE * np.abs(expected).max())
    finally:
        assert pool.drop("m").status == 200
