"""Files of pictures as clients send them, decoded with suspicion: for whatever takes pictures in a worker."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

from zeromind import importing
from zeromind.errors import ZeroMindError
from zeromind.limits import PICTURES

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")


class Decoder:
    """Opens PNG, JPEG, WEBP, BMP and GIF files, known by content. Constructor: MISSING_PACKAGE, which names ``extra``, without Pillow.

    ``most_pixels`` bounds width x height of one picture, read from its header before anything is decoded (Pillow itself stops at
    179 megapixels), 65535 each side. ``image`` and ``ops`` are Pillow's modules.
    """

    def __init__(self, most_pixels: int, extra: str, wanted_by: str) -> None:
        self._most_pixels = most_pixels
        self.image = importing.require("PIL.Image", extra, wanted_by)
        self.ops = importing.require("PIL.ImageOps", extra, wanted_by)
        # The plugins now, not in whichever request comes first; and these only, not all the formats of Image.init().
        self.image.preinit()
        importing.require("PIL.WebPImagePlugin", extra, wanted_by)
        # What Pillow warns of lies in a client's picture: its size, which is checked here, or metadata, which are not used.
        warnings.filterwarnings("ignore", module=r"PIL\.")

    @contextlib.contextmanager
    def open(self, data: bytes, place: int, among: int = 1) -> Iterator[Any]:
        """The picture in a file, as a Pillow image, decoded, the first frame of an animation, in its own mode.

        Whatever fails in Pillow while the block runs is the picture's fault. Raises ValueError naming ``place``, the picture's in the
        request, for anything that is no sound picture of a bearable size; the more of them it has (``among``), the smaller they must be.
        """
        most = min(self._most_pixels, PICTURES.together // among)
        try:
            image = self.image.open(io.BytesIO(data), formats=_FORMATS)
        except self.image.DecompressionBombError as error:
            raise _too_large(place, most) from error
        except Exception as error:
            raise ValueError(f"picture {place} is no readable {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]} file") from error
        with image:
            if image.width * image.height > most or max(image.size) > PICTURES.side:
                raise _too_large(place, most)
            try:
                image.load()
                yield image
            except ZeroMindError:
                raise
            except Exception as error:
                raise ValueError(f"picture {place} is damaged or cut short") from error


def _too_large(place: int, most: int) -> ValueError:
    return ValueError(f"picture {place} has more than the {most} pixels, or {PICTURES.side} on one side, that are taken")
