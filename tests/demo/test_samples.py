"""The demo's samples, its model file and the strokes it learned from, without a framework."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "mnist_cnn_model.keras"
DEMO = ROOT / "examples" / "demo"


@pytest.fixture
def demo(monkeypatch):
    """Import a module of examples/demo by its short name, for one test."""
    monkeypatch.syspath_prepend(str(DEMO))
    # The names are short: another's module of the same name must not be taken for it, nor find it afterwards.
    names = {path.stem for path in DEMO.glob("*.py")}
    others = {name: sys.modules.pop(name) for name in names & sys.modules.keys()}
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(others)


@pytest.mark.parametrize("digit", range(10))
def test_sample_is_an_opaque_drawing_light_on_dark(digit):
    with Image.open(ROOT / "samples" / f"image{digit}.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (100, 100))
        pixels = np.asarray(image)
    assert (pixels[..., 3] == 255).all()
    assert pixels[0, :, :3].max() < 40
    assert pixels[..., :3].max() == 255
    assert pixels[..., :3].mean() < 80


@pytest.mark.parametrize("digit", range(10))
def test_sample_is_what_its_script_draws(demo, digit):
    module = demo("draw_samples")
    with Image.open(ROOT / "samples" / f"image{digit}.png") as image:
        # Pillow's versions may round an edge differently.
        drawn = np.asarray(module.sample(digit, module.SEEDS[digit]), int)
        assert np.abs(drawn - np.asarray(image, int)).mean() < 2


def test_model_is_a_file_of_keras_2_0_8():
    assert MODEL.stat().st_size < 2_000_000
    assert MODEL.read_bytes()[:8] == b"\x89HDF\r\n\x1a\n"
    with h5py.File(MODEL, "r") as file:
        assert text(file.attrs["keras_version"]) == "2.0.8"
        assert text(file.attrs["backend"]) == "tensorflow"
        config = json.loads(file.attrs["model_config"])
        weights = file["model_weights"]
        names = [text(name) for name in weights.attrs["layer_names"]]
        kernel = weights["conv2d_1"]["conv2d_1/kernel:0"]
        assert kernel.dtype == np.float32
        assert kernel.shape == (5, 5, 1, 32)
        assert [text(name) for name in weights["dense_2"].attrs["weight_names"]] == ["dense_2/kernel:0", "dense_2/bias:0"]
    assert config["class_name"] == "Sequential"
    layers = config["config"]
    assert isinstance(layers, list)
    assert [layer["config"]["name"] for layer in layers] == names
    assert (names[0], names[-1]) == ("conv2d_1", "dense_2")
    assert layers[0]["config"]["batch_input_shape"] == [None, 28, 28, 1]
    assert layers[0]["config"]["dtype"] == "float32"
    assert layers[-1]["config"]["activation"] == "softmax"


def test_model_recognises_every_sample_with_confidence(demo):
    check, canvas = demo("check"), demo("canvas")
    confidences = check.predict(MODEL, canvas.tensor(check.samples()))
    assert confidences.argmax(axis=1).tolist() == list(range(10))
    assert confidences.max(axis=1).min() > 0.9
    assert np.allclose(confidences.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("digit", range(10))
def test_strokes_are_centred_and_of_unit_size(demo, digit):
    strokes = demo("strokes")
    for seed in range(20):
        paths = strokes.write(digit, np.random.default_rng(seed))
        points = np.vstack(paths)
        assert all(path.ndim == 2 and path.shape[1] == 2 and len(path) > 1 for path in paths)
        assert np.isfinite(points).all()
        assert np.ptp(points, axis=0).max() == pytest.approx(1)
        assert np.abs(points.min(axis=0) + points.max(axis=0)).max() < 1e-9


def test_strokes_repeat_with_their_seed_and_vary_without(demo):
    strokes = demo("strokes")
    first, again, other = (np.vstack(strokes.write(8, np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


@pytest.mark.parametrize(("digit", "forms"), [(1, {1, 2}), (4, {2}), (5, {1, 2}), (7, {1, 2}), (8, {1, 2})])
def test_strokes_know_several_forms(demo, digit, forms):
    strokes = demo("strokes")
    assert {len(strokes.write(digit, np.random.default_rng(seed))) for seed in range(60)} == forms


def test_canvas_draws_ink_on_ground_within_the_frame(demo):
    canvas, strokes = demo("canvas"), demo("strokes")
    how = canvas.Pose(size=0.8, across=0.05, down=-0.05, tilt=10, width=0.08, ink=200, ground=40, blur=0)
    image = canvas.draw(strokes.write(3, np.random.default_rng(4)), how, 100)
    assert set(np.unique(np.asarray(image))) == {40, 200}
    small = canvas.shrink(image)
    assert (small.shape, small.dtype) == ((28, 28), np.uint8)
    assert canvas.tensor(small[None]).shape == (1, 28, 28, 1)


def text(value: str | bytes) -> str:
    """Return an HDF5 string, whichever way h5py gives it."""
    return value.decode() if isinstance(value, bytes) else value
