"""What the pool runs on: the processor, memory and GPUs of the host, its own process, and the frameworks that are installed."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import psutil

import zeromind
from zeromind.executor import gpus
from zeromind.observe.reading import HostReading
from zeromind.plugins import FILTERS, Plugins


class Host:
    """Of one pool, from when it was made on."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._process = psutil.Process()
        self._since = time.monotonic()
        self._lock = threading.Lock()
        self._times = psutil.cpu_times()
        self._adapters: Mapping[str, str | None] = {}

    @property
    def uptime_s(self) -> float:
        """Seconds since the pool was made."""
        return time.monotonic() - self._since

    def memory(self) -> int:
        """The resident memory of the server's own process, in bytes."""
        return int(self._process.memory_info().rss)

    def reading(self) -> HostReading:
        """What there is to measure. It asks the system, which takes milliseconds: for a thread."""
        memory = psutil.virtual_memory()
        with self._lock:
            before, self._times = self._times, psutil.cpu_times()
            all_s, idle_s = (now - then for now, then in zip(_spent(self._times), _spent(before), strict=True))
        busy = min(1.0, max(0.0, 1 - idle_s / all_s)) if all_s > 0 else 0.0
        return HostReading(busy, memory.total, memory.total - memory.available, self.memory(), gpus.devices())

    def to_json(self) -> dict[str, Any]:
        """All of that. It asks the system, which takes milliseconds, the first time a second: for a thread."""
        if not self._adapters:
            self._adapters = _adapters(self._plugins)
        return {
            "cpu_usage": psutil.cpu_percent(),
            "memory": psutil.virtual_memory()._asdict(),
            "python": list(sys.version_info),
            "cores": os.cpu_count() or 1,
            "uptime_s": self.uptime_s,
            "process": {"pid": os.getpid(), "memory": self.memory()},
            "gpus": [{"name": device.name, "memory": device.memory, "used": device.used} for device in gpus.devices()],
            "version": zeromind.__version__,
            "platform": platform.platform(),
            "adapters": self._adapters,
            "filters": sorted(FILTERS),
        }


def _spent(times: Any) -> tuple[float, float]:
    """A processor's seconds: all of them, and those in which it had nothing to do. What guests spend is in its user's already."""
    told = times._asdict()
    return sum(value for name, value in told.items() if not name.startswith("guest")), told["idle"] + told.get("iowait", 0.0)


def _adapters(plugins: Plugins) -> dict[str, str | None]:
    """By name the version of the framework that is installed; None where one is missing, empty for those that need none."""
    known = importlib.metadata.packages_distributions()
    versions: dict[str, str | None] = {}
    for adapter in plugins.adapters():
        needs = tuple(getattr(adapter, "needs", {}))
        lacking = any(module not in known for module in needs)
        versions[adapter.name] = None if lacking else importlib.metadata.version(known[needs[0]][0]) if needs else ""
    return versions
