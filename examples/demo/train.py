"""Trains the demo network, judges it on held-out digits, and writes the model file and its page of the documentation.

KERAS_BACKEND=jax python examples/demo/train.py
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import check
import data
import fonts
import hdf5
import keras
import numpy as np
import report
from canvas import tensor

CONFIDENT = 0.9  # what each sample must be recognised with
BAR = 0.98  # what the network must reach on held-out digits


class MaxPooling2D(keras.layers.MaxPooling2D):
    """Max pooling by 2 x 2 that computes the same faster: the gradient of XLA's own window maximum is slow on processors."""

    def call(self, inputs: Any) -> Any:
        """Return (n, h / 2, w / 2, c) for inputs (n, h, w, c); h and w are even."""
        rows = keras.ops.maximum(inputs[:, 0::2], inputs[:, 1::2])
        return keras.ops.maximum(rows[:, :, 0::2], rows[:, :, 1::2])


def build(rate: float = 0.35) -> keras.Sequential:
    """Return the article's network: input (n, 28, 28, 1) in 0..1, output ten confidences."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((28, 28, 1), name="conv2d_1_input"),
            layers.Conv2D(32, 5, activation="relu", name="conv2d_1"),
            MaxPooling2D(2, name="max_pooling2d_1"),
            layers.Conv2D(64, 5, activation="relu", name="conv2d_2"),
            MaxPooling2D(2, name="max_pooling2d_2"),
            layers.Dropout(rate, name="dropout_1"),
            layers.Flatten(name="flatten_1"),
            layers.Dense(128, activation="relu", name="dense_1"),
            layers.Dense(10, activation="softmax", name="dense_2"),
        ]
    )


def train(images: data.Images, epochs: int, seed: int, batch: int = 128) -> keras.Sequential:
    """Return a network trained on the images."""
    keras.utils.set_random_seed(seed)
    model = build()
    steps = epochs * -(-len(images.labels) // batch)
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=1.5e-3, warmup_steps=min(300, steps // 10))
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(tensor(images.pixels), images.labels, batch_size=batch, epochs=epochs, verbose=2)
    return model


def judge(path: Path, parts: dict[str, data.Images]) -> list[report.Row]:
    """Return one row per held-out source: how many of its images the model file recognises, by the check's arithmetic."""
    rows = []
    for name, part in parts.items():
        # In pieces: numpy's windows over all images at once would take gigabytes.
        pieces = np.array_split(part.pixels, 1 + len(part.pixels) // 500)
        guesses = np.concatenate([check.predict(path, tensor(piece)).argmax(axis=1) for piece in pieces])
        rows.append(report.Row(name, len(part.labels), int((guesses == part.labels).sum())))
    return rows


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=9, help="passes over the training images (default: %(default)s)")
    parser.add_argument("--images", type=int, default=90_000, help="training images to make (default: %(default)s)")
    parser.add_argument("--judged", type=int, default=4_000, help="held-out images of each source (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the images and of the weights (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a small run that shows that all of it works: 6,000 images, one epoch, no bar")
    parser.add_argument("--out", type=Path, default=check.MODEL, help="the model file to write (default: %(default)s)")
    parser.add_argument("--docs", type=Path, help="the page to write (default: docs/demo.md, with --quick none)")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.images, chosen.epochs, chosen.judged = 6_000, 1, 500
    elif chosen.docs is None:
        chosen.docs = check.ROOT / "docs" / "demo.md"
    return chosen


def main() -> None:
    """Make the images, train, write, judge what was written, and refuse a network below the bar."""
    chosen = arguments()
    started = time.perf_counter()
    learned, held_out = fonts.split(fonts.load(fonts.find()))
    images = data.training(chosen.images, chosen.seed, learned)
    print(f"{len(images.labels)} images made in {time.perf_counter() - started:.0f} s")
    model = train(images, chosen.epochs, chosen.seed)
    hdf5.write(model, chosen.out)
    samples = tensor(check.samples())
    if not np.allclose(model.predict(samples, verbose=0), check.predict(chosen.out, samples), atol=1e-4):
        raise SystemExit(f"{chosen.out} does not compute what the trained network does")
    # The held-out images have a seed of their own: with the training's, the same strokes would be drawn again.
    rows = judge(chosen.out, data.judging(chosen.judged, chosen.seed + 1_000_003, held_out))
    confidences = check.predict(chosen.out, samples)[np.arange(10), np.arange(10)]
    run = report.Run(
        rows=rows,
        samples=confidences,
        images=len(images.labels),
        epochs=chosen.epochs,
        seed=chosen.seed,
        size=chosen.out.stat().st_size,
        parameters=model.count_params(),
        faces=(len(learned), len(held_out)),
        families=(len({face.family for face in learned}), len({face.family for face in held_out})),
        minutes=(time.perf_counter() - started) / 60,
    )
    print(run.table())
    if chosen.docs:
        chosen.docs.write_text(run.page(), encoding="utf-8")
    if not chosen.quick and (run.accuracy < BAR or confidences.min() < CONFIDENT):
        raise SystemExit(f"accuracy {run.accuracy:.2%}, least sure sample {confidences.min():.3f}: below {BAR:.0%} or {CONFIDENT}")


if __name__ == "__main__":
    main()
