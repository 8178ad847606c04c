import base64
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.filters.base import Files
from zeromind.filters.scaled import ScaledImageFilter
from zeromind.tensors import TensorSpec

MNIST = TensorSpec("conv2d_1_input:0", "FP32", (None, 28, 28, 1))
CHANNELS = {"1": 1, "L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}


def encoded(image):
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


@st.composite
def images(draw, modes=("1", "L", "LA", "RGB", "RGBA", "P", "I;16", "gray RGB", "gray RGBA")):
    """Random pictures of 1 to 9 pixels a side, in every mode that PNG has, those for colours without any, too."""
    mode = draw(st.sampled_from(modes))
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    without, _, mode = mode.rpartition(" ")
    count = width * height * CHANNELS.get(mode, 3)
    data = np.frombuffer(draw(st.binary(min_size=count, max_size=count)), np.uint8)
    if without:
        return Image.fromarray(data.reshape(height, width, -1)[..., 0].copy()).convert(mode)
    if mode == "I;16":
        return Image.fromarray(data.reshape(height, width, 3)[..., 0].astype(np.uint16) * 251)
    if mode == "P":
        return Image.fromarray(data.reshape(height, width, 3)).quantize(7)
    if mode == "1":
        return Image.fromarray(data.reshape(height, width)).convert("1")
    return Image.frombytes(mode, (width, height), data.tobytes())


@hypothesis_settings(max_examples=120, deadline=None)
@given(st.lists(images(), min_size=1, max_size=3), st.sampled_from([1, 3, 4]), st.booleans(), st.sampled_from(["FP16", "FP32", "FP64"]))
def test_the_arithmetic_is_the_explicit_pipeline(pictures, channels, first, datatype):
    height, width = 5, 7
    shape = (channels, height, width) if first else (height, width, channels)
    spec = TensorSpec("x", datatype, (None, *shape))
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    wanted = [
        (np.array(picture.resize((width, height), Image.Resampling.LANCZOS).convert(mode)) / 255).reshape(shape).astype(spec.dtype)
        for picture in pictures
    ]
    items = [{"image": base64.b64encode(encoded(picture)).decode()} for picture in pictures]
    got = ScaledImageFilter(Files([])).apply(items, spec)
    assert got.dtype == spec.dtype
    assert got.shape == (len(pictures), *shape)
    assert np.array_equal(got, np.stack(wanted))


def test_the_sample_of_the_article_goes_in_as_it_is(tmp_path):
    digit = np.random.default_rng(5).integers(0, 256, (28, 28), np.uint8)
    Image.fromarray(digit).save(tmp_path / "image5.png")
    got = ScaledImageFilter(Files([tmp_path])).apply([{"image_file": "image5.png"}], MNIST)
    assert np.array_equal(got, (digit / np.float32(255)).reshape(1, 28, 28, 1))
    assert got.dtype == np.float32


def test_height_and_width_are_the_dimensions_that_are_not_the_smallest():
    for shape in [(2, 9, 1), (9, 2, 1), (1, 9, 2), (1, 2, 9), (1, 9, 1), (9, 1, 1), (3, 4, 4), (4, 4, 3), (3, 3, 3)]:
        picture = Image.fromarray(np.arange(math.prod(shape), dtype=np.uint8).reshape(-1, 1))
        last = 2 - shape[::-1].index(min(shape))
        height, width = [size for at, size in enumerate(shape) if at != last]
        mode = "L" if min(shape) == 1 else "RGB"
        wanted = np.array(picture.resize((width, height), Image.Resampling.LANCZOS).convert(mode)).reshape(shape) / 255
        got = ScaledImageFilter(Files([])).apply(encoded(picture), TensorSpec("x", "FP64", (None, *shape)))
        assert np.array_equal(got[0], wanted)


@pytest.mark.parametrize(
    "shape", [(None, 784), (None, 28, 28), (None, None, None, 3), (None, 28, 28, 2), (None, 2, 3, 3), (), (None, 0, 3, 3)]
)
def test_an_input_that_is_no_picture_is_the_tasks_fault(shape):
    with pytest.raises(ZeroMindError, match="does not fit 'x'") as caught:
        ScaledImageFilter(Files([])).apply(b"", TensorSpec("x", "FP32", shape))
    assert caught.value.kind is ErrorKind.FILTER_PARAMETERS


def test_a_text_input_is_the_tasks_fault():
    with pytest.raises(ZeroMindError, match="does not fit"):
        ScaledImageFilter(Files([])).apply(b"", TensorSpec("x", "BYTES", (None, 8, 8, 3)))


def test_many_tiny_references_cannot_fill_the_memory():
    with pytest.raises(ValueError, match="more than 1024 MiB"):
        ScaledImageFilter(Files([])).apply([{"image_file": "a"}] * 2000, TensorSpec("x", "FP32", (None, 224, 224, 3)))
