"""What a server tells of itself and of its models."""

from __future__ import annotations

import dataclasses

from zeromind.tensors import Interface, Shape, TensorSpec


@dataclasses.dataclass(frozen=True, slots=True)
class ServerInfo:
    """Its name, its version, and the extensions of the Open Inference Protocol that it has."""

    name: str
    version: str
    extensions: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model that is here or can be loaded by its name; ``state`` is READY, LOADING, UNLOADING or UNAVAILABLE, for a ``reason``."""

    name: str
    version: str
    state: str
    reason: str

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        return self.state == "READY"


@dataclasses.dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output of a model, without its filters: ``datatype`` as the Open Inference Protocol names it, None = any size.

    ``media`` are the content types of files that an input with filters takes as they are, ``labels`` the names of an output's classes.
    """

    name: str
    datatype: str
    shape: Shape
    filtered: bool
    media: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model's interface. ``batches``: the first dimension of every tensor is the batch. ``decoupled``: it answers in parts."""

    name: str
    adapter: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    batches: bool
    decoupled: bool

    @classmethod
    def of(cls, name: str, interface: Interface) -> ModelInfo:
        """What an interface says."""

        def info(spec: TensorSpec, filtered: frozenset[str]) -> TensorInfo:
            media, labels = interface.media.get(spec.name, ()), interface.labels.get(spec.name, ())
            return TensorInfo(spec.name, spec.datatype, spec.shape, spec.name in filtered, media, labels)

        return cls(
            name,
            interface.adapter,
            tuple(info(spec, interface.filtered_inputs) for spec in interface.spec.inputs),
            tuple(info(spec, interface.filtered_outputs) for spec in interface.spec.outputs),
            interface.spec.batches,
            interface.decoupled,
        )
