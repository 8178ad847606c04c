"""What may be done, and by whom."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable

from zeromind.errors import ErrorKind, ZeroMindError


class Scope(enum.Enum):
    """What a route or a method needs of a key. ``OPEN`` needs none, ``ANY`` any that is valid; the last three are what keys have.

    ``DESCRIBE`` needs one of two: who may ask a model has to know what it takes.
    """

    OPEN = "open"
    ANY = "any"
    DESCRIBE = "predict or read"
    PREDICT = "predict"
    READ = "read"
    MANAGE = "manage"


GRANTED = (Scope.PREDICT, Scope.READ, Scope.MANAGE)
"""Those that a key can have."""
_DESCRIBING = (Scope.PREDICT, Scope.READ)


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name of a key, and what it may. ``models`` are ids, a ``*`` at the end standing for any rest; None is all models.

    ``key`` tells keys apart that have the same name one after the other.
    """

    name: str
    scopes: frozenset[Scope]
    models: tuple[str, ...] | None = None
    key: str = dataclasses.field(default="", repr=False)

    @property
    def known(self) -> str:
        """The name of the key; empty for who has none."""
        return self.name if self.key else ""

    def sees(self, model: str) -> bool:
        """Whether a model is one of those that it may know of."""
        return self.models is None or any(_fits(model, pattern) for pattern in self.models)

    def visible(self, models: Iterable[str]) -> list[str]:
        """Those of some models that it may know of."""
        return [model for model in models if self.sees(model)]

    def check_model(self, model: str) -> None:
        """Raise PERMISSION_DENIED for a model that is not for this key, whether it is there or not."""
        if not self.sees(model):
            raise ZeroMindError(ErrorKind.PERMISSION_DENIED, f"the key {self.name!r} is not for the model {model!r}: use one that is")

    def check_scope(self, scope: Scope) -> None:
        """Raise UNAUTHENTICATED for nobody, PERMISSION_DENIED for a key that has not this scope."""
        if scope is Scope.OPEN or scope in self.scopes or (scope is Scope.DESCRIBE and not self.scopes.isdisjoint(_DESCRIBING)):
            return
        if Scope.ANY not in self.scopes:
            raise ZeroMindError(ErrorKind.UNAUTHENTICATED, NO_KEY)
        has = ", ".join(sorted(one.value for one in self.scopes if one in GRANTED))
        text = f"the key {self.name!r} has the scopes {has}; this needs {scope.value}: use a key that has it"
        raise ZeroMindError(ErrorKind.PERMISSION_DENIED, text, scope.value)

    def check_all(self) -> None:
        """Raise PERMISSION_DENIED for a key that is for some models only, where what is asked for is about more."""
        if self.models is not None:
            text = f"the key {self.name!r} is for some models only, and this is about more than those: use a key without such a limit"
            raise ZeroMindError(ErrorKind.PERMISSION_DENIED, text)


NO_KEY = "this server needs an API key: send the header Authorization: Bearer <key>; its operator makes one with 'zeromind keys add'"
ANYONE = Caller("anonymous", frozenset(Scope))
"""Who asks a server that has no keys."""
NOBODY = Caller("anonymous", frozenset())
"""Who asks a server that has keys, without one."""


def _fits(model: str, pattern: str) -> bool:
    return model.startswith(pattern[:-1]) if pattern.endswith("*") else model == pattern
