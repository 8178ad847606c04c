"""Digits of the fonts on this machine, as masks."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import label

FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts", "/Library/Fonts", "/System/Library/Fonts")
NO_DIGITS = ("dingbat", "symbol", "math", "emoji", "d050000l", "s050000l", "blank")
POINTS = 72  # the height that glyphs are drawn at, pixels


@dataclass(frozen=True)
class Face:
    """One font's ten digits: float32 masks in 0..1, cut to the glyph; family is what hold-outs are split by."""

    family: str
    name: str
    glyphs: tuple[NDArray[np.float32], ...]


def find(folders: tuple[str, ...] = FOLDERS) -> list[Path]:
    """Return the font files under the folders and in matplotlib, where it is installed, sorted by name."""
    places = [Path(folder).expanduser() for folder in folders]
    try:
        import matplotlib as mpl

        places.append(Path(mpl.get_data_path()) / "fonts" / "ttf")
    except ImportError:
        pass
    return sorted({path for place in places if place.is_dir() for path in place.rglob("*") if path.suffix.lower() in {".ttf", ".otf"}})


def load(paths: list[Path]) -> list[Face]:
    """Return the faces that have ten different digits; faces that look alike count once."""
    faces: dict[int, Face] = {}
    for path in paths:
        face = _face(path)
        if face is not None:
            look = zlib.crc32(b"".join(_thumbnail(glyph) for glyph in face.glyphs))
            faces.setdefault(look, face)
    return list(faces.values())


def split(faces: list[Face]) -> tuple[list[Face], list[Face]]:
    """Return the faces to train on and those held out: about a fifth of the families, or of the faces where families are few."""
    families = sorted({face.family for face in faces})
    by_family = len(families) >= 5
    held = {key for key in (families if by_family else [face.name for face in faces]) if zlib.crc32(key.encode()) % 5 == 0}
    if not held and faces:
        held = {faces[-1].family if by_family else faces[-1].name}
    keys = [face.family if by_family else face.name for face in faces]
    return (
        [face for face, key in zip(faces, keys, strict=True) if key not in held],
        [face for face, key in zip(faces, keys, strict=True) if key in held],
    )


def _face(path: Path) -> Face | None:
    try:
        font = ImageFont.truetype(str(path), POINTS)
    except OSError:
        return None
    name = " ".join(part for part in font.getname() if part)
    if any(word in name.lower() for word in NO_DIGITS):
        return None
    glyphs = [_glyph(font, str(digit)) for digit in range(10)]
    drawn = [glyph for glyph in glyphs if glyph is not None]
    # A font without digits shows the same box for each of them.
    if len(drawn) < 10 or len({_thumbnail(glyph) for glyph in drawn}) < 10:
        return None
    # Holes in these are an outline font's, which nobody draws like; a brush font may well have one or two.
    if sum(_encloses(drawn[digit]) for digit in (1, 2, 3, 5, 7)) > 2:
        return None
    family = name.replace("-", " ").replace("_", " ").split()[0].lower()
    return Face(family, name, tuple(drawn))


def _glyph(font: ImageFont.FreeTypeFont, character: str) -> NDArray[np.float32] | None:
    image = Image.new("L", (3 * POINTS, 3 * POINTS))
    try:
        ImageDraw.Draw(image).text((POINTS, POINTS // 2), character, font=font, fill=255)
    except OSError:
        return None
    box = image.getbbox()
    return None if box is None else np.asarray(image.crop(box), np.float32) / 255


def _encloses(glyph: NDArray[np.float32]) -> bool:
    """Tell whether the glyph has a hole."""
    _, areas = label(np.pad(glyph, 1) < 0.4)
    return areas > 1


def _thumbnail(glyph: NDArray[np.float32]) -> bytes:
    """Return a coarse look of a glyph: its shape and 12 x 12 pixels of 6 levels."""
    small = np.asarray(Image.fromarray(glyph).resize((12, 12), Image.Resampling.BOX))
    return bytes(str(tuple(size // 3 for size in glyph.shape)), "ascii") + np.round(small * 5).astype(np.uint8).tobytes()
