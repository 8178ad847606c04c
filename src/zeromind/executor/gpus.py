"""How much of each GPU's memory processes hold, as NVIDIA's management library tells it."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Collection
from typing import Any


def held(pids: Collection[int]) -> dict[int, int]:
    """Bytes by the number of the GPU; none where there is no GPU, no driver, or not the package ``nvidia-ml-py``."""
    try:
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
    except Exception:  # a broken driver is told by an exception of the library's own
        return {}
    found: dict[int, int] = {}
    try:
        with contextlib.suppress(nvml.NVMLError):
            for number in range(nvml.nvmlDeviceGetCount()):
                running = nvml.nvmlDeviceGetComputeRunningProcesses(nvml.nvmlDeviceGetHandleByIndex(number))
                # None where the system does not let it tell.
                nbytes = sum(process.usedGpuMemory or 0 for process in running if process.pid in pids)
                if nbytes:
                    found[number] = nbytes
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()
    return found
