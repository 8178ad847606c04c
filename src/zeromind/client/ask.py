"""What is asked of a model, in no wire's words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from zeromind.client.faults import refused
from zeromind.limits import TENSORS
from zeromind.tensors import Interface, Parameter, find

_MOST_TIMEOUT_US = (1 << 63) - 1
_NOTHING: Mapping[str, Parameter] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """How a model is asked. ``priority`` is a level from 1, the most urgent, on; without ``filters`` all values are tensors."""

    parameters: Mapping[str, Parameter] = dataclasses.field(default_factory=dict)
    timeout_s: float | None = None
    request_id: str = ""
    outputs: tuple[str, ...] = ()
    filters: bool = True
    priority: int = 0

    @classmethod
    def of(  # noqa: PLR0913 - each is a parameter of predict
        cls,
        *,
        parameters: Mapping[str, Parameter] | None,
        timeout_s: float | None,
        request_id: str | None,
        outputs: Sequence[str] | None,
        filters: bool,
        priority: int | None,
    ) -> Terms:
        """The terms in a call's arguments. Raises InvalidInput for those that cannot be."""
        for name, value in (parameters or _NOTHING).items():
            if not isinstance(name, str) or not isinstance(value, (bool, int, float, str)):
                raise refused(f"parameter {name!r} is {type(value).__name__}: bool, int, float or str is expected")
            if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
                raise refused(f"parameter {name!r} is a number of more than 64 bits")
            if isinstance(value, float) and not math.isfinite(value):
                raise refused(f"parameter {name!r} is {value}: a finite number is expected")
        if request_id and not (request_id.isascii() and request_id.isprintable() and len(request_id) <= TENSORS.request_id):
            raise refused(f"a request_id is printable ASCII of up to {TENSORS.request_id} characters, not {request_id[:40]!r}")
        if priority is not None and priority < 1:
            raise refused(f"priority is {priority!r}: 1 is the most urgent")
        if isinstance(outputs, str):
            raise refused(f"outputs is a list of names, not {outputs!r}")
        return cls(dict(parameters or {}), timeout_s, request_id or "", tuple(outputs or ()), filters, priority or 0)

    def told(self, interface: Interface) -> tuple[str, ...]:
        """The wanted outputs by the model's own names. Raises InvalidInput for one that it has not."""
        if not self.outputs:
            return ()
        names = []
        for name in self.outputs:
            spec = find(interface.spec.outputs, name)
            if spec is None:
                shown = ", ".join(repr(spec.name) for spec in interface.spec.outputs)
                raise refused(f"the model has no output {name!r}; its outputs are {shown}")
            names.append(spec.name)
        return tuple(names)


def microseconds(seconds: float) -> int:
    """A timeout as the Open Inference Protocol's wires have it."""
    return max(1, min(int(seconds * 1e6), _MOST_TIMEOUT_US))


def options(terms: Terms, **own: Any) -> tuple[tuple[str, Any], ...]:
    """What a request says beside its tensors: a wire's ``own``, then the caller's parameters."""
    if not terms.parameters and not terms.priority:
        return tuple(own.items())
    priority = {"priority": terms.priority} if terms.priority else {}
    return tuple({**own, **priority, **terms.parameters}.items())
