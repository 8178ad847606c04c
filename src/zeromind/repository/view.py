"""What there is to see of a pool: what its models are, do and say, what it runs on, and the metrics of all that."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any

import zeromind
from zeromind.access.scope import Caller
from zeromind.config.pool import PoolConfig
from zeromind.executor.host import Host
from zeromind.observe import histogram
from zeromind.observe.metrics import Metrics
from zeromind.observe.reading import PoolReading, WireReading
from zeromind.plugins import Plugins
from zeromind.repository import description, readings
from zeromind.repository.description import Held
from zeromind.repository.model import Model
from zeromind.repository.registry import Registry


class View:
    """Of one pool. It changes nothing."""

    def __init__(self, config: PoolConfig, registry: Registry, metrics: Metrics) -> None:
        self._config = config
        self._registry = registry
        self._metrics = metrics
        self.host = Host(Plugins(config.adapter_folders, config.filter_folders))
        self.wires: list[Callable[[], WireReading]] = []
        """What there is to read of each protocol that the pool is served by."""

    async def models(self, caller: Caller) -> list[dict[str, Any]]:
        """All that there is to say of each model that the caller sees, as ``repository.description`` has it."""
        models = self._seen(caller)
        absent = [known for known in self._registry.remembered() if caller.sees(known["id"])]
        held = await asyncio.to_thread(Held.of, models)
        return [description.described(model, one) for model, one in zip(models, held, strict=True)] + absent

    def activity(self, caller: Caller, model_id: str | None = None) -> dict[str, Any]:
        """What a model, or each that the caller sees, has done since it was loaded, and does.

        ``{"time": seconds of a monotonic clock, "bounds": of histograms, "models": by id}``. Raises MODEL_NOT_FOUND.
        """
        models: Iterable[Model] = self._seen(caller) if model_id is None else [self._registry.get(model_id)]
        done = {model.task.id: {**model.statistics.activity(), "queue": model.waiting, "running": model.running} for model in models}
        return {"time": time.monotonic(), "bounds": histogram.BOUNDS, "models": done}

    def log(self, model_id: str) -> list[dict[str, Any]]:
        """The last lines of a model's workers, of dead ones too, oldest first: ``{"time", "pid", "text"}``. Raises MODEL_NOT_FOUND."""
        return [line._asdict() for line in self._registry.diary(model_id).lines]

    async def metrics(self, caller: Caller, accept: str, ready: bool) -> tuple[str, bytes]:
        """Content type and bytes of the metrics for Prometheus, of the models that the caller sees; of all else if those are all."""
        now, everything = time.monotonic(), caller.models is None
        models = self._seen(caller)
        here = {model.task.id for model in models}
        reading = PoolReading(
            id=str(self._config.id),
            version=zeromind.__version__,
            uptime_s=self.host.uptime_s,
            ready=ready,
            models=[readings.of(model, self._config, now) for model in models],
            absent=[name for name in self._registry.failed if name not in here and caller.sees(name)],
            wires=[wire() for wire in self.wires] if everything else (),
        )

        def page() -> tuple[str, bytes]:
            readings.weigh(reading.models, models)
            host = self.host.reading() if everything else None
            return self._metrics.page(dataclasses.replace(reading, host=host), accept, own=everything)

        return await asyncio.to_thread(page)

    def _seen(self, caller: Caller) -> list[Model]:
        return [model for model in self._registry.models() if caller.sees(model.task.id)]
