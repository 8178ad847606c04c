import base64
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.filters.base import Files
from zeromind.filters.picture import Pictures

pytestmark = pytest.mark.proves("T13")


def encoded(image, kind="PNG", **more):
    stream = io.BytesIO()
    image.save(stream, kind, **more)
    return stream.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header_of(width, height):
    """A PNG whose header promises a size that its few bytes of data do not hold."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def pixels(pictures, item, place=0):
    with pictures.open(item, place) as image:
        return image.mode, np.asarray(image).tolist()


@pytest.fixture
def pictures(tmp_path):
    return Pictures(Files([tmp_path]), 64_000_000)


GRADIENT = Image.fromarray(np.arange(40 * 30 * 3, dtype=np.uint32).astype(np.uint8).reshape(30, 40, 3))


def test_base64_a_data_url_bytes_and_a_file_are_the_same_picture(pictures, tmp_path):
    data = encoded(GRADIENT)
    (tmp_path / "a.png").write_bytes(data)
    text = base64.b64encode(data).decode()
    items = [data, {"image": text}, {"image": f"data:image/png;base64,{text}"}, {"image_file": "a.png", "note": "ignored"}]
    assert [pixels(pictures, item) for item in items] == [("RGB", np.asarray(GRADIENT).tolist())] * 4


def test_one_picture_alone_is_a_list_of_one(pictures):
    assert pictures.items({"image_file": "a"}) == [{"image_file": "a"}]
    assert pictures.items(b"data") == [b"data"]
    assert pictures.items([b"a", b"b"]) == [b"a", b"b"]


@pytest.mark.parametrize("value", [None, 3, "a.png", [], np.zeros(3), True])
def test_other_values_are_refused_saying_what_is_expected(pictures, value):
    with pytest.raises(ValueError, match=r'expected a list of {"image": base64} or {"image_file": path}'):
        pictures.items(value)


@pytest.mark.parametrize(
    "item",
    [None, 3, "a.png", [], {}, {"file": "a"}, {"image": 3}, {"image_file": ["a"]}, {"image": "", "image_file": ""}],
)
def test_other_items_are_refused_by_their_place(pictures, item):
    with pytest.raises(ValueError, match="picture 7: expected a list"):
        pixels(pictures, item, 7)


@pytest.mark.parametrize("text", ["QUJ*D!!RA==", "QUJD\n", "QUJ", "QUJDRA=", "QUJDRA===", "ÄÖÜ=", " QUJD", "-_-_"])
def test_base64_with_a_stray_character_or_wrong_padding_is_refused(pictures, text):
    with pytest.raises(ValueError, match="picture 0: 'image' is no base64 text"):
        pixels(pictures, {"image": text})


@pytest.mark.parametrize("text", ["data:image/png,QUJD", "data:", "data:;base64"])
def test_data_urls_must_be_base64(pictures, text):
    with pytest.raises(ValueError, match="expected a data: URL in base64"):
        pixels(pictures, {"image": text})


def test_an_unreachable_file_is_a_file_error(pictures):
    with pytest.raises(ZeroMindError) as caught:
        pixels(pictures, {"image_file": "../a.png"})
    assert caught.value.kind is ErrorKind.FILTER_FILE


@pytest.mark.parametrize("data", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", encoded(GRADIENT, "TIFF"), encoded(GRADIENT, "PPM")])
def test_only_the_allowed_formats_are_tried_whatever_the_name(pictures, data, tmp_path):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ValueError, match="picture 0 is no readable PNG, JPEG, WEBP, BMP or GIF file") as caught:
        pixels(pictures, {"image_file": "a.png"})
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_a_cut_file_is_refused_and_a_whole_one_read(pictures, kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50), np.uint8))
    data = encoded(noise, kind)
    assert len(pixels(pictures, data)[1]) == 50
    with pytest.raises(ValueError, match="picture 0 is"):
        pixels(pictures, data[: len(data) // 2])


@pytest.mark.parametrize(
    ("width", "height"),
    [(8001, 8000), (9500, 9500), (12_000, 12_000), (1_000_000, 1_000_000), (2**31 - 1, 2**31 - 1), (1_000_000, 1), (1, 65_536)],
)
def test_the_header_is_checked_before_anything_is_decoded(pictures, width, height):
    with pytest.raises(ValueError, match="picture 0 has more than the 64000000 pixels"):
        pixels(pictures, png_header_of(width, height))


def test_the_budget_is_exact(tmp_path):
    pictures = Pictures(Files([tmp_path]), 1200)
    assert pixels(pictures, encoded(GRADIENT))[0] == "RGB"
    with pytest.raises(ValueError, match="more than the 1200 pixels"):
        pixels(pictures, encoded(GRADIENT.resize((40, 31))))


def test_an_animation_is_its_first_frame(pictures):
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "green", "blue")]
    for kind in ("GIF", "PNG", "WEBP"):
        more = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **more)
        with pictures.open(data, 0) as image:
            assert np.asarray(image.convert("RGB")).tolist() == [[[255, 0, 0]] * 3] * 2


def test_orientation_is_followed_only_on_request(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(GRADIENT, exif=exif)
    with Pictures(Files([tmp_path]), 10_000).open(data, 0) as image:
        assert image.size == (40, 30)
    with Pictures(Files([tmp_path]), 10_000, orientation=True).open(data, 0) as image:
        assert image.size == (30, 40)
        assert np.array_equal(np.asarray(image), np.rot90(np.asarray(GRADIENT), -1))


def test_plain_gives_colours_that_can_be_resampled(pictures):
    gray = np.array([[0, 128, 255]], np.uint8)
    palette = Image.fromarray(gray).convert("P")
    clear = palette.copy()
    clear.info["transparency"] = 0
    wide = Image.fromarray(np.array([[0, 257, 65535]], np.uint16))
    plain = {
        name: pictures.plain(image)
        for name, image in {
            "bilevel": Image.fromarray(gray).convert("1"),
            "palette": palette,
            "clear": clear,
            "wide": wide,
            "ink": GRADIENT.convert("CMYK"),
            "alpha": GRADIENT.convert("LA"),
        }.items()
    }
    assert {name: image.mode for name, image in plain.items()} == {
        "bilevel": "L",
        "palette": "RGB",
        "clear": "RGBA",
        "wide": "L",
        "ink": "RGB",
        "alpha": "LA",
    }
    assert np.asarray(plain["wide"]).tolist() == [[0, 1, 255]]
    assert np.asarray(plain["palette"])[0, :, 0].tolist() == [0, 128, 255]


def gray(mode):
    return Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_without_colours_is_lean_in_gray(pictures, mode):
    lean = pictures.lean(gray(mode))
    assert lean.mode == "L"
    assert np.array_equal(np.asarray(lean.convert(mode)), np.asarray(gray(mode)))


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    st.binary(min_size=30, max_size=30),
    st.sampled_from(["RGB", "RGBA"]),
    st.sampled_from(Image.Resampling),
    st.sampled_from(["L", "RGB", "RGBA"]),
)
def test_a_lean_picture_is_resampled_to_the_same(data, mode, resample, wanted):
    image = Image.frombytes("L", (6, 5), data).convert(mode)
    lean = Pictures(Files([]), 30).lean(image)
    assert lean.mode == "L"
    for box in (None, (0.7, 0.2, 5.3, 4.9)):
        same, other = (each.resize((4, 7), resample, box).convert(wanted) for each in (image, lean))
        assert np.array_equal(np.asarray(same), np.asarray(other))


def changed(mode, *pixel):
    image = gray(mode)
    image.putpixel((3, 2), pixel)
    return image


def see_through():
    image = gray("RGB")
    image.info["transparency"] = (20, 20, 20)
    return image


@pytest.mark.parametrize(
    "image",
    [
        *(changed("RGB", *pixel) for pixel in ((7, 7, 8), (7, 8, 7), (8, 7, 7))),
        *(changed("RGBA", *pixel) for pixel in ((7, 7, 8, 255), (7, 8, 7, 255), (8, 7, 7, 255), (7, 7, 7, 254), (0, 0, 0, 0))),
        see_through(),
        *(gray(mode) for mode in ("L", "LA", "P", "1", "CMYK")),
        Image.new("RGB", (1025, 1024)),
    ],
)
def test_every_other_picture_is_lean_as_it_is(pictures, image):
    assert pictures.lean(image) is image


SOUND = [encoded(GRADIENT.resize((9, 7)), kind) for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF")]
SOUND += [encoded(Image.fromarray(np.full((4, 5), 300, np.uint16))), encoded(GRADIENT.resize((9, 7)).convert("P"), transparency=3)]


@hypothesis_settings(max_examples=150, deadline=None)
@given(st.sampled_from(SOUND), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6), st.booleans())
def test_damaged_bytes_raise_nothing_but_value_error(data, strokes, orientation):
    damaged = bytearray(data)
    for at, byte in strokes:
        damaged[at % len(damaged)] = byte
    pictures = Pictures(Files([]), 100_000, orientation)
    try:
        with pictures.open(bytes(damaged), 0) as image:
            pictures.plain(image).resize((3, 3)).convert("RGBA")
    except ValueError as error:
        assert str(error).startswith("picture 0")  # noqa: PT017 - most damage goes unnoticed, and that is fine
