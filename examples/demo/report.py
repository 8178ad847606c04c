"""What a training run found, as a table and as a page of the documentation."""

from __future__ import annotations

import platform
import textwrap
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

PACKAGES = ("keras", "jax", "numpy", "pillow", "scikit-learn", "scipy", "h5py")

FONT_PACKAGES = (  # Debian's, as installed where the published model was trained
    "fonts-breip fonts-bwht fonts-cabin fonts-cantarell fonts-comic-neue fonts-crosextra-carlito fonts-dancingscript "
    "fonts-dkg-handwriting fonts-dosis fonts-ecolier-court fonts-fantasque-sans fonts-femkeklaver fonts-freefont-ttf fonts-humor-sans "
    "fonts-inconsolata fonts-isabella fonts-junction fonts-jura fonts-karla fonts-kaushanscript fonts-kiloji fonts-klee fonts-kristi "
    "fonts-lato fonts-league-mono fonts-liberation fonts-mononoki fonts-okolaks fonts-open-sans fonts-play fonts-quicksand "
    "fonts-rufscript fonts-seto fonts-sjfonts fonts-tomsontalks fonts-urw-base35 fonts-yanone-kaffeesatz"
)
PAGE = """<!-- Written by examples/demo/train.py: change it there. -->
# The demo model

`models/mnist_cnn_model.keras` recognises handwritten digits: light strokes on a dark ground, 28 x 28 grey values in 0..1. It is the
network of the article: two convolutions with max pooling, dropout, and two dense layers (`conv2d_1` 32 filters of 5 x 5, `conv2d_2`
64 of 5 x 5, `dense_1` 128, `dense_2` 10 with softmax), {parameters} parameters, {size}. The file is HDF5 in the form that Keras 2.0.8
wrote, so that serving it proves that models of that time load.

`samples/image0.png` … `image9.png` are ten digits to try it on, 100 x 100 RGBA, drawn by `examples/demo/draw_samples.py`. The model
recognises all ten; the one it is least sure of is {least}.

## What it learned from

{images} images, {epochs} epochs, seed {seed}; nothing is downloaded. Two fifths of them are digits drawn as strokes, the way a mouse draws
them, in the forms that people write (`strokes.py`); a quarter are digits of the fonts on the machine (`fonts.py`:
{faces}); a third are scikit-learn's bundled scans of handwriting
(`scans.py`), enlarged. All are placed on the canvas as people draw, not centred and
cropped as in MNIST: 45 to 95 % of the frame, up to 20 % off centre, tilted up to 20°, strokes of 2 to 14 % of the frame, at times
grey on dark grey, at times blurred; the scans, of 8 x 8 pixels each, more gently.

## How well it reads

On digits that it has not seen, in poses of the spread above; measured on the written file with numpy alone (`check.py`):

{table}

Strokes are drawn from another seed by the same generator. The fonts held out are whole families, though some families imitate others.
The held-out scans are the last 360 of the set; neighbours in it are by the same writer, so these are mostly by other people than the
rest. Their 8 x 8 pixels leave some of them hard to read for people too. After a first, shorter run had been judged on these fonts and
scans, outline fonts were left out (learned and held out alike), bold glyphs no longer made bolder, and scans posed more gently.

## Make it again

    pip install "zeromind[keras,sklearn,images]" scipy
    python examples/demo/draw_samples.py
    python examples/demo/train.py
    python examples/demo/check.py

The training took {minutes} minutes on one shared processor core. `--quick` shows in about a minute that all of it works, and
`--help` lists the rest. The images are the same for the same seed and the same fonts; the weights differ a little between versions and
machines, because sums are taken in another order. The run above used
{versions}.

Any TrueType and OpenType fonts do. The published model had these Debian packages beside DejaVu (optional):

{packages}
"""


@dataclass(frozen=True)
class Row:
    """How many images of one held-out source were recognised."""

    source: str
    images: int
    right: int


@dataclass(frozen=True)
class Run:
    """One training run: how the network was trained, and what it recognised."""

    rows: list[Row]
    samples: NDArray[np.float32]  # (10,): the confidence in each sample's own digit
    images: int  # trained on
    epochs: int
    seed: int
    size: int  # of the model file, bytes
    parameters: int
    faces: tuple[int, int]  # fonts trained on, held out
    families: tuple[int, int]  # the same in families
    minutes: float  # that the run took

    @property
    def accuracy(self) -> float:
        """The part of all held-out images that was recognised."""
        return sum(row.right for row in self.rows) / sum(row.images for row in self.rows)

    def table(self) -> str:
        """Return the accuracy of each source and of the whole, as Markdown."""
        whole = Row("**whole**", sum(row.images for row in self.rows), sum(row.right for row in self.rows))
        lines = [f"| {row.source} | {row.images:,} | {row.right / row.images:.2%} |" for row in [*self.rows, whole] if row.images]
        return "\n".join(["| held-out digits | images | recognised |", "|---|---:|---:|", *lines])

    def page(self) -> str:
        """Return docs/demo.md."""
        versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        least = int(self.samples.argmin())
        return PAGE.format(
            table=self.table(),
            images=f"{self.images:,}",
            epochs=self.epochs,
            seed=self.seed,
            size=f"{self.size / 1e6:.2f} MB",
            parameters=f"{self.parameters:,}",
            faces=f"{sum(self.faces)} fonts in {sum(self.families)} families, of which {self.faces[1]} in {self.families[1]} are held out",
            least=f"image{least}.png at {self.samples[least]:.5f}",
            versions=f"Python {platform.python_version()}, {versions}",
            minutes=f"{self.minutes:.0f}",
            packages=textwrap.fill(FONT_PACKAGES, 130, break_on_hyphens=False),
        )
