"""Pictures for a model whose input is an image."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from zeromind.filters import numbers, picture, settings
from zeromind.filters.base import Files, Side
from zeromind.filters.frame import Frame, frame_of
from zeromind.limits import PICTURES
from zeromind.tensors import Tensor, TensorSpec

# Pillow's numbers of its filters (PIL.Image.Resampling), which cannot be imported before a task asks for pictures.
_RESAMPLING = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4}


class ImageFilter:
    """Pictures as an array (pictures, *input shape[1:]) in the input's dtype: resized, converted, scaled, laid out.

    The input's smallest dimension is the channel count (1 = gray, 3 = RGB, 4 = RGBA), first or last; an input (n, height, width)
    is gray. Takes a list of ``{"image": base64}`` (a data: URL too), ``{"image_file": path}`` or bytes, or one of them alone.
    ``layout``       "auto", or "HWC" or "CHW" where the smallest dimension misleads
    ``size``         [height, width] where the input leaves them open or is flat; without it an open side is the picture's own
    ``resize``       "stretch" to the input's size; "crop" the middle to fill it; "fit" the whole within it, black (0) around
    ``resample``     "lanczos", "bicubic", "bilinear", "box" or "nearest", as Pillow has them
    ``channels``     "RGB" or "BGR": the order of the colours
    ``invert``       true turns 0 into 255 and back (not in alpha)
    ``scale``        factor of the values 0…255; absent: they are divided by 255, or left alone where the input's type is an integer
    ``mean, std``    after scaling: (x - mean) / std, one number or one per channel in the order that the model sees
    ``orientation``  true turns pictures as their EXIF data say
    ``max_pixels``   width x height beyond which a picture is refused undecoded
    Integer inputs get the nearest value in their range. Raises ValueError for what is no sound picture, FILTER_FILE for a file out
    of reach, FILTER_PARAMETERS where the settings and the input do not go together.
    """

    side: ClassVar[Side] = "input"
    media: ClassVar[tuple[str, ...]] = picture.MEDIA

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        files: Files,
        *,
        layout: str = "auto",
        size: list[int] | None = None,
        resize: str = "stretch",
        resample: str = "lanczos",
        channels: str = "RGB",
        invert: bool = False,
        scale: float | None = None,
        mean: float | list[float] = 0,
        std: float | list[float] = 1,
        orientation: bool = False,
        max_pixels: int = PICTURES.pixels,
    ) -> None:
        self._pictures = picture.Pictures(files, max_pixels, orientation)
        self._layout = settings.choice("layout", layout, ("auto", "HWC", "CHW"))
        self._size = _size(size)
        self._resize = settings.choice("resize", resize, ("stretch", "crop", "fit"))
        self._resample = _RESAMPLING[settings.choice("resample", resample, tuple(_RESAMPLING))]
        self._bgr = settings.choice("channels", channels, ("RGB", "BGR")) == "BGR"
        self._invert = settings.flag("invert", invert)
        self._scale = None if scale is None else settings.number("scale", scale)
        self._mean = settings.numbers("mean", mean)
        self._std = settings.numbers("std", std)
        if 0 in self._std:
            raise ValueError("'std' must not be 0")

    def apply(self, value: Any, spec: TensorSpec) -> Tensor:
        """The pictures, ready for the model."""
        frame = self._frame(spec)
        items = self._pictures.items(value)
        out: Tensor | None = None
        for place, item in enumerate(items):
            with self._pictures.open(item, place, len(items)) as image:
                pixels = self._pixels(image, frame)
            sample = self._values(pixels, spec.dtype)
            sample = sample.transpose(2, 0, 1) if frame.first else sample
            sample = sample[..., 0] if len(spec.shape) == 3 else sample.reshape(-1) if len(spec.shape) == 2 else sample
            if out is None:
                out = numbers.room((len(items), *sample.shape), spec.dtype)
            if sample.shape != out.shape[1:]:
                raise ValueError(f"picture {place} is of another size than those before it: send it in a request of its own, or set 'size'")
            out[place] = sample
        assert out is not None  # noqa: S101 - items() gives at least one
        return out

    def _frame(self, spec: TensorSpec) -> Frame:
        frame = frame_of(spec, self._layout, self._size)
        if frame is None or frame.channels not in picture.MODES or spec.dtype.kind not in "iuf":
            raise settings.misfit(
                "image",
                spec,
                "it needs an input of numbers (n, height, width, channels) or (n, channels, height, width) with 1, 3 or 4 channels, "
                "(n, height, width), or (n, features) with 'size'; 'size' must agree with it, 'layout' says where the channels are",
            )
        if {len(self._mean), len(self._std)} - {1, frame.channels}:
            raise settings.misfit("image", spec, f"'mean' and 'std' need one number, or {frame.channels}")
        return frame

    def _pixels(self, image: Any, frame: Frame) -> Tensor:
        """The picture's bytes (height, width, channels), uint8, black where "fit" leaves a border."""
        image = self._pictures.lean(self._pictures.plain(image))
        height, width = frame.height or image.height, frame.width or image.width
        box, (inner_height, inner_width) = None, (height, width)
        if self._resize == "crop":
            box = _middle(image.width, image.height, width, height)
        elif self._resize == "fit":
            share = min(width / image.width, height / image.height)
            inner_height, inner_width = max(1, round(image.height * share)), max(1, round(image.width * share))
        image = image.resize((inner_width, inner_height), self._resample, box).convert(picture.MODES[frame.channels])
        pixels = np.asarray(image).reshape(inner_height, inner_width, frame.channels)
        if self._invert or self._bgr:
            pixels = pixels.copy()
            colours = pixels[..., :3]
            colours[...] = (255 - colours if self._invert else colours)[..., :: -1 if self._bgr else 1]
        if (inner_height, inner_width) == (height, width):
            return pixels
        canvas = np.zeros((height, width, frame.channels), np.uint8)
        top, left = (height - inner_height) // 2, (width - inner_width) // 2
        canvas[top : top + inner_height, left : left + inner_width] = pixels
        return canvas

    def _values(self, pixels: Tensor, dtype: np.dtype[Any]) -> Tensor:
        real = np.float64 if dtype == np.float64 else np.float32
        whole = dtype.kind in "iu"
        with np.errstate(over="ignore", invalid="ignore"):
            if self._scale is not None:
                values = np.multiply(pixels, self._scale, dtype=real)
            else:
                values = pixels.astype(real) if whole else np.divide(pixels, 255, dtype=real)
            if self._mean != (0,):
                values -= np.asarray(self._mean, real)
            if self._std != (1,):
                values /= np.asarray(self._std, real)
            if not whole:
                return values.astype(dtype, copy=False)
            limits = np.iinfo(dtype)
            return np.rint(values).clip(limits.min, limits.max).astype(dtype)


def _size(size: Any) -> tuple[int, int] | None:
    if size is None:
        return None
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise ValueError("'size' must be [height, width]")
    return settings.count("size", size[0]), settings.count("size", size[1])


def _middle(width: int, height: int, to_width: int, to_height: int) -> tuple[float, float, float, float]:
    """The largest box of the target's proportions in the middle of a picture: left, top, right, bottom, in pixels."""
    share = min(width / to_width, height / to_height)
    inner_width, inner_height = share * to_width, share * to_height
    left, top = max(0, (width - inner_width) / 2), max(0, (height - inner_height) / 2)
    return left, top, min(width, left + inner_width), min(height, top + inner_height)
