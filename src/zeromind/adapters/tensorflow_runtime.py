"""TensorFlow for a server: quiet, in sessions of so many threads each, with no more of a GPU than it needs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from zeromind import importing
from zeromind.adapters import device

LEAST = "2.18"
"""The oldest version without known ways to crash a process, or to read its memory, over a model's operators."""
_KERAS = "TF_USE_LEGACY_KERAS"


def start() -> Any:
    """The package ``tensorflow``. Raises MISSING_PACKAGE."""
    # Read by its native part when it starts, hence before the import.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _without_keras():
        tf = importing.require("tensorflow", "tensorflow", "the tensorflow adapter", LEAST)
    tf.get_logger().setLevel("ERROR")  # it calls sessions old, at every use
    return tf


def session(tf: Any, threads: int, text: str) -> Any:
    """A session with an empty graph, of so many threads, on a task's ``device``. Raises TASK_ATTRIBUTE, LOAD_FAILED."""
    asked = device.parse(text)
    gpus = 0 if asked.kind == "cpu" else len(tf.config.list_physical_devices("GPU"))
    if asked.kind == "cuda" and asked.number >= gpus:
        raise device.beyond(text, "TensorFlow", gpus, "pip install 'tensorflow[and-cuda]'")
    settings = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=-1,  # operators run in the caller's thread: to hand them over takes longer than many of them
        allow_soft_placement=True,  # of graphs that name devices of the machine that trained them
        device_count={} if gpus else {"GPU": 0},
    )
    if gpus:
        # It would take all of a GPU's memory at once, and other workers live on it.
        settings.gpu_options.allow_growth = True
        settings.gpu_options.visible_device_list = str(asked.number)
    return tf.compat.v1.Session(graph=tf.Graph(), config=settings)


@contextlib.contextmanager
def _without_keras() -> Iterator[None]:
    """TensorFlow imports Keras for the sake of editors only: a third of its start, and a choice of Keras' backend for the process.

    It looks for the old Keras instead, which is seldom there, if this variable says so; later uses of ``tf.keras`` ask anew.
    """
    if "tensorflow" in sys.modules or _KERAS in os.environ:
        yield
        return
    os.environ[_KERAS] = "1"
    try:
        yield
    finally:
        del os.environ[_KERAS]
