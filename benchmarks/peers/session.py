"""The model that a peer serves, in ONNX Runtime with one thread: the same for every one of them, in the peer's own environment."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime

NAME = os.environ["BENCH_NAME"]
FILE = os.environ["BENCH_MODEL"]
PORT = int(os.environ["BENCH_PORT"])
GRPC_PORT = int(os.environ["BENCH_GRPC_PORT"])
"""For those who speak gRPC."""
BATCH = 32
"""The most rows that any server joins."""


class Model:
    """Takes rows of ``x`` as float32, any number of them, and gives as many of ``y``."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(FILE, options, providers=["CPUExecutionProvider"])
        self.shape = tuple(self.session.get_inputs()[0].shape[1:])

    def row(self, numbers: list[float]) -> np.ndarray:
        """One row out of a flat list, without the batch dimension."""
        return np.asarray(numbers, dtype=np.float32).reshape(self.shape)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"x": np.ascontiguousarray(rows, dtype=np.float32)})[0]
