"""What the Open Inference Protocol says of a model: its metadata, and its configuration in the form of Triton's ``ModelConfig``.

Of the configuration the JSON that Triton's server writes: the message's own field names, numbers as numbers, and messages only where
they say something: clients take the mere presence of ``dynamic_batching`` or ``model_transaction_policy`` for a statement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from zeromind.tensors import Interface, TensorSpec

EXTENSIONS = (
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "schedule_policy",
    "model_configuration",
    "system_shared_memory",
    "cuda_shared_memory",
    "binary_tensor_data",
    "parameters",
    "statistics",
    "trace",
    "logging",
)
"""What the server metadata names: the extensions of the protocol that are served."""
INTERFACE = "interface"
"""The parameter of a configuration that holds the ``Interface``, whole: aliases, filters, media types and labels too."""
VERSION = "1"
"""The only version of every model."""


class Served(Protocol):
    """What is read of a task."""

    @property
    def id(self) -> str:
        """The model's name."""

    @property
    def source(self) -> Mapping[str, Any]:
        """The task as its author wrote it."""

    @property
    def instances(self) -> int:
        """How many workers hold the model."""

    @property
    def device(self) -> str:
        """Where the framework computes."""

    @property
    def max_batch_size(self) -> int:
        """Most rows of one call."""

    @property
    def max_queue_delay_us(self) -> float:
        """How long a batch may wait to fill."""

    @property
    def priority_levels(self) -> int:
        """How many priorities requests may have."""

    @property
    def default_priority_level(self) -> int:
        """The priority of a request that names none."""


def metadata(model_id: str, interface: Interface) -> dict[str, Any]:
    """The model metadata's JSON; sizes that are open are -1. A tensor with filters is BYTES, one element for each sample."""
    inputs = [_tensor(spec, interface, spec.name in interface.filtered_inputs) for spec in interface.spec.inputs]
    outputs = [_tensor(spec, interface, spec.name in interface.filtered_outputs) for spec in interface.spec.outputs]
    return {"name": model_id, "versions": [VERSION], "platform": interface.adapter, "inputs": inputs, "outputs": outputs}


def config(task: Served, interface: Interface, whole: bool = True) -> dict[str, Any]:
    """The model's configuration. ``dims`` are without the batch where ``max_batch_size`` says that there is one.

    Unless it is ``whole``, it lacks how the filters were set.
    """
    described = metadata(task.id, interface)
    batches = interface.spec.batches
    known: dict[str, Any] = {
        "name": task.id,
        "platform": interface.adapter,
        "backend": interface.adapter,
        "runtime": "",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": task.max_batch_size if batches else 0,
        "input": [_input(tensor, batches) for tensor in described["inputs"]],
        "output": [_output(tensor, batches, interface) for tensor in described["outputs"]],
        "batch_input": [],
        "batch_output": [],
        "instance_group": [_instances(task)],
        "default_model_filename": "",
        "cc_model_filenames": {},
        "metric_tags": {},
        "parameters": _parameters(task, interface, whole),
        "model_warmup": [],
    }
    if batches:
        known["dynamic_batching"] = _batching(task)
    if interface.decoupled:
        known["model_transaction_policy"] = {"decoupled": True}
    return known


def _tensor(spec: TensorSpec, interface: Interface, filtered: bool) -> dict[str, Any]:
    if filtered:
        return {"name": spec.name, "datatype": "BYTES", "shape": [-1]}
    shape = [-1 if size is None else size for size in spec.shape]
    return {"name": spec.name, "datatype": spec.datatype, "shape": [-1, *shape[1:]] if interface.spec.batches else shape}


def _input(tensor: Mapping[str, Any], batches: bool) -> dict[str, Any]:
    flags = {"is_shape_tensor": False, "allow_ragged_batch": False, "optional": False, "is_non_linear_format_io": False}
    return {"name": tensor["name"], "data_type": _type(tensor), "format": "FORMAT_NONE", "dims": tensor["shape"][batches:], **flags}


def _output(tensor: Mapping[str, Any], batches: bool, interface: Interface) -> dict[str, Any]:
    labels = "labels" if tensor["name"] in interface.labels else ""
    flags = {"is_shape_tensor": False, "is_non_linear_format_io": False}
    return {"name": tensor["name"], "data_type": _type(tensor), "dims": tensor["shape"][batches:], "label_filename": labels, **flags}


def _type(tensor: Mapping[str, Any]) -> str:
    return "TYPE_STRING" if tensor["datatype"] == "BYTES" else f"TYPE_{tensor['datatype']}"


def _instances(task: Served) -> dict[str, Any]:
    kind, gpus = "KIND_AUTO", []
    if task.device == "cpu":
        kind = "KIND_CPU"
    elif task.device.startswith("cuda"):
        kind, gpus = "KIND_GPU", [int(task.device.partition(":")[2] or 0)]
    return {
        "name": task.id,
        "kind": kind,
        "count": task.instances,
        "gpus": gpus,
        "secondary_devices": [],
        "profile": [],
        "passive": False,
        "host_policy": "",
    }


def _batching(task: Served) -> dict[str, Any]:
    return {
        "preferred_batch_size": [],
        "max_queue_delay_microseconds": int(task.max_queue_delay_us),
        "preserve_ordering": False,
        "priority_levels": task.priority_levels,
        "default_priority_level": task.default_priority_level,
        "priority_queue_policy": {},
    }


def _parameters(task: Served, interface: Interface, whole: bool) -> dict[str, Any]:
    """As JSON text what Triton's configuration has no place for: the interface, and the task's filters where it is offered with them."""
    told: dict[str, Any] = {INTERFACE: interface.to_json()}
    if whole and interface.filtered:
        told |= {side: task.source[side] for side in ("input_filters", "output_filters") if task.source.get(side)}
    return {name: {"string_value": json.dumps(value)} for name, value in told.items()}
