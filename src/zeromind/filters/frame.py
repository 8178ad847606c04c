"""What an image input's shape says about the pictures that it wants."""

from __future__ import annotations

from typing import NamedTuple

from zeromind.tensors import TensorSpec


class Frame(NamedTuple):
    """Height and width in pixels, None = the picture's own; the channel count, and whether the channels come first."""

    height: int | None
    width: int | None
    channels: int
    first: bool


def frame_of(spec: TensorSpec, layout: str, size: tuple[int, int] | None) -> Frame | None:
    """The frame of an input whose first dimension is the batch; None if the shape is no picture's.

    ``layout`` "HWC" or "CHW" says where the channels are; with "auto" they are the smallest dimension, first or last, last of
    equals. ``size`` (height, width) explains a flat input; elsewhere it fills in what the shape leaves open.
    """
    shape = spec.shape[1:]
    if len(shape) == 1 and size is not None:
        channels, rest = divmod(shape[0] or 0, size[0] * size[1])
        return None if rest else Frame(*size, channels, layout == "CHW")
    if len(shape) == 2:
        frame = Frame(shape[0], shape[1], 1, False)
    elif len(shape) == 3:
        smallest = min((side for side in shape if side is not None), default=None)
        first = layout == "CHW" or (layout == "auto" and shape[2] != smallest)
        count, height, width = shape if first else (shape[2], shape[0], shape[1])
        if count is None or (layout == "auto" and count != smallest):
            return None
        frame = Frame(height, width, count, first)
    else:
        return None
    if size is None:
        return frame
    return frame._replace(height=size[0], width=size[1]) if frame.height in (None, size[0]) and frame.width in (None, size[1]) else None
