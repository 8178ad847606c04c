"""GPUs, and how much of their memory processes hold, as NVIDIA's management library tells it."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Collection, Iterator
from typing import Any

from zeromind.observe.reading import DeviceReading


def held(pids: Collection[int]) -> dict[int, int]:
    """Bytes by the number of the GPU; none where there is no GPU, no driver, or not the package ``nvidia-ml-py``."""
    sums = {number: sum(nbytes for pid, nbytes in of.items() if pid in pids) for number, of in by_process().items()}
    return {number: nbytes for number, nbytes in sums.items() if nbytes}


def by_process() -> dict[int, dict[int, int]]:
    """Bytes by the number of the GPU and by process."""
    found: dict[int, dict[int, int]] = {}
    with _library() as nvml, _unless_it_fails(nvml):
        for number in range(nvml.nvmlDeviceGetCount() if nvml else 0):
            running = nvml.nvmlDeviceGetComputeRunningProcesses(nvml.nvmlDeviceGetHandleByIndex(number))
            # None where the system does not let it tell.
            found[number] = {process.pid: process.usedGpuMemory or 0 for process in running}
    return found


def devices() -> list[DeviceReading]:
    """The GPUs that there are."""
    found = []
    with _library() as nvml, _unless_it_fails(nvml):
        for number in range(nvml.nvmlDeviceGetCount() if nvml else 0):
            device = nvml.nvmlDeviceGetHandleByIndex(number)
            memory = nvml.nvmlDeviceGetMemoryInfo(device)

            def ask(function: str, device: Any = device) -> Any:
                with _unless_it_fails(nvml):
                    return getattr(nvml, function)(device)
                return None

            busy = ask("nvmlDeviceGetUtilizationRates")
            told = map(ask, ("nvmlDeviceGetPowerUsage", "nvmlDeviceGetPowerManagementLimit", "nvmlDeviceGetTotalEnergyConsumption"))
            thousandths = [None if value is None else value / 1000 for value in told]
            name, uuid = (str(ask(function) or "") for function in ("nvmlDeviceGetName", "nvmlDeviceGetUUID"))
            found.append(DeviceReading(number, name, uuid, memory.total, memory.used, busy and float(busy.gpu), *thousandths))
    return found


@contextlib.contextmanager
def _library() -> Iterator[Any]:
    """NVIDIA's library while it is used; None where there is no GPU, no driver, or not the package ``nvidia-ml-py``."""
    try:
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
    except Exception:  # a broken driver is told by an exception of the library's own
        yield None
        return
    try:
        yield nvml
    finally:
        with _unless_it_fails(nvml):
            nvml.nvmlShutdown()


def _unless_it_fails(nvml: Any) -> contextlib.suppress:
    """What the library does not tell stays unknown."""
    return contextlib.suppress(*([nvml.NVMLError] if nvml else []))
