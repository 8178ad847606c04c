"""Scanned handwriting: scikit-learn's bundled digits, 1,797 scans of 8 x 8 pixels by 13 people, enlarged."""

from __future__ import annotations

import numpy as np
from canvas import SIDE, Pixels
from numpy.typing import NDArray
from PIL import Image

Masks = list[NDArray[np.float32]]
Labels = NDArray[np.int64]
HELD_OUT = 360  # the last fifth: neighbours are by the same writer, so these are mostly by other people than the rest


def load() -> tuple[NDArray[np.float32], Labels]:
    """Return the scans, float32 (1797, 8, 8) in 0..1, and their digits (1797,)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return (bunch.images / 16).astype(np.float32), bunch.target.astype(np.int64)


def plain(scan: NDArray[np.float32]) -> Pixels:
    """Return one scan (8, 8) enlarged to uint8 (28, 28), nothing else changed."""
    large = Image.fromarray(scan).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.round(np.clip(np.asarray(large), 0, 1) * 255).astype(np.uint8)


def mask(scan: NDArray[np.float32], rng: np.random.Generator | None = None) -> NDArray[np.float32]:
    """Return one scan (8, 8) enlarged eight times and cut to its digit; with rng its edges are sharpened by chance."""
    framed = np.pad(scan, 1)
    large = np.clip(np.asarray(Image.fromarray(framed).resize((80, 80), Image.Resampling.BICUBIC)), 0, 1)
    if rng is not None and rng.random() < 0.75:
        # Eight pixels say where the ink was but not how wide the pen: the threshold chooses a width.
        threshold = rng.uniform(0.25, 0.55)
        large = np.clip((large - threshold) * rng.uniform(0.5 / threshold, 8) + 0.5, 0, 1)
    rows, columns = np.flatnonzero(large.max(axis=1) > 0.15), np.flatnonzero(large.max(axis=0) > 0.15)
    if not len(rows):
        return large
    return large[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
