"""Pictures as clients send them, decoded with suspicion; shared by the filters that take pictures."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from zeromind.filters import settings
from zeromind.filters.base import Files
from zeromind.pictures import Decoder

MEDIA = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode for each number of channels that a model may want."""
# Beyond this, looking for colours would take memory for copies of a large picture.
_MOST_SEARCHED = 1 << 20
_WANTED = 'expected a list of {"image": base64} or {"image_file": path}, one of them alone, or an image file as the body'


class Pictures:
    """Finds and decodes pictures. Constructor: MISSING_PACKAGE without Pillow, ValueError for wrong settings.

    ``max_pixels`` bounds a picture as ``Decoder`` says; ``orientation`` turns it as its EXIF data say.
    """

    def __init__(self, files: Files, max_pixels: int, orientation: bool = False) -> None:
        self._files = files
        self._orientation = settings.flag("orientation", orientation)
        self._decoder = Decoder(settings.count("max_pixels", max_pixels), "images", "an image filter")
        self._image = self._decoder.image

    def items(self, value: Any) -> Sequence[Any]:
        """What the value holds, one element per picture, not yet decoded. Raises ValueError unless there is at least one."""
        if isinstance(value, (dict, bytes)):
            return [value]
        if not isinstance(value, list) or not value:
            raise ValueError(_WANTED)
        return value

    @contextlib.contextmanager
    def open(self, item: Any, place: int, among: int = 1) -> Iterator[Any]:
        """The picture that ``item`` names or holds, as a Pillow image, decoded, the first frame of an animation, in its own mode.

        Whatever fails in Pillow while the block runs is the picture's fault. Raises ValueError naming ``place`` in the list, which
        has ``among`` items, for anything that is no sound picture of a bearable size, FILTER_FILE for an unreachable file.
        """
        with self._decoder.open(self._data(item, place), place, among) as image:
            yield self._decoder.ops.exif_transpose(image) if self._orientation else image

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
