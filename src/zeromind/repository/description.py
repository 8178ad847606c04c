"""All that there is to say of a model, in plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from zeromind import datatypes
from zeromind.codecs import oip_model
from zeromind.config.options import TASK
from zeromind.executor import gpus
from zeromind.executor.diary import Fault
from zeromind.repository.lifecycle import State
from zeromind.repository.model import Model
from zeromind.repository.past import Remains
from zeromind.tensors import Interface, TensorSpec

STATES = {
    State.LOADING: "LOADING",
    State.READY: "READY",
    State.FAILED: "UNAVAILABLE",
    State.DROPPING: "UNLOADING",
    State.GONE: "UNAVAILABLE",
}
"""The states of the protocol's repository index."""
_DEFAULTS: Mapping[str, Any] = {option.key: option.default for option in TASK}


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """What processes hold now, in bytes: of memory by the worker, of each GPU's by process."""

    memory: Sequence[int]
    gpus: Mapping[int, Mapping[int, int]]

    @classmethod
    def of(cls, models: Sequence[Model]) -> list[Held]:
        """What the workers of each model hold. It asks the system, which takes milliseconds: for a thread."""
        by_gpu = gpus.by_process() if any(model.gpu_memory for model in models) else {}
        return [cls([worker.memory() for worker in model.workers], by_gpu) for model in models]

    def of_gpus(self, pids: set[int]) -> dict[str, int]:
        """Bytes by device, ``cuda:0``, of those processes."""
        sums = {f"cuda:{number}": sum(nbytes for pid, nbytes in held.items() if pid in pids) for number, held in self.gpus.items()}
        return {device: nbytes for device, nbytes in sums.items() if nbytes}


def state(model: Model) -> str:
    """The state of a model, as the repository index has it."""
    return "UNAVAILABLE" if model.trouble else STATES[model.life.state]


def described(model: Model, held: Held) -> dict[str, Any]:
    """A model that is here."""
    task, interface, fault = model.task, model.interface, model.diary.fault
    workers = [
        {"pid": worker.pid, "state": worker.state, "restarts": worker.restarts, "memory": nbytes}
        for worker, nbytes in zip(model.workers, held.memory, strict=True)
    ]
    pids = {worker.pid for worker in model.workers if worker.pid is not None}
    return {
        "id": task.id,
        "version": oip_model.VERSION,
        "state": state(model),
        "stage": model.diary.stage if model.life.state is State.LOADING else "",
        "since": model.since,
        "model_file": task.model_file,
        "adapter": interface.adapter if interface else task.model_type,
        "isolation": task.isolation,
        "instances": task.instances,
        "max_batch_size": task.max_batch_size,
        **_interface(interface, task.source),
        "workers": workers,
        "memory": sum(held.memory),
        "gpu_memory": held.of_gpus(pids),
        "load_time": model.load_time,
        "error": _told(fault),
    }


def remembered(name: str, source: Mapping[str, Any], remains: Remains | None) -> dict[str, Any]:
    """A model that is known, and not here."""
    keys = ("model_file", "isolation", "instances", "max_batch_size")
    return {
        "id": name,
        "version": oip_model.VERSION,
        "state": "UNAVAILABLE",
        "stage": "",
        "since": remains.since if remains else 0.0,
        **{key: source.get(key) or _DEFAULTS[key] or "" for key in keys},
        "adapter": source.get("model_type") or "",
        **_interface(None, source),
        "workers": [],
        "memory": 0,
        "gpu_memory": {},
        "load_time": 0.0,
        "error": _told(remains.diary.fault if remains else None),
    }


def _interface(interface: Interface | None, source: Mapping[str, Any]) -> dict[str, Any]:
    if interface is None:
        return {"batches": False, "decoupled": False, "parameters": False, "inputs": [], "outputs": []}
    inputs, outputs = ({**source.get(f"{side}_filters", {})} for side in ("input", "output"))
    return {
        "batches": interface.spec.batches,
        "decoupled": interface.decoupled,
        "parameters": interface.parameters,
        "inputs": [{**_tensor(spec, inputs), "media": list(interface.media.get(spec.name, ()))} for spec in interface.spec.inputs],
        "outputs": [{**_tensor(spec, outputs), "labels": _labels(interface, spec.name)} for spec in interface.spec.outputs],
    }


def _tensor(spec: TensorSpec, filters: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    used = [use if isinstance(use, str) else use["filter"] for use in filters.get(spec.name, ())]
    return {"name": spec.name, "type": datatypes.type_name(spec.datatype), "shape": list(spec.shape), "filters": used}


def _labels(interface: Interface, name: str) -> list[str] | None:
    return list(interface.labels[name]) if name in interface.labels else None


def _told(fault: Fault | None) -> dict[str, Any] | None:
    return fault.to_json() if fault else None
