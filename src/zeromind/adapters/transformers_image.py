"""The class of each picture, which comes as a file of it; a model's own image processor makes its input of that."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from zeromind import importing
from zeromind.adapters.transformers_heads import Classes, Head
from zeromind.adapters.transformers_loader import Loader
from zeromind.tensors import Tensor, TensorSpec

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
_MOST_PIXELS = 64_000_000
# JPEG's own limit. Resampling needs memory in proportion to the longer side, whatever the area.
_MOST_SIDE = 65_535
_SAMPLE = 32


class ImageClassification(Head):
    """The class of each picture."""

    options: ClassVar[Sequence[str]] = ()
    inputs = (TensorSpec("image", "BYTES", (None,)),)

    def __init__(self, loader: Loader) -> None:
        self._image = importing.require("PIL.Image", "transformers", "image classification")
        self._ops = importing.require("PIL.ImageOps", "transformers", "image classification")
        # What Pillow warns of lies in a client's picture: its size, which is checked here, or metadata, which are not used.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        self._torch = loader.torch
        self._device = loader.device
        self._processor = loader.image_processor()
        self._model = loader.model("AutoModelForImageClassification")
        self._classes = Classes(loader)
        self.outputs, self.labels = self._classes.outputs, self._classes.labels

    def answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``label``, ``score``, ``scores``."""
        # One by one: a batch of decoded photographs takes far more memory than what becomes of them.
        made = [self._pixels(data, place) for place, data in enumerate(inputs["image"].reshape(-1))]
        pixels = self._torch.cat(made).to(self._device, self._model.dtype)
        return self._classes.answer(self._model(pixel_values=pixels).logits)

    def samples(self) -> dict[str, Tensor]:
        """Two small pictures."""
        found = np.empty(2, object)
        for row in range(2):
            stream = io.BytesIO()
            self._image.new("RGB", (_SAMPLE, _SAMPLE), (100 * row, 50, 200)).save(stream, "PNG")
            found[row] = stream.getvalue()
        return {"image": found}

    def _pixels(self, data: bytes, place: int) -> Any:
        """The model's input for one picture. Raises ValueError for what is none of a bearable size."""
        try:
            image = self._image.open(io.BytesIO(_file(data)), formats=_FORMATS)
        except self._image.DecompressionBombError as error:
            raise _too_large(place) from error
        except Exception as error:
            raise ValueError(
                f"picture {place} is no readable {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]} file, nor base64 of one"
            ) from error
        with image:
            if image.width * image.height > _MOST_PIXELS or max(image.size) > _MOST_SIDE:
                raise _too_large(place)
            try:
                image.load()
                whole = self._ops.exif_transpose(image).convert("RGB")
            except Exception as error:
                raise ValueError(f"picture {place} is damaged or cut short") from error
        return self._processor(images=[whole], return_tensors="pt")["pixel_values"]


def _file(data: bytes) -> bytes:
    """The picture's file: the bytes themselves, or what they hold as base64 or as a ``data:`` URL (RFC 2397), for wires of text."""
    text = data.partition(b",")[2] if data[:5].lower() == b"data:" else data
    try:
        return base64.b64decode(text, validate=True)  # no picture's file has base64's letters only
    except binascii.Error:
        return data


def _too_large(place: int) -> ValueError:
    return ValueError(f"picture {place} has more than the {_MOST_PIXELS} pixels, or {_MOST_SIDE} on one side, that are taken")
