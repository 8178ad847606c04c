"""Drawing on a square canvas as a person would, and the way from the canvas to the network's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Pixels = NDArray[np.uint8]
SIDE = 28  # height and width of the network's input, pixels


@dataclass(frozen=True)
class Pose:
    """Where and how a digit is drawn; lengths are fractions of the canvas's side."""

    size: float  # longer side of the digit's bounding box before tilting
    across: float  # shift of the digit's centre from the canvas's, to the right
    down: float  # the same, downwards
    tilt: float  # degrees, clockwise
    width: float  # of the stroke
    ink: int  # grey level of the stroke, 0..255
    ground: int  # grey level of the canvas
    blur: float  # radius of a Gaussian blur

    def matrix(self) -> NDArray[np.float64]:
        """Return the (2, 2) matrix that tilts and scales a digit of unit size."""
        angle = np.radians(self.tilt)
        return self.size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def pose(rng: np.random.Generator, extent: NDArray[np.float64], reach: float = 1.0) -> Pose:
    """Draw a pose for a digit whose bounding box is extent (2,) wide and high, of unit longer side.

    reach 1 spans what people draw: 45..95 % of the frame, 20 % off centre, tilted 20 degrees, strokes of 2..14 %; the
    training takes a little more. The digit stays on the canvas but for a sliver of its edge.
    """
    size = float(np.clip(rng.uniform(0.7 - 0.25 * reach, 0.7 + 0.25 * reach), 0.3, 0.98))
    tilt = float(rng.uniform(-20, 20) * reach)
    width = float(np.exp(rng.uniform(np.log(0.02 / reach), np.log(0.14 * reach))))
    # Thicker strokes than these close the loops of a small digit: nobody could read it.
    width = min(width, 0.17 * size, max(0.3 * size * float(extent.min()), 0.09 * size))
    angle = np.radians(abs(tilt))
    turned = size * np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ extent
    room = np.maximum((1 - turned - width) / 2, 0) + 0.02
    across, down = np.clip(rng.uniform(-0.2, 0.2, 2) * reach, -room, room)
    ground = int(rng.uniform(0, 75)) if rng.random() < 0.4 else 0
    ink = int(rng.uniform(max(110, ground + 75), 256)) if rng.random() < 0.6 else 255
    blur = float(rng.uniform(0, 0.018)) if rng.random() < 0.3 else 0.0
    return Pose(size, float(across), float(down), tilt, width, ink, ground, blur)


def draw(paths: list[NDArray[np.float64]], how: Pose, side: int) -> Image.Image:
    """Return a grey image (side x side) of the paths, which are centred on 0, 0 and of unit size, drawn with a round pen."""
    image = Image.new("L", (side, side), how.ground)
    brush = ImageDraw.Draw(image)
    width = max(1, round(how.width * side))
    shift = np.array([0.5 + how.across, 0.5 + how.down])
    for path in paths:
        points = (path @ how.matrix().T + shift) * side
        brush.line([(float(x), float(y)) for x, y in points], fill=how.ink, width=width)
        if width > 2:
            radius = width / 2
            for x, y in points:
                brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=how.ink)
    return image.filter(ImageFilter.GaussianBlur(how.blur * side)) if how.blur else image


def shrink(image: Image.Image) -> Pixels:
    """Return the image as uint8 (28, 28), by the arithmetic of the server's image filter before it divides by 255."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS).convert("L"), np.uint8)


def tensor(images: Pixels) -> NDArray[np.float32]:
    """Return uint8 images (n, 28, 28) as the network's input, float32 (n, 28, 28, 1) in 0..1."""
    return (images.astype(np.float32) / np.float32(255))[..., None]
