"""Reads the demo model without Keras and recognises the samples with numpy alone: a check on what the training wrote.

python examples/demo/check.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from canvas import shrink, tensor
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "mnist_cnn_model.keras"
SAMPLES = ROOT / "samples"
Array = NDArray[np.float32]


def samples(folder: Path = SAMPLES) -> NDArray[np.uint8]:
    """Return image0.png to image9.png of the folder as the server's filter sees them, uint8 (10, 28, 28)."""
    return np.stack([shrink(Image.open(folder / f"image{digit}.png")) for digit in range(10)])


def predict(path: Path, images: Array) -> Array:
    """Return the confidences (n, 10) of the model file for images (n, 28, 28, 1), both float32, layer by layer in numpy."""
    with h5py.File(path, "r") as file:
        config = file.attrs["model_config"]
        values = images
        for layer in json.loads(config)["config"]:
            group = file["model_weights"][layer["config"]["name"]]
            weights = [group[name][()] for name in group.attrs["weight_names"]]
            values = _apply(layer["class_name"], layer["config"], weights, values)
    return values


def _apply(kind: str, config: dict[str, Any], weights: list[Array], values: Array) -> Array:
    """Return what one layer makes of the values (n, ...)."""
    match kind:
        case "Conv2D":
            height, width = config["kernel_size"]
            windows = sliding_window_view(values, (height, width), axis=(1, 2))
            values = np.einsum("nyxchw,hwcf->nyxf", windows, weights[0], optimize=True) + weights[1]
        case "Dense":
            values = values @ weights[0] + weights[1]
        case "MaxPooling2D":
            high, wide = config["pool_size"]
            rows, columns = values.shape[1] // high, values.shape[2] // wide
            cut = values[:, : rows * high, : columns * wide]
            values = cut.reshape(len(values), rows, high, columns, wide, -1).max(axis=(2, 4))
        case "Flatten":
            values = values.reshape(len(values), -1)
        case "Dropout":
            pass
        case _:
            raise ValueError(f"the model has a layer of class {kind}, which this check does not know")
    match config.get("activation"):
        case "relu":
            values = np.maximum(values, 0)
        case "softmax":
            raised = np.exp(values - values.max(axis=-1, keepdims=True))
            values = raised / raised.sum(axis=-1, keepdims=True)
    return values


def main() -> None:
    """Print what the model sees in each sample, and fail where it is wrong or unsure."""
    parser = argparse.ArgumentParser(description="Recognise the ten samples with the demo model, in numpy alone.")
    parser.add_argument("--model", type=Path, default=MODEL, help="the model file (default: %(default)s)")
    parser.add_argument("--samples", type=Path, default=SAMPLES, help="the folder of image0.png to image9.png (default: %(default)s)")
    arguments = parser.parse_args()
    confidences = predict(arguments.model, tensor(samples(arguments.samples)))
    for digit, row in enumerate(confidences):
        print(f"image{digit}.png: {row.argmax()} with confidence {row.max():.5f}")
    if (confidences.argmax(axis=1) != np.arange(10)).any() or (confidences.max(axis=1) < 0.9).any():
        raise SystemExit("a sample is not recognised")


if __name__ == "__main__":
    main()
