"""A model of one adapter, and what its framework itself makes of a few rows."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np

from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.config.task import Task
from zeromind.plugins import Plugins

ROWS = np.linspace(-1, 1, 20).reshape(5, 4)
CLASSES = np.array([0, 1, 2, 1, 0])
GPU_TOLERANCE = 2e-3
"""GPUs add up in another order, and in fewer digits than float32 has where the framework lets them (TF32)."""


@functools.cache
def has_gpu():
    """Whether this machine has a GPU of NVIDIA's."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # the package's own, of which one says that there is no driver
        return False
    try:
        return pynvml.nvmlDeviceGetCount() > 0
    finally:
        pynvml.nvmlShutdown()


@dataclasses.dataclass
class Case:
    """A model file, a batch of five rows for it, and what the framework itself answers."""

    adapter: str
    path: Path
    inputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    code: str = ""
    """What ``carries_code`` says of it."""
    rtol: float = 0.0
    """How far floating outputs may be from the framework's own on a processor, of the number and in absolute terms; 0 = not at all."""
    task: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Further keys of its task."""
    also: tuple[str, ...] = ()
    """Other adapters that recognise it, by design: the user is asked which is meant."""
    cut: str = ""
    """Which file of a folder is the one that matters when it is cut off."""

    @property
    def file(self):
        return ModelFile(self.path)

    @functools.cached_property
    def loaded(self):
        return self.load()

    def load(self, path=None, **options):
        task = Task.parse({"id": "case", "model_file": str(path or self.path), **self.task, **options})
        source = Source(ModelFile(path or self.path), task.inputs, task.outputs, task.device, 1, bool(self.code), task.options)
        return Plugins().adapter(self.adapter)(source)

    @property
    def tolerance(self):
        return max(self.rtol, GPU_TOLERANCE) if self.rtol and has_gpu() else self.rtol

    def agree(self, mine, its):
        if self.rtol and mine.dtype.kind == "f":
            np.testing.assert_allclose(mine, its, rtol=self.tolerance, atol=self.tolerance)
        else:
            np.testing.assert_array_equal(mine, its)
