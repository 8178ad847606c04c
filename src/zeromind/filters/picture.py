"""Pictures as clients send them, decoded with suspicion; shared by the filters that take pictures."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from zeromind import importing
from zeromind.errors import ZeroMindError
from zeromind.filters import settings
from zeromind.filters.base import Files

MEDIA = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode for each number of channels that a model may want."""
MAX_PIXELS = 64_000_000
# JPEG's own limit. Resampling needs memory in proportion to the longer side, whatever the area.
_MAX_SIDE = 65_535
# Beyond this, looking for colours would take memory for copies of a large picture.
_MOST_SEARCHED = 1 << 20
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
_WANTED = 'expected a list of {"image": base64} or {"image_file": path}, one of them alone, or an image file as the body'


class Pictures:
    """Finds and decodes pictures. Constructor: MISSING_PACKAGE without Pillow, ValueError for wrong settings.

    ``max_pixels`` bounds width x height of one picture, read from its header before anything is decoded (Pillow itself stops at
    179 megapixels), 65535 each side; ``orientation`` turns a picture as its EXIF data say. Only PNG, JPEG, WEBP, BMP and GIF are
    tried, by content.
    """

    def __init__(self, files: Files, max_pixels: int, orientation: bool = False) -> None:
        self._files = files
        self._max_pixels = settings.count("max_pixels", max_pixels)
        self._orientation = settings.flag("orientation", orientation)
        self._image = importing.require("PIL.Image", "images", "an image filter")
        self._ops = importing.require("PIL.ImageOps", "images", "an image filter")
        # The plugins now, not in whichever request comes first; and these only, not all the formats of Image.init().
        self._image.preinit()
        importing.require("PIL.WebPImagePlugin", "images", "an image filter")
        # What Pillow warns of lies in a client's picture: its size, which is checked here, or metadata, which are not used.
        warnings.filterwarnings("ignore", module=r"PIL\.")

    def items(self, value: Any) -> Sequence[Any]:
        """What the value holds, one element per picture, not yet decoded. Raises ValueError unless there is at least one."""
        if isinstance(value, (dict, bytes)):
            return [value]
        if not isinstance(value, list) or not value:
            raise ValueError(_WANTED)
        return value

    @contextlib.contextmanager
    def open(self, item: Any, place: int) -> Iterator[Any]:
        """The picture that ``item`` names or holds, as a Pillow image, decoded, the first frame of an animation, in its own mode.

        Whatever fails in Pillow while the block runs is the picture's fault. Raises ValueError naming ``place`` in the list for
        anything that is no sound picture of a bearable size, FILTER_FILE for an unreachable file.
        """
        data = self._data(item, place)
        try:
            image = self._image.open(io.BytesIO(data), formats=_FORMATS)
        except self._image.DecompressionBombError as error:
            raise self._too_large(place) from error
        except Exception as error:
            raise ValueError(f"picture {place} is no readable {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]} file") from error
        with image:
            if image.width * image.height > self._max_pixels or max(image.size) > _MAX_SIDE:
                raise self._too_large(place)
            try:
                image.load()
                yield self._ops.exif_transpose(image) if self._orientation else image
            except ZeroMindError:
                raise
            except Exception as error:
                raise ValueError(f"picture {place} is damaged or cut short") from error

    def plain(self, image: Any) -> Any:
        """The image in L, LA, RGB or RGBA, so that resampling and converting mean what they say.

        Palettes and bilevel images give their colours, 16 bits their upper half (v / 257, rounded), CMYK and the rest RGB.
        """
        if image.mode.startswith("I"):
            return self._image.fromarray(((np.asarray(image).astype(np.int64).clip(0, 65535) + 128) // 257).astype(np.uint8))
        if image.mode in ("L", "LA", "RGB", "RGBA"):
            return image
        if image.mode == "1":
            return image.convert("L")
        return image.convert("RGBA" if image.has_transparency_data else "RGB")

    def lean(self, image: Any) -> Any:
        """The same picture in L if it is RGB or RGBA, opaque and without colour, as drawings often are; else the image itself.

        Resampling treats bands alike, so that the result converted to any other mode is the same to the last bit, for less work.
        """
        if image.mode not in ("RGB", "RGBA") or "transparency" in image.info or image.width * image.height > _MOST_SEARCHED:
            return image
        # One number per pixel, alpha in its highest byte; RGB has a byte of no meaning there.
        pixels = np.frombuffer(image.tobytes("raw", "RGBA" if image.mode == "RGBA" else "RGBX"), "<u4")
        if image.mode == "RGB":
            pixels = pixels | 0xFF000000
        return image.getchannel(0) if np.array_equal((pixels & 0xFF) * 0x010101 + 0xFF000000, pixels) else image

    def _data(self, item: Any, place: int) -> bytes:
        if isinstance(item, bytes):
            return item
        if not isinstance(item, dict) or ("image" in item) == ("image_file" in item):
            raise ValueError(f"picture {place}: {_WANTED}")
        text = item.get("image", item.get("image_file"))
        if not isinstance(text, str):
            raise ValueError(f"picture {place}: {_WANTED}")  # noqa: TRY004 - it is the client's JSON, not a type of Python
        return _unpack(text, place) if "image" in item else self._files.read(text)

    def _too_large(self, place: int) -> ValueError:
        return ValueError(
            f"picture {place} has more than the {self._max_pixels} pixels, or {_MAX_SIDE} on one side, that this filter takes"
        )


def _unpack(text: str, place: int) -> bytes:
    """The bytes of base64 text or of a ``data:`` URL (RFC 2397), both without a stray character."""
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise ValueError(f"picture {place}: expected a data: URL in base64, data:image/png;base64,…")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"picture {place}: 'image' is no base64 text (standard alphabet, padded, no line breaks)") from error
