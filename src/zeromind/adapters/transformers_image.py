"""The class of each picture, which comes as a file of it; a model's own image processor makes its input of that."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from zeromind.adapters.transformers_heads import Classes, Head
from zeromind.adapters.transformers_loader import Loader
from zeromind.limits import PICTURES
from zeromind.pictures import Decoder
from zeromind.tensors import Tensor, TensorSpec

_SAMPLE = 32


class ImageClassification(Head):
    """The class of each picture."""

    options: ClassVar[Sequence[str]] = ()
    inputs = (TensorSpec("image", "BYTES", (None,)),)

    def __init__(self, loader: Loader) -> None:
        self._decoder = Decoder(PICTURES.pixels, "transformers", "image classification")
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
            self._decoder.image.new("RGB", (_SAMPLE, _SAMPLE), (100 * row, 50, 200)).save(stream, "PNG")
            found[row] = stream.getvalue()
        return {"image": found}

    def _pixels(self, data: bytes, place: int) -> Any:
        """The model's input for one picture. Raises ValueError for what is none of a bearable size."""
        with self._decoder.open(_file(data), place) as image:
            whole = self._decoder.ops.exif_transpose(image).convert("RGB")
        return self._processor(images=[whole], return_tensors="pt")["pixel_values"]


def _file(data: bytes) -> bytes:
    """The picture's file: the bytes themselves, or what they hold as base64 or as a ``data:`` URL (RFC 2397), for wires of text."""
    text = data.partition(b",")[2] if data[:5].lower() == b"data:" else data
    try:
        return base64.b64decode(text, validate=True)  # no picture's file has base64's letters only
    except binascii.Error:
        return data
