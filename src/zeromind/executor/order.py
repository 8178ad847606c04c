"""What a worker is told to load, and under which rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """A task with the pool's rules, in plain values, so that it can cross to another process.

    ``model_file`` is the located path; ``trusted`` says that the operator wrote the task, so that its paths may lie anywhere;
    ``allow_code`` is the operator's word that the file may run code; ``threads`` is how many the framework may use.

    ``confine`` to ``memory_bytes`` say how a worker process is confined (``Confinement``): ``network`` is "auto", "open" or "closed",
    ``scratch`` the folder in which it gets one of its own, empty = the system's; ``environment`` is chosen from the server's if None.
    """

    task: Mapping[str, Any]
    model_file: str
    roots: tuple[str, ...] = (".",)
    trusted: bool = False
    allow_code: bool = False
    model_types: tuple[str, ...] = ()
    adapter_folders: tuple[str, ...] = ()
    filter_folders: tuple[str, ...] = ()
    threads: int = 1
    debug: bool = False
    confine: str = "auto"
    network: str = "auto"
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    memory_bytes: int = 0
    scratch: str = ""
    environment: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for a frame; ``from_json`` is its inverse."""
        return {**dataclasses.asdict(self), "task": dict(self.task), "environment": None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Order:
        """The order that ``to_json`` wrote."""
        plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        return cls(**plain)
