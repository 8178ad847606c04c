"""TensorFlow, started for a server: quiet, on so many threads, with no more of a GPU than it needs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from zeromind import importing

LEAST = "2.12"
"""The oldest version without known ways to crash or read a process' memory over a model's operators."""
_KERAS = "TF_USE_LEGACY_KERAS"


def start(threads: int) -> Any:
    """The package ``tensorflow``, bound to so many threads if it has not started yet. Raises MISSING_PACKAGE."""
    # Read by its native part when it starts, hence before the import.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _without_keras():
        tf = importing.require("tensorflow", "tensorflow", "the tensorflow adapter", LEAST)
    # It refuses once it runs, as for a second model in one process.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        for gpu in tf.config.list_physical_devices("GPU"):
            # It would take all of a GPU's memory at once, and other workers live on it.
            tf.config.experimental.set_memory_growth(gpu, True)
    return tf


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
