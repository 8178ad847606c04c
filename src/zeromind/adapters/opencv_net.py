"""Networks as OpenCV reads them, with its complaints in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zeromind.adapters import opencv_file
from zeromind.adapters.opencv_file import Parts
from zeromind.errors import ErrorKind, ZeroMindError

_WEIGHED = ("Convolution", "BatchNorm", "InnerProduct")


def read(cv2: Any, parts: Parts) -> Any:
    """The network in its files. Raises LOAD_FAILED, MISSING_PACKAGE."""
    files = [str(path) for path in (parts.network, parts.weights) if path]
    readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "caffemodel": ("readNetFromCaffe", lambda read: read(*files)),
        "weights": ("readNetFromDarknet", lambda read: read(*files)),
        "graph": ("readNetFromTensorflow", lambda read: read(*files[::-1])),
        "torch7": ("readNetFromTorch", lambda read: read(files[0], True)),
        "torch7 text": ("readNetFromTorch", lambda read: read(files[0], False)),
    }
    name, call = readers[parts.kind]
    if not hasattr(cv2.dnn, name):
        text = f"OpenCV {cv2.__version__} reads this format no longer: pip install 'zeromind[opencv]', which is OpenCV 4"
        raise ZeroMindError(ErrorKind.MISSING_PACKAGE, text, "cv2")
    try:
        net = call(getattr(cv2.dnn, name))
        if parts.kind == "weights":
            _check_weights(net, parts.weights)
    except cv2.error as error:
        names = " with ".join(path.name for path in (parts.weights, parts.network) if path)
        text = f"OpenCV cannot read {names}: {reason_of(error)}; is it cut off or damaged, or do the files not belong together?"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, parts.weights.name) from error
    return net


def _check_weights(net: Any, path: Path) -> None:
    """Raise LOAD_FAILED where Darknet's weights end before all layers have theirs: OpenCV's reader goes on with what was in memory."""
    layers = [net.getLayer(net.getLayerId(name)) for name in net.getLayerNames()]
    wanted = sum(int(np.prod(blob.shape)) for layer in layers if layer.type in _WEIGHED for blob in layer.blobs)
    held = (path.stat().st_size - opencv_file.header_bytes(path)) // 4
    if held < wanted:
        text = f"{path.name} holds {held} numbers, the network takes {wanted}: is it cut off, or another network's?"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, path.name)


def reason_of(error: Exception) -> str:
    """What OpenCV says, without its prefix ``OpenCV(4.10.0) /path/file.cpp:1: error: (-2:Unspecified error)`` and its later lines."""
    return re.sub(r"^OpenCV\([^)]*\) .*?: error: \(-?\d+:([^)]*)\) ?", r"\1: ", str(error)).strip().partition("\n")[0]
