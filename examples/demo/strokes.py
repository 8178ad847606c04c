"""Digits as the paths that a hand draws with a mouse or a pen, in the several forms that people write.

A path is a float64 array (n, 2) of x, y; y grows downwards as in images. A digit is a list of paths, one for each time
the pen is put down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Path = NDArray[np.float64]
Point = tuple[float, float]


@dataclass(frozen=True)
class Hand:
    """What differs from one writer and one attempt to the next: a random source and the unsteadiness of the points."""

    rng: np.random.Generator
    spread: float  # standard deviation of a control point, in heights of the digit

    def between(self, low: float, high: float) -> float:
        """Return a number drawn evenly from low to high."""
        return float(self.rng.uniform(low, high))

    def happens(self, chance: float) -> bool:
        """Return True with the given probability."""
        return bool(self.rng.random() < chance)

    def curve(self, *points: Point) -> Path:
        """Return a smooth path (Catmull-Rom spline) near the points; it begins and ends at the first and the last."""
        knots = self._shake(points)
        ends = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
        step = np.linspace(0, 1, 9)[:-1, None]
        pieces = []
        for before, start, end, after in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
            bend = 2 * before - 5 * start + 4 * end - after
            twist = 3 * (start - end) + after - before
            pieces.append(0.5 * (2 * start + (end - before) * step + bend * step**2 + twist * step**3))
        return np.vstack([*pieces, knots[-1:]])

    def line(self, *points: Point) -> Path:
        """Return a path of straight pieces through points near the given ones."""
        knots = self._shake(points)
        step = np.linspace(0, 1, 9)[:-1, None]
        pieces = [start + (end - start) * step for start, end in pairwise(knots)]
        return np.vstack([*pieces, knots[-1:]])

    def arc(self, centre: Point, radii: Point, start: float, end: float) -> Path:
        """Return a piece of an ellipse; angles in degrees, 0 to the right, 90 downwards."""
        angles = np.radians(np.linspace(start, end, max(6, int(abs(end - start) / 10))))
        wide, high = radii[0] * self.between(0.9, 1.1), radii[1] * self.between(0.95, 1.05)
        return np.column_stack([centre[0] + wide * np.cos(angles), centre[1] + high * np.sin(angles)])

    def _shake(self, points: tuple[Point, ...]) -> Path:
        return np.array(points) + self.rng.normal(0, self.spread, (len(points), 2))


def zero(hand: Hand) -> list[Path]:
    """Draw a round or narrow ring, closed, overshot or a little open, rarely slashed."""
    wide, start, turn = hand.between(0.17, 0.46), hand.between(-130, -40), 360 + hand.between(-14, 40)
    ring = hand.arc((0.5, 0.5), (wide, 0.5), start, start - turn if hand.happens(0.8) else start + turn)
    ring = 0.5 + (ring - 0.5) * np.linspace(1, hand.between(0.88, 1.08), len(ring))[:, None]
    if hand.happens(0.04):
        return [ring, hand.line((0.5 + wide, 0.1), (0.5 - wide, 0.9))]
    return [ring]


def one(hand: Hand) -> list[Path]:
    """Draw a bar, with or without a flag at the top and a foot."""
    lean = hand.between(-0.05, 0.05)
    paths = [hand.line((0.5, 0), (0.5 + lean, 1))]
    if hand.happens(0.55):
        reach = hand.between(0.1, 0.35)
        flag = (0.5 - reach, reach * hand.between(0.7, 1.4))
        paths = [np.vstack([hand.line(flag, (0.5, 0)), hand.line((0.5, 0), (0.5 + lean, 1))])]
        if hand.happens(0.35):
            paths.append(_foot(hand))
    elif hand.happens(0.12):
        paths.append(_foot(hand))
    return paths


def _foot(hand: Hand) -> Path:
    return hand.line((0.5 - hand.between(0.12, 0.32), 1), (0.5 + hand.between(0.12, 0.32), 1))


def two(hand: Hand) -> list[Path]:
    """Draw a swan's neck with a sharp corner or a loop before the base, rarely all straight."""
    if hand.happens(0.05):
        return [hand.line((0.1, 0.06), (0.8, 0.04), (0.1, 1), (0.9, 1))]
    start = (hand.between(0.02, 0.15), hand.between(0.12, 0.32))
    neck: list[Point] = [start, (0.2, 0.06), (0.46, 0), (0.74, 0.08), (0.82, 0.28), (0.68, 0.54)]
    if hand.happens(0.35):
        loop = hand.between(0.75, 0.88)
        return [hand.curve(*neck, (0.34, 0.84), (0.1, 0.98), (0.02, 0.88), (0.16, loop), (0.42, 0.92), (0.68, 1.0), (0.95, 0.9))]
    corner = (hand.between(0, 0.15), 1.0)
    descent = hand.curve(*neck, (0.38, 0.8), corner)
    last = (hand.between(0.75, 1.0), hand.between(0.92, 1.04))
    base = hand.line(corner, last) if hand.happens(0.6) else hand.curve(corner, (0.35, 0.93), (0.62, 1.0), last)
    return [np.vstack([descent, base])]


def three(hand: Hand) -> list[Path]:
    """Draw two bowls, or a flat top over one bowl."""
    end = hand.between(120, 175)
    waist = hand.between(0.43, 0.52)
    bowl = hand.arc((0.42, (1 + waist) / 2), (0.4, (1 - waist) / 2), hand.between(-110, -80), end)
    if hand.happens(0.2):
        return [np.vstack([hand.line((hand.between(0.05, 0.2), 0.03), (0.78, 0.0), (0.4, waist)), bowl])]
    top = hand.arc((0.42, waist / 2), (hand.between(0.28, 0.4), waist / 2), hand.between(-175, -130), hand.between(75, 110))
    tongue = hand.line((hand.between(0.15, 0.42), waist)) if hand.happens(0.5) else top[-1:]
    return [np.vstack([top, tongue, bowl])]


def four(hand: Hand) -> list[Path]:
    """Draw a four, open at the top or closed to a triangle."""
    bar, right, stem = hand.between(0.5, 0.72), hand.between(0.72, 1.0), hand.between(0.55, 0.72)
    foot = (stem + hand.between(-0.08, 0.06), 1.0)
    if hand.happens(0.4):
        top = (stem + hand.between(-0.06, 0.02), 0.0)
        side = np.vstack([hand.line(top, (hand.between(0, 0.12), bar)), hand.line((0.05, bar), (right, bar))])
        return [side, hand.line((stem, 0.0), foot)]
    left = (hand.between(0.0, 0.15), bar)
    start = (left[0] + hand.between(0.0, 0.32), hand.between(0.0, 0.12))
    side = hand.line(start, left, (right, bar)) if hand.happens(0.6) else hand.curve(start, left, (0.35, bar + 0.02), (right, bar))
    return [side, hand.line((stem + hand.between(-0.04, 0.14), hand.between(-0.05, 0.3)), foot)]


def five(hand: Hand) -> list[Path]:
    """Draw a bowl under a bar, in one or two strokes, angular or rounded like an S."""
    left, neck = hand.between(0.1, 0.25), hand.between(0.36, 0.5)
    roof = (hand.between(0.65, 0.95), hand.between(-0.06, 0.06))
    tail = (hand.between(0.0, 0.12), hand.between(0.84, 0.96))
    bowl: list[Point] = [(left, neck), (0.45, neck - 0.06), (0.78, 0.54), (0.82, 0.76), (0.62, 0.96), (0.32, 1.0), tail]
    if hand.happens(0.15):
        return [hand.curve(roof, (0.45, 0.02), (left, 0.16), (left + 0.04, neck - 0.05), (0.5, neck + 0.03), *bowl[2:])]
    body = np.vstack([hand.line((left + 0.04, 0.03), (left, neck)), hand.curve(*bowl)])
    if hand.happens(0.5):
        return [np.vstack([hand.line(roof, (left + 0.04, 0.03)), body])]
    return [body, hand.line((left + hand.between(-0.03, 0.12), hand.between(-0.04, 0.06)), roof)]


def six(hand: Hand) -> list[Path]:
    """Draw a falling stem that closes into a loop below."""
    start: Point
    if hand.happens(0.35):
        start, bend = (hand.between(0.5, 0.75), 0.0), (hand.between(0.25, 0.38), 0.32)
    else:
        start, bend = (hand.between(0.6, 0.85), hand.between(0, 0.14)), (0.36, 0.16)
    height, close = hand.between(0.44, 0.62), (hand.between(0.08, 0.22), hand.between(0.7, 0.85))
    loop: list[Point] = [(0.24, 0.96), (0.5, 1), (0.78, 0.88), (0.8, 0.68), (0.55, height), (0.3, height + 0.05), close]
    return [hand.curve(start, bend, (0.14, 0.5), (0.08, 0.75), *loop)]


def seven(hand: Hand) -> list[Path]:
    """Draw a roof and a descent, straight or bent, with or without a bar across and a serif."""
    corner, foot = (hand.between(0.72, 0.95), hand.between(-0.04, 0.06)), (hand.between(0.2, 0.5), 1.0)
    roof = [(hand.between(0, 0.12), hand.between(0, 0.1)), corner]
    if hand.happens(0.2):
        roof.insert(0, (roof[0][0] + hand.between(-0.03, 0.03), roof[0][1] + hand.between(0.1, 0.22)))
    middle = ((corner[0] + foot[0]) / 2 - hand.between(0.0, 0.12), 0.45)
    down = hand.line(corner, foot) if hand.happens(0.5) else hand.curve(corner, middle, foot)
    paths = [np.vstack([hand.line(*roof), down])]
    if hand.happens(0.35):
        height = hand.between(0.42, 0.58)
        centre = corner[0] + (foot[0] - corner[0]) * height
        left, right = centre - hand.between(0.15, 0.3), centre + hand.between(0.15, 0.3)
        paths.append(hand.line((left, height), (right, height + hand.between(-0.06, 0.04))))
    return paths


def eight(hand: Hand) -> list[Path]:
    """Draw a crossing double loop, or two rings one on the other."""
    waist = hand.between(0.42, 0.52)
    if hand.happens(0.3):
        upper, lower, start = hand.between(0.2, 0.34), hand.between(0.26, 0.4), hand.between(-120, 120)
        top = hand.arc((0.45, waist / 2), (upper, waist / 2), start, start - 360 - hand.between(-8, 20))
        return [top, hand.arc((0.45, (1 + waist) / 2), (lower, (1 - waist) / 2), -90, 270 + hand.between(-8, 20))]
    start, end = (hand.between(0.66, 0.78), hand.between(0.06, 0.18)), (hand.between(0.66, 0.8), hand.between(0.06, 0.2))
    upper_half: list[Point] = [start, (0.45, 0), (0.2, 0.1), (0.2, waist - 0.14), (0.46, waist)]
    lower_half: list[Point] = [(0.76, 0.64), (0.76, 0.9), (0.45, 1), (0.13, 0.9), (0.14, 0.66), (0.42, waist + 0.02), (0.68, waist - 0.16)]
    return [hand.curve(*upper_half, *lower_half, end)]


def nine(hand: Hand) -> list[Path]:
    """Draw a loop with a stem that falls straight or curls to the left."""
    high, wide = hand.between(0.22, 0.32), hand.between(0.26, 0.4)
    right = 0.42 + wide
    start = hand.between(-60, 0)
    loop = hand.arc((0.42, high), (wide, high), start, start - 360 + hand.between(-15, 30))
    head = (right, hand.between(0, 1.2) * high)
    if hand.happens(0.55):
        stem = hand.line(head, (right - hand.between(-0.04, 0.3), 1.0))
    elif hand.happens(0.5):
        stem = hand.curve(head, (right - 0.02, 0.6), (right - 0.12, 0.85), (right - 0.32, 1.0))
    else:
        stem = hand.curve(head, (right, 0.62), (right - 0.08, 0.88), (0.42, 1.0), (0.18, 0.97), (0.06, hand.between(0.8, 0.92)))
    return [loop, stem]


FORMS: tuple[Callable[[Hand], list[Path]], ...] = (zero, one, two, three, four, five, six, seven, eight, nine)


def write(digit: int, rng: np.random.Generator) -> list[Path]:
    """Return the paths of one handwritten digit, centred on 0, 0, the longer side of its bounding box 1 long."""
    hand = Hand(rng, spread=float(rng.uniform(0.004, 0.026)))
    paths = FORMS[digit](hand)
    slant, stretch, bow = hand.between(-0.22, 0.3), np.exp(hand.between(-0.35, 0.3)), hand.between(-0.15, 0.15)
    tremble = hand.between(0, 0.012)
    paths = [_tremble(path, tremble, rng) for path in paths]
    for path in paths:
        below = path[:, 1] - 0.5
        path[:, 0] = stretch * (path[:, 0] + bow * below**2) - slant * below
    return centre(paths)


def centre(paths: list[Path]) -> list[Path]:
    """Return the paths moved to 0, 0 and scaled so that the longer side of their common bounding box is 1."""
    points = np.vstack(paths)
    low, high = points.min(axis=0), points.max(axis=0)
    return [(path - (low + high) / 2) / float((high - low).max()) for path in paths]


def _tremble(path: Path, amount: float, rng: np.random.Generator) -> Path:
    """Add a slow waver along the path, as an unsteady hand does."""
    along = np.linspace(0, 1, len(path))[:, None]
    waves = rng.uniform(1.5, 7, (3, 1, 2))
    shift = sum(np.sin(2 * np.pi * (along * wave + phase)) for wave, phase in zip(waves, rng.random((3, 1, 2)), strict=True))
    return path + amount * shift
