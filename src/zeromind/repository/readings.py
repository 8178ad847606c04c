"""Reads what metrics are made of: counts at once, on the event loop, then what has to be asked of the system, in a thread."""

from __future__ import annotations

from collections.abc import Sequence

from zeromind.codecs import oip_model
from zeromind.config.pool import PoolConfig
from zeromind.observe.reading import ModelReading
from zeromind.repository import description
from zeromind.repository.description import Held
from zeromind.repository.model import Model


def of(model: Model, config: PoolConfig, now: float) -> ModelReading:
    """What a model has done and does; ``now`` is on the monotonic clock, in seconds."""
    task, interface = model.task, model.interface
    return ModelReading(
        id=task.id,
        version=oip_model.VERSION,
        state=description.state(model),
        adapter=interface.adapter if interface else task.model_type,
        isolation=task.isolation,
        load_s=model.load_time,
        workers=[worker.state for worker in model.workers],
        restarts=model.restarts,
        waiting=model.waiting,
        running=model.running,
        most_waiting=config.max_queue,
        most_waiting_bytes=config.max_queue_bytes,
        decoupled=interface is not None and interface.decoupled,
        done=model.statistics.snapshot(now),
    )


def weigh(readings: Sequence[ModelReading], models: Sequence[Model]) -> None:
    """Add what the models' workers hold now. It asks the system, which takes milliseconds: for a thread."""
    for reading, model, held in zip(readings, models, Held.of(models), strict=True):
        reading.memory = sum(held.memory)
        reading.gpu_memory = held.of_gpus({worker.pid for worker in model.workers if worker.pid is not None})
