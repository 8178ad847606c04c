"""The image filter of 0Mind 1, with its arithmetic to the last bit; new tasks take ``image.ImageFilter``."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from zeromind.filters import numbers, picture, settings
from zeromind.filters.base import Files, Side
from zeromind.limits import PICTURES
from zeromind.tensors import Tensor, TensorSpec


class ScaledImageFilter:
    """Pictures resized with Lanczos, then converted to the mode of the channel count, divided by 255, reshaped to the input's shape.

    The smallest dimension of the input's shape is the channel count (1 = L, 3 = RGB, 4 = RGBA), the other two are height and width.
    Gives an array (pictures, *input shape[1:]) in the input's dtype. A picture's own mode meets the resampling as Pillow has it
    (palettes are not smoothed, 16 bits are clipped to 8), and channels-first inputs are filled in the order height, width, channel:
    this is what models of that time were given. Takes and raises what ``picture.Pictures`` does.
    """

    side: ClassVar[Side] = "input"
    media: ClassVar[tuple[str, ...]] = picture.MEDIA

    def __init__(self, files: Files, max_pixels: int = PICTURES.pixels) -> None:
        self._pictures = picture.Pictures(files, max_pixels)

    def apply(self, value: Any, spec: TensorSpec) -> Tensor:
        """The pictures, ready for the model."""
        shape = [size for size in spec.shape[1:] if size]
        if len(spec.shape) != 4 or len(shape) != 3 or min(shape) not in picture.MODES or spec.dtype.kind == "O":
            raise settings.misfit("image", spec, "it needs an input of fixed height, width and 1, 3 or 4 channels")
        channels = min(shape)
        width, height = [size for at, size in enumerate(shape) if at != 2 - shape[::-1].index(channels)][::-1]
        items = self._pictures.items(value)
        out = numbers.room((len(items), *shape), spec.dtype)
        for place, (row, item) in enumerate(zip(out, items, strict=True)):
            with self._pictures.open(item, place, len(items)) as image:
                # 1 is Pillow's LANCZOS, once called ANTIALIAS.
                fitted = self._pictures.lean(image).resize((width, height), 1).convert(picture.MODES[channels])
                row[...] = (np.asarray(fitted) / 255).reshape(shape)
        return out
