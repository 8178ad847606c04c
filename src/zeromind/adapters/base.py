"""The form of an adapter: recognise a file, load it, describe its tensors, predict a batch, close.

An adapter runs inside a worker and is synchronous. Its module imports only the standard library, numpy and zeromind's ground
when it is imported; the framework is imported when a model is loaded.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from zeromind import importing
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Parameter, Tensor, TensorSpec


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """What a task gives its adapter.

    ``inputs`` and ``outputs`` are the task's own interface, empty where it gives none; ``threads`` is how many the framework may
    use; ``allow_code`` is the operator's word that the file may run code; ``options`` holds the task's further keys;
    ``max_batch_size`` is how many rows the largest batch has that is formed of several requests.
    """

    file: ModelFile
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    device: str = "auto"
    threads: int = 1
    allow_code: bool = False
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    max_batch_size: int = 32


class Adapter(abc.ABC):
    """A loaded model of one framework. ``__init__`` loads it and sets ``spec``, or raises LOAD_FAILED, INPUT_SPEC or OUTPUT_SPEC.

    ZeroMindError passes to the client as it is, ValueError and TypeError from ``predict`` become INVALID_INPUT, anything else
    PREDICTION_FAILED.
    """

    name: ClassVar[str]
    """The ``model_type`` of its tasks, and what ``/model/info`` shows as the tool."""
    formats: ClassVar[str]
    """Which files it serves, for people, in one line."""
    needs: ClassVar[Mapping[str, str]] = {}
    """The packages that it imports, by the name to import, the framework first, each with the least version that is safe."""
    code: ClassVar[str] = ""
    """Which of its formats can carry code, for people; empty if none can."""
    options: ClassVar[Mapping[str, str]] = {}
    """The task keys that it understands beyond everybody's, each with a sentence of help."""
    open_options: ClassVar[bool] = False
    """Whether its models bring task keys of their own, which only ``__init__`` can check (TASK_ATTRIBUTE)."""

    spec: ModelSpec
    labels: Mapping[str, Sequence[str]] = {}
    """The names of the classes of outputs, where the file tells them: as many as the output's last dimension has values."""
    decoupled: bool = False
    """Whether a request may have any number of responses: ``stream`` is asked then, and never ``predict``."""
    parameters: bool = False
    """Whether the model looks at a request's parameters: ``predict_with`` is asked then, and only requests with equal ones are joined."""

    @classmethod
    def require(cls, module: str) -> Any:
        """A module of a package that ``needs`` names, or MISSING_PACKAGE that says what to install."""
        return importing.require(module, cls.name, f"the {cls.name} adapter", cls.needs.get(module.partition(".")[0], ""))

    @classmethod
    @abc.abstractmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether the file's content is this framework's. Must not run anything in the file, nor import the framework."""

    @classmethod
    def carries_code(cls, file: ModelFile) -> str:
        """Why loading this file may run code that is in it, for people (``"a pickle"``); empty if it cannot. Same restraint."""
        del file
        return ""

    @abc.abstractmethod
    def __init__(self, source: Source) -> None: ...

    @abc.abstractmethod
    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch; arrays have the dtypes and shapes of ``spec``, and so must the answer.

        A batch of no rows comes only where the spec leaves sizes of an output open beside them.
        """

    def predict_with(self, inputs: Mapping[str, Tensor], parameters: Mapping[str, Parameter]) -> Mapping[str, Tensor]:
        """The same for requests with these parameters; only asked where ``parameters`` is set."""
        del parameters
        return self.predict(inputs)

    def stream(self, inputs: Mapping[str, Tensor], parameters: Mapping[str, Parameter]) -> Iterator[Mapping[str, Tensor]]:
        """The responses to one request, each as ``predict`` gives one; only asked where ``decoupled`` is set. A generator is closed."""
        del parameters
        yield self.predict(inputs)

    def lost(self) -> bool:
        """Whether what it computes on, such as a GPU, does nothing more for this process. Asked after faults; the process ends then."""
        return False

    def close(self) -> None:  # noqa: B027 - most adapters have nothing to close
        """Let go of what the model holds. The process usually ends right after."""


def check_options(adapter: type[Adapter], options: Mapping[str, Any]) -> None:
    """Raise TASK_ATTRIBUTE, naming the culprit, for a task key that the adapter does not know."""
    for key in options:
        if key not in adapter.options and not adapter.open_options:
            known = ", ".join(sorted(adapter.options)) or "none"
            raise ZeroMindError(
                ErrorKind.TASK_ATTRIBUTE,
                f"unknown task key {key!r}: neither every task's nor the {adapter.name} adapter's (its own keys: {known})",
                key,
            )
