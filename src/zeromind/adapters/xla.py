"""JAX's compiler, as the adapters that use it share it: its surroundings in a worker, and compiled functions of numpy arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from zeromind.adapters.ladder import Function
from zeromind.tensors import Tensor

_SHAPES_KEPT = 256


def surroundings(threads: int) -> None:
    """Set what JAX's native parts read from the environment when they start; hence before the first import of JAX."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("PJRT_NPROC", str(threads))
    # JAX would take three quarters of a GPU's memory at once, and other workers live on it.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def only_cpu(jax: Any) -> None:
    """Have JAX start for the processor alone, if it has not started yet: it would take memory of every GPU that it sees."""
    # Not by the environment, which processes inherit that are to compute on a GPU.
    jax.config.update("jax_platforms", "cpu")


def function(programs: Any, *given: Any) -> Function:
    """What ``jax.jit`` made, called with ``given`` and a list of arrays; its flat results as numpy arrays, which are nobody else's."""
    shapes: set[Any] = set()

    def run(arrays: Sequence[Tensor]) -> list[Tensor]:
        shape = tuple(array.shape for array in arrays)
        if shape not in shapes:
            # Every shape keeps a program alive: clients who never send the same length twice must not fill the memory.
            if len(shapes) >= _SHAPES_KEPT:
                programs.clear_cache()
                shapes.clear()
            shapes.add(shape)
        try:
            return [np.asarray(each) for each in programs(*given, *arrays)]
        except RuntimeError as error:
            if "RESOURCE_EXHAUSTED" in str(error):  # as XLA's status is called
                raise MemoryError(str(error)) from error
            raise

    return run
