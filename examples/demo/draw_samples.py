"""Draws samples/image0.png to image9.png: hand-drawn digits, light on dark, 100 x 100 pixels, RGBA.

python examples/demo/draw_samples.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import strokes
from canvas import Pose, draw
from check import SAMPLES
from PIL import Image

SIDE = 100  # pixels
FINER = 4  # drawn this many times larger, then shrunk: the strokes get soft edges
SEEDS = (6, 6, 5, 2, 9, 4, 11, 3, 2, 9)  # of each digit, chosen by eye for a form that people write


def sample(digit: int, seed: int) -> Image.Image:
    """Return one sample, RGBA (100, 100), opaque: the server's filter drops the alpha channel."""
    rng = np.random.default_rng([seed, digit])
    how = Pose(
        size=float(rng.uniform(0.66, 0.76)),
        across=float(rng.uniform(-0.04, 0.04)),
        down=float(rng.uniform(-0.04, 0.04)),
        tilt=float(rng.uniform(-6, 6)),
        width=float(rng.uniform(0.07, 0.09)),
        ink=255,
        ground=0,
        blur=0.0,
    )
    grey = draw(strokes.write(digit, rng), how, SIDE * FINER).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return Image.merge("RGBA", (grey, grey, grey, Image.new("L", grey.size, 255)))


def main() -> None:
    """Write the ten samples."""
    parser = argparse.ArgumentParser(description="Draw the ten sample digits, 100 x 100 RGBA.")
    parser.add_argument("--out", type=Path, default=SAMPLES, help="the folder to write to (default: %(default)s)")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for digit, seed in enumerate(SEEDS):
        sample(digit, seed).save(folder / f"image{digit}.png", optimize=True)


if __name__ == "__main__":
    main()
