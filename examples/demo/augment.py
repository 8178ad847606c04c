"""Moves, tilts and bends a picture of a digit, as poses do for drawn paths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from canvas import Pixels, Pose, pose, shrink
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import distance_transform_edt, map_coordinates

SIDE = 84  # of the canvas that a picture is bent on, pixels: three for each of the network's


def place(mask: NDArray[np.float32], rng: np.random.Generator, reach: float = 1.0, bend: float = 1.0, fuzzy: bool = False) -> Pixels:
    """Return uint8 (28, 28): the mask (h, w; 0 ground, 1 ink, cut to its digit) in a random pose, sheared and bent a little.

    A fuzzy mask is blurred already and loses its holes when it gets small: it is neither blurred again nor made tiny.
    """
    height, width = mask.shape
    extent = np.array([width, height]) / max(width, height)
    how = pose(rng, extent, reach)
    if fuzzy:
        how = replace(how, size=max(how.size, 0.6), blur=0.0)
        bend *= 0.7
    stretch = np.exp(rng.uniform(-0.18, 0.18) * bend)
    shear = np.array([[stretch, rng.uniform(-0.2, 0.2) * bend], [0, 1]])
    matrix = how.matrix() @ shear * SIDE / max(width, height)
    return _render(mask, matrix, how, rng, bend)


def _render(mask: NDArray[np.float32], matrix: NDArray[np.float64], how: Pose, rng: np.random.Generator, bend: float) -> Pixels:
    """Look every canvas pixel up in the mask: the inverse of the matrix, plus a smooth random displacement."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    right = columns + 0.5 - SIDE * (0.5 + how.across)
    below = rows + 0.5 - SIDE * (0.5 + how.down)
    if bend:
        amount = rng.uniform(0, 0.03) * SIDE * bend
        right += amount * _waves(rng)
        below += amount * _waves(rng)
    inverse = np.linalg.inv(matrix)
    x = inverse[0, 0] * right + inverse[0, 1] * below + mask.shape[1] / 2 - 0.5
    y = inverse[1, 0] * right + inverse[1, 1] * below + mask.shape[0] / 2 - 0.5
    ink = map_coordinates(mask, (y, x), order=1, mode="constant", cval=0.0)
    grey = how.ground + (how.ink - how.ground) * np.clip(ink, 0, 1)
    image = Image.fromarray(np.round(grey).astype(np.uint8))
    return shrink(image.filter(ImageFilter.GaussianBlur(how.blur * SIDE)) if how.blur else image)


def _waves(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a smooth random field (SIDE, SIDE) of about unit size: a coarse grid of normal numbers, enlarged."""
    cells = int(rng.integers(3, 6))
    coarse = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float64)


def weigh(mask: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the mask with its strokes made thicker or thinner by a random amount; both are float32 in 0..1, of equal shape."""
    image = Image.fromarray(np.round(mask * 255).astype(np.uint8))
    thickness = 2 * float(distance_transform_edt(mask > 0.5).max()) / max(mask.shape)
    # A bold glyph made bolder loses its holes.
    change = int(rng.integers(-1, 3 if thickness < 0.12 else 1))
    if change > 0:
        image = image.filter(ImageFilter.MaxFilter(2 * change + 1))
    elif change < 0:
        thin = image.filter(ImageFilter.MinFilter(3))
        # A hairline vanishes when thinned: such a glyph stays as it is.
        image = thin if np.asarray(thin, np.float32).sum() > 0.45 * np.asarray(image, np.float32).sum() else image
    return np.asarray(image, np.float32) / 255
