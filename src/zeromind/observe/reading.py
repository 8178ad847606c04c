"""What is read of a pool at one moment, in plain values, for metrics to be made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from zeromind.observe.statistics import Snapshot


@dataclasses.dataclass(slots=True)
class ModelReading:
    """Of a model that is here. ``workers`` are their states; ``memory`` (bytes) and ``gpu_memory`` (device → bytes) are what they hold."""

    id: str
    version: str
    state: str
    adapter: str
    isolation: str
    load_s: float
    workers: Sequence[str]
    restarts: int
    waiting: int
    running: int
    most_waiting: int
    most_waiting_bytes: int
    decoupled: bool
    done: Snapshot
    memory: int = 0
    gpu_memory: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class DeviceReading:
    """Of a GPU: its size and what is used of it in bytes, how busy it was in percent, watts and joules; None is what it does not tell."""

    number: int
    name: str
    uuid: str
    memory: int
    used: int
    busy: float | None
    watts: float | None
    most_watts: float | None
    joules: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class HostReading:
    """Of the host, and of the server's own process: ``busy`` is the share of all its cores since the last reading, memory is in bytes."""

    busy: float
    memory: int
    used: int
    own_memory: int
    devices: Sequence[DeviceReading]


@dataclasses.dataclass(frozen=True, slots=True)
class WireReading:
    """Of one protocol: open connections, and answers by status."""

    name: str
    connections: int
    answers: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class PoolReading:
    """Of a pool: ``absent`` are models that could not be loaded. What is about more than models is left out where not all may see it."""

    id: str
    version: str
    uptime_s: float
    ready: bool
    models: Sequence[ModelReading]
    absent: Sequence[str] = ()
    host: HostReading | None = None
    wires: Sequence[WireReading] = ()
