"""The images that the demo network learns from and is judged by, of three sources, each with its own held-out part."""

from __future__ import annotations

from dataclasses import dataclass

import augment
import canvas
import fonts
import numpy as np
import scans
import strokes
from canvas import Pixels
from numpy.typing import NDArray

Labels = NDArray[np.int64]
WIDER = 1.12  # how far the training goes beyond the poses that the network is judged on


@dataclass(frozen=True)
class Images:
    """Labelled images: pixels uint8 (n, 28, 28), labels int64 (n,)."""

    pixels: Pixels
    labels: Labels


def join(parts: list[Images]) -> Images:
    """Return the images of all parts."""
    return Images(np.concatenate([part.pixels for part in parts]), np.concatenate([part.labels for part in parts]))


def drawn(count: int, seed: int, reach: float = 1.0) -> Images:
    """Draw images of digits written as strokes, in equal numbers of each digit."""
    rng = np.random.default_rng([seed, 1])
    pixels = np.empty((count, canvas.SIDE, canvas.SIDE), np.uint8)
    labels = np.arange(count) % 10
    for index, digit in enumerate(labels):
        paths = strokes.write(int(digit), rng)
        extent = np.ptp(np.vstack(paths), axis=0)
        side = int(rng.choice([100, 100, 140, 280], p=[0.4, 0.2, 0.3, 0.1]))
        pixels[index] = canvas.shrink(canvas.draw(paths, canvas.pose(rng, extent, reach), side))
    return Images(pixels, labels)


def printed(faces: list[fonts.Face], count: int, seed: int, reach: float = 1.0) -> Images:
    """Draw images of the faces' digits, each family as often as any other, whatever its number of faces."""
    rng = np.random.default_rng([seed, 2])
    families: dict[str, list[fonts.Face]] = {}
    for face in faces:
        families.setdefault(face.family, []).append(face)
    groups = list(families.values())
    pixels = np.empty((count if groups else 0, canvas.SIDE, canvas.SIDE), np.uint8)
    labels = np.arange(len(pixels)) % 10
    for index, digit in enumerate(labels):
        group = groups[rng.integers(len(groups))]
        glyph = group[rng.integers(len(group))].glyphs[digit]
        pixels[index] = augment.place(augment.weigh(glyph, rng), rng, reach)
    return Images(pixels, labels)


def scanned(held_out: bool, count: int, seed: int, reach: float = 1.0) -> Images:
    """Draw images of the scans, those to train on or those held out, in random poses.

    The poses are milder than those of strokes and glyphs: of 8 x 8 pixels, little is left when they are made small and turned.
    """
    rng = np.random.default_rng([seed, 3])
    images, digits = scans.load()
    chosen = np.arange(len(images))[-scans.HELD_OUT :] if held_out else np.arange(len(images))[: -scans.HELD_OUT]
    order = np.resize(rng.permutation(chosen), count)
    pixels = np.stack([augment.place(scans.mask(images[index], rng), rng, 0.6 * reach, fuzzy=True) for index in order])
    return Images(pixels, digits[order])


def enlarged(held_out: bool, repeat: int = 1) -> Images:
    """Return the scans enlarged to 28 x 28 and otherwise as they are."""
    images, digits = scans.load()
    part = slice(-scans.HELD_OUT, None) if held_out else slice(None, -scans.HELD_OUT)
    pixels = np.stack([scans.plain(scan) for scan in images[part]])
    return Images(np.tile(pixels, (repeat, 1, 1)), np.tile(digits[part], repeat))


def training(count: int, seed: int, faces: list[fonts.Face]) -> Images:
    """Return about count images to train on: two fifths of them strokes, a quarter print, a third scans."""
    return join(
        [
            drawn(2 * count // 5, seed, WIDER),
            printed(faces, count // 4, seed, WIDER),
            scanned(False, count // 3, seed, WIDER),
            enlarged(False, repeat=max(1, count // 40_000)),
        ]
    )


def judging(count: int, seed: int, faces: list[fonts.Face]) -> dict[str, Images]:
    """Return the held-out images by the name of their source: count of strokes, of print and of moved scans, and the plain scans."""
    return {
        "strokes, drawn anew": drawn(count, seed),
        "fonts, families held out": printed(faces, count, seed),
        "scans, the last fifth, as they are": enlarged(True),
        "scans, the last fifth, moved and bent": scanned(True, count, seed),
    }
