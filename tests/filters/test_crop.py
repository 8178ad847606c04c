import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.filters.base import Files
from zeromind.filters.crop import CentreCropFilter, cut
from zeromind.tensors import TensorSpec


def encoded(image):
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def spec(*shape, datatype="FP32"):
    return TensorSpec("data", datatype, (None, *shape))


def whole_then_cut(pixels, height, width):
    """The slow way: rescale everything with scipy, then cut."""
    tall, wide = pixels.shape[:2]
    full = (height, max(width, wide * height // tall)) if tall / height <= wide / width else (tall * width // wide, width)
    rows = (np.arange(full[0]) + 0.5) * tall / full[0] - 0.5
    columns = (np.arange(full[1]) + 0.5) * wide / full[1] - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    scaled = np.stack(
        [ndimage.map_coordinates(pixels[..., at].astype(float), grid, order=1, mode="nearest") for at in range(pixels.shape[2])], -1
    )
    top, left = full[0] // 2 - height // 2, full[1] // 2 - width // 2
    return scaled[top : top + height, left : left + width]


@hypothesis_settings(max_examples=100, deadline=None)
@given(*[st.integers(1, 24)] * 2, *[st.integers(1, 12)] * 2, st.integers(0, 2**32 - 1))
def test_the_cut_is_the_middle_of_the_whole_rescaled_picture(tall, wide, height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (tall, wide, 3), np.uint8)
    assert np.allclose(cut(pixels, height, width), whole_then_cut(pixels, height, width), atol=1e-9)


def test_a_picture_of_the_inputs_size_keeps_its_pixels_channels_first_around_zero():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    got = CentreCropFilter(Files([])).apply(encoded(Image.fromarray(pixels)), spec(3, 5, 6))
    assert got.dtype == np.float32
    assert np.array_equal(got[0], (pixels.astype(np.float32) - 128).transpose(2, 0, 1))
    bgr = CentreCropFilter(Files([]), channels="BGR").apply(encoded(Image.fromarray(pixels)), spec(3, 5, 6))
    assert np.array_equal(bgr[0], got[0][::-1])


def test_the_middle_of_a_wide_picture_is_kept():
    stripes = np.repeat(np.array([0, 50, 100, 150, 200, 250], np.uint8), 4)[None, :].repeat(8, 0)
    got = CentreCropFilter(Files([])).apply([encoded(Image.fromarray(stripes))], spec(1, 8, 8, datatype="FP64"))
    assert got.shape == (1, 1, 8, 8)
    assert np.array_equal(np.unique(got), [100 - 128, 150 - 128])


def test_files_bytes_and_a_batch(tmp_path):
    data = encoded(Image.new("RGB", (30, 20), (255, 0, 128)))
    (tmp_path / "a.png").write_bytes(data)
    got = CentreCropFilter(Files([tmp_path])).apply([{"image_file": "a.png"}, data], spec(3, 7, 7))
    assert got.shape == (2, 3, 7, 7)
    assert np.allclose(got, np.array([127, -128, 0])[None, :, None, None])


def test_a_thin_picture_costs_no_more_than_its_pixels():
    got = CentreCropFilter(Files([])).apply(encoded(Image.new("L", (65_535, 1), 7)), spec(3, 224, 224))
    assert np.allclose(got, 7 - 128)


@pytest.mark.parametrize(
    ("shape", "datatype"), [((5, 5, 3), "FP32"), ((3, None, 5), "FP32"), ((3, 5), "FP32"), ((3, 5, 5), "UINT8"), ((3, 5, 5), "BYTES")]
)
def test_another_form_of_input_is_the_tasks_fault(shape, datatype):
    with pytest.raises(ZeroMindError, match="does not fit 'data'") as caught:
        CentreCropFilter(Files([])).apply(b"", spec(*shape, datatype=datatype))
    assert caught.value.kind is ErrorKind.FILTER_PARAMETERS
