import base64
import concurrent.futures
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.filters.base import Files, build
from zeromind.filters.image import ImageFilter
from zeromind.filters.scaled import ScaledImageFilter
from zeromind.tensors import TensorSpec


def encoded(image, kind="PNG"):
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def spec(*shape, datatype="FP32"):
    return TensorSpec("x", datatype, (None, *shape))


def image_filter(**settings):
    return build(ImageFilter, "image.ImageFilter", settings, Files([]))


NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (11, 17, 3), np.uint8))
RAW = np.asarray(NOISE)
DATA = encoded(NOISE)


@hypothesis_settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["L", "LA", "RGB", "RGBA"]),
    st.integers(1, 9),
    st.integers(1, 9),
    st.randoms(use_true_random=False),
    st.builds(spec, st.just(5), st.just(6), st.sampled_from([1, 3, 4]), datatype=st.sampled_from(["FP16", "FP32", "FP64"])),
)
def test_by_default_the_numbers_are_those_of_the_first_0mind(mode, width, height, random, target):
    picture = Image.frombytes(mode, (width, height), random.randbytes(width * height * len(mode)))
    got = image_filter().apply(encoded(picture), target)
    assert np.array_equal(got, ScaledImageFilter(Files([])).apply(encoded(picture), target))
    assert got.dtype == target.dtype


@pytest.mark.parametrize(
    ("picture", "clean"),
    [
        (NOISE.quantize(9), lambda picture: picture.convert("RGB")),
        (NOISE.convert("1"), lambda picture: picture.convert("L")),
        (
            Image.fromarray(RAW[..., 0].astype(np.uint16) * 257),
            lambda picture: Image.fromarray((np.asarray(picture) // 257).astype(np.uint8)),
        ),
    ],
    ids=["P", "1", "I;16"],
)
def test_palettes_bilevel_and_16_bit_pictures_are_made_plain_before_resampling(picture, clean):
    wanted = np.asarray(clean(picture).resize((5, 6), Image.Resampling.LANCZOS).convert("RGB")) / np.float32(255)
    assert np.array_equal(image_filter().apply(encoded(picture), spec(6, 5, 3))[0], wanted)


def test_a_cmyk_jpeg_gives_its_colours():
    red = Image.new("RGB", (16, 16), (250, 10, 10))
    got = image_filter().apply(encoded(red.convert("CMYK"), "JPEG"), spec(4, 4, 3))[0]
    assert np.abs(got * 255 - [250, 10, 10]).max() < 6


def test_base64_bytes_and_file_give_equal_arrays(tmp_path):
    (tmp_path / "a.png").write_bytes(DATA)
    items = [{"image": base64.b64encode(DATA).decode()}, DATA, {"image_file": "a.png"}]
    both = ImageFilter(Files([tmp_path]))
    rows = both.apply(items, spec(8, 9, 3))
    assert rows.shape == (3, 8, 9, 3)
    for item, row in zip(items, rows, strict=True):
        assert np.array_equal(both.apply(item, spec(8, 9, 3))[0], row)
    assert np.array_equal(rows[0], rows[1])
    assert np.array_equal(rows[0], rows[2])


def test_channels_first_is_a_transposition():
    last = image_filter().apply(DATA, spec(8, 9, 3))
    assert np.array_equal(image_filter().apply(DATA, spec(3, 8, 9)), last.transpose(0, 3, 1, 2))
    flat = image_filter(size=[8, 9], layout="CHW").apply(DATA, spec(3 * 8 * 9))
    assert np.array_equal(flat[0], last[0].transpose(2, 0, 1).reshape(-1))


def test_layout_settles_what_the_smallest_dimension_does_not():
    wide = np.asarray(NOISE.resize((5, 2), 1)) / np.float32(255)
    assert np.array_equal(image_filter(layout="HWC").apply(DATA, spec(2, 5, 3))[0], wide)
    assert np.array_equal(image_filter(layout="CHW").apply(DATA, spec(3, 2, 5))[0], wide.transpose(2, 0, 1))
    with pytest.raises(ZeroMindError, match="does not fit"):
        image_filter().apply(DATA, spec(2, 5, 3))


def test_an_input_without_a_channel_dimension_is_gray():
    gray = np.asarray(NOISE.resize((9, 8), 1).convert("L")) / np.float32(255)
    assert np.array_equal(image_filter().apply(DATA, spec(8, 9))[0], gray)
    assert np.array_equal(image_filter(size=[8, 9]).apply(DATA, spec(72))[0], gray.reshape(-1))


def test_an_open_size_is_the_pictures_own_unless_size_sets_it():
    for shape, wanted in [((None, None, 3), (1, 11, 17, 3)), ((3, None, None), (1, 3, 11, 17)), ((None, None), (1, 11, 17))]:
        assert image_filter().apply(DATA, spec(*shape)).shape == wanted
    assert np.array_equal(image_filter().apply(DATA, spec(None, None, 3))[0], RAW / np.float32(255))
    assert image_filter(size=[4, 6]).apply(DATA, spec(None, None, 3)).shape == (1, 4, 6, 3)
    with pytest.raises(ValueError, match="picture 1 is of another size"):
        image_filter().apply([DATA, encoded(NOISE.resize((4, 4)))], spec(None, None, 3))


def test_scale_mean_and_std_are_applied_in_that_order_and_to_the_channels_of_the_model():
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    got = image_filter(mean=mean, std=std).apply(DATA, spec(11, 17, 3, datatype="FP64"))[0]
    assert np.array_equal(got, (RAW / 255 - mean) / std)
    caffe = image_filter(channels="BGR", scale=1, mean=[104, 117, 123]).apply(DATA, spec(3, 11, 17))[0]
    assert np.array_equal(caffe, (RAW[..., ::-1] - np.float32([104, 117, 123])).transpose(2, 0, 1))
    centred = image_filter(scale=2 / 255, mean=1).apply(DATA, spec(11, 17, 3, datatype="FP64"))[0]
    assert np.array_equal(centred, RAW * (2 / 255) - 1)


def test_invert_leaves_alpha_alone():
    data = encoded(Image.fromarray(np.array([[[0, 10, 255, 40]]], np.uint8)))
    assert image_filter(invert=True, scale=1, layout="HWC").apply(data, spec(1, 1, 4)).ravel().tolist() == [255, 245, 0, 40]
    both = image_filter(invert=True, channels="BGR", scale=1, layout="HWC").apply(data, spec(1, 1, 4))
    assert both.ravel().tolist() == [0, 245, 255, 40]


def test_integer_inputs_get_the_pixels_and_the_nearest_value_in_range():
    assert np.array_equal(image_filter().apply(DATA, spec(11, 17, 3, datatype="UINT8"))[0], RAW)
    shifted = image_filter(mean=128).apply(DATA, spec(11, 17, 3, datatype="INT8"))[0]
    assert np.array_equal(shifted, RAW.astype(int) - 128)
    clipped = image_filter(scale=2.3).apply(DATA, spec(11, 17, 3, datatype="UINT8"))[0]
    assert np.array_equal(clipped, np.rint(RAW * np.float32(2.3)).clip(0, 255))


def test_crop_fills_the_input_from_the_middle():
    wanted = np.asarray(ImageOps.fit(NOISE, (6, 6), Image.Resampling.LANCZOS)) / np.float32(255)
    assert np.allclose(image_filter(resize="crop").apply(DATA, spec(6, 6, 3))[0], wanted, atol=1.01 / 255)
    same = image_filter(resize="crop").apply(DATA, spec(11, 11, 3))[0]
    assert np.array_equal(same, RAW[:, 3:14] / np.float32(255))


def test_fit_keeps_the_whole_picture_in_the_middle_of_black():
    got = image_filter(resize="fit").apply(DATA, spec(17, 17, 3))[0]
    assert np.array_equal(got[3:14], RAW / np.float32(255))
    assert not got[:3].any()
    assert not got[14:].any()


@pytest.mark.parametrize("resize", ["stretch", "crop", "fit"])
@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1), (65_535, 1)])
def test_thin_pictures_keep_the_shape_of_the_input(resize, size):
    assert image_filter(resize=resize).apply(encoded(Image.new("L", size, 9)), spec(7, 9, 3)).shape == (1, 7, 9, 3)


@hypothesis_settings(max_examples=60, deadline=None)
@given(*[st.integers(1, 60)] * 4, st.sampled_from(["crop", "fit"]))
def test_any_picture_goes_into_any_input(width, height, to_width, to_height, resize):
    got = image_filter(resize=resize).apply(encoded(Image.new("L", (width, height), 255)), spec(to_height, to_width))
    assert got.shape == (1, to_height, to_width)
    assert got.max() == 1
    if resize == "crop":
        assert got.min() == 1


@pytest.mark.parametrize("resample", ["nearest", "box", "bilinear", "bicubic", "lanczos"])
def test_resample_is_pillows(resample):
    wanted = np.asarray(NOISE.resize((5, 4), Image.Resampling[resample.upper()])) / np.float32(255)
    assert np.array_equal(image_filter(resample=resample).apply(DATA, spec(4, 5, 3))[0], wanted)


@pytest.mark.parametrize(
    "settings",
    [
        {"layout": "NHWC"},
        {"resize": 3},
        {"resample": "cubic"},
        {"channels": ["RGB"]},
        {"scale": "1"},
        {"scale": True},
        {"scale": float("nan")},
        {"mean": []},
        {"mean": [0, "1"]},
        {"std": 0},
        {"std": [1, 0, 1]},
        {"invert": 1},
        {"orientation": "yes"},
        {"max_pixels": 0},
        {"max_pixels": 1e6},
        {"size": 28},
        {"size": [28]},
        {"size": [0, 28]},
        {"width": 28},
    ],
)
def test_wrong_settings_are_refused_when_the_model_is_loaded(settings):
    with pytest.raises(ZeroMindError, match=next(iter(settings))) as caught:
        image_filter(**settings)
    assert caught.value.kind is ErrorKind.FILTER_PARAMETERS


@pytest.mark.parametrize(
    ("settings", "shape", "datatype"),
    [
        ({}, (8, 8, 2), "FP32"),
        ({}, (64,), "FP32"),
        ({}, (8, 8, 3), "BYTES"),
        ({}, (8, 8, 3), "BOOL"),
        ({}, (None, None, None), "FP32"),
        ({}, (5, 1, 5), "FP32"),
        ({}, (), "FP32"),
        ({"size": [3, 3]}, (64,), "FP32"),
        ({"size": [8, 8]}, (None,), "FP32"),
        ({"size": [9, 8]}, (8, 8, 3), "FP32"),
        ({"mean": [1, 2]}, (8, 8, 3), "FP32"),
        ({"std": [1, 2, 3]}, (8, 8), "FP32"),
    ],
)
def test_settings_that_do_not_fit_the_input_are_the_tasks_fault(settings, shape, datatype):
    with pytest.raises(ZeroMindError, match="does not fit 'x'") as caught:
        image_filter(**settings).apply(DATA, spec(*shape, datatype=datatype))
    assert caught.value.kind is ErrorKind.FILTER_PARAMETERS


def test_one_filter_serves_many_threads():
    shared = image_filter(resize="crop", mean=0.5)
    wanted = shared.apply(DATA, spec(6, 6, 3))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: shared.apply(DATA, spec(6, 6, 3)), range(40)))
    assert all(np.array_equal(answer, wanted) for answer in answers)
