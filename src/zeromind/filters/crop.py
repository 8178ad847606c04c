"""The image filter of Caffe2's model zoo: the middle of a picture, channels first, around zero."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from zeromind.filters import numbers, picture, settings
from zeromind.filters.base import Files, Side
from zeromind.limits import PICTURES
from zeromind.tensors import Tensor, TensorSpec


class CentreCropFilter:
    """Pictures rescaled with their aspect kept until they just cover the input's size, the middle cut out, x 255 - 128.

    The input is (n, channels, height, width); the answer (pictures, channels, height, width) in its dtype, from -128 to 127.
    Rescaling is bilinear between the four nearest pixels, pixel centres on half integers, edges repeated, nothing smoothed before
    (as scikit-image's ``resize`` of 2018 did for the models of that zoo), in float64. The cut starts at size // 2 - cut // 2.
    ``channels`` is "RGB" or "BGR"; ``orientation`` and ``max_pixels`` are as in ``image.ImageFilter``.
    Takes and raises what ``picture.Pictures`` does, and FILTER_PARAMETERS for an input of another form.
    """

    side: ClassVar[Side] = "input"
    media: ClassVar[tuple[str, ...]] = picture.MEDIA

    def __init__(self, files: Files, *, channels: str = "RGB", orientation: bool = False, max_pixels: int = PICTURES.pixels) -> None:
        self._pictures = picture.Pictures(files, max_pixels, orientation)
        self._bgr = settings.choice("channels", channels, ("RGB", "BGR")) == "BGR"

    def apply(self, value: Any, spec: TensorSpec) -> Tensor:
        """The pictures, ready for the model."""
        shape = [size for size in spec.shape[1:] if size]
        if len(spec.shape) != 4 or len(shape) != 3 or shape[0] not in picture.MODES or spec.dtype.kind not in "if":
            raise settings.misfit("centre crop", spec, "it needs an input (n, 1, 3 or 4 channels, height, width) of signed numbers")
        channels, height, width = shape
        items = self._pictures.items(value)
        out = numbers.room((len(items), *shape), spec.dtype)
        for place, (row, item) in enumerate(zip(out, items, strict=True)):
            with self._pictures.open(item, place, len(items)) as image:
                plain = self._pictures.plain(image).convert(picture.MODES[channels])
                pixels = np.asarray(plain).reshape(plain.height, plain.width, channels)
                middle = cut(pixels, height, width)
            if self._bgr:
                middle[..., :3] = middle[..., 2::-1].copy()
            row[...] = (middle - 128).transpose(2, 0, 1)
        return out


def cut(pixels: Tensor, height: int, width: int) -> Tensor:
    """The middle (height, width, channels), float64, of pixels rescaled to cover it; no other part is ever computed."""
    tall, wide = pixels.shape[:2]
    if tall * width <= wide * height:
        full_height, full_width = height, wide * height // tall
    else:
        full_height, full_width = tall * width // wide, width
    top, bottom, down = _neighbours(tall, full_height, height)
    left, right, across = _neighbours(wide, full_width, width)
    down, across = down[:, None, None], across[None, :, None]
    upper = pixels[np.ix_(top, left)] * (1 - across) + pixels[np.ix_(top, right)] * across
    lower = pixels[np.ix_(bottom, left)] * (1 - across) + pixels[np.ix_(bottom, right)] * across
    middle: Tensor = upper * (1 - down) + lower * down
    return middle


def _neighbours(size: int, full: int, kept: int) -> tuple[Tensor, Tensor, Tensor]:
    """For the middle ``kept`` of ``full`` pixels drawn from ``size``: each one's neighbours and the weight of the second."""
    start = full // 2 - kept // 2
    at = ((np.arange(start, start + kept) + 0.5) * (size / full) - 0.5).clip(0, size - 1)
    before = np.floor(at).astype(np.intp)
    return before, np.minimum(before + 1, size - 1), at - before
