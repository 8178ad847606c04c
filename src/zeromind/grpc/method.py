"""What connections and services have in common: methods, what a call's head asks of them, replies and conversations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from zeromind.access.scope import NOBODY, Caller, Scope
from zeromind.grpc.status import Fault
from zeromind.observe.timing import Work
from zeromind.tensors import Run

Pieces: TypeAlias = Sequence[bytes]
"""A message's bytes, in pieces."""


class Submitted(Protocol):
    """A request for inference, of which an answer is being given."""

    @property
    def since(self) -> float:
        """Since when it waited, on the monotonic clock in seconds."""

    def work(self, run: Run) -> Work:
        """What a run did for it."""


Ran: TypeAlias = tuple[Submitted, Run]
"""What was answered, by which run."""


class Reply(Protocol):
    """Takes what a call is answered with, and what the logs shall know of it."""

    def __call__(self, outcome: Pieces | Exception, model: str = "", ran: Ran | None = None, /) -> None:
        """To be called once."""


Withdraw: TypeAlias = Callable[[], object]


class Speaker(Protocol):
    """A conversation's way to its client."""

    def say(self, pieces: Pieces) -> None:
        """Send one message."""

    def ready(self) -> None:
        """One of the client's messages is done with: there may be room for more."""

    def end(self, error: Exception | None = None) -> None:
        """Say no more; the error is the call's status, else that is OK."""

    @property
    def crowded(self) -> bool:
        """Whether much of what was said waits for the client: nothing more shall be made until the conversation is told."""


class Conversation(Protocol):
    """Whoever talks with the client of a call with many messages each way."""

    @property
    def pending(self) -> int:
        """How many of the client's messages are still worked on."""

    def hear(self, message: bytes) -> None:
        """Take a message. Raises what the call is to end with."""

    def ended(self) -> None:
        """The client has said all: end when all is answered."""

    def eased(self) -> None:
        """The client has taken something of what was said."""

    def withdraw(self) -> None:
        """The client has left, and wants no answer."""


@dataclasses.dataclass(frozen=True, slots=True)
class Method:
    """One RPC. A unary one has ``answer``, one with streams ``talk``."""

    name: str
    scope: Scope
    """What it needs of a key, as far as that is known without its message."""
    answer: Answer | None = None
    talk: Talk | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Head:
    """What a request's fields mean; ``fault`` is what it is answered if it cannot be served, None in both if it is no gRPC.

    ``answer_encoding`` is for answers: that of the request, where its client takes it too. ``bare`` asks for tensors without
    filters, ``strict`` for a status instead of error messages within a stream. ``caller`` is who calls, from ``address``; ``request_id`` is
    what the client calls it, where that is fit to be told; ``path`` is what it asked for,
    ``trace`` the fields that tell of the client's trace.
    """

    method: Method | None
    fault: Fault | None
    encoding: bytes = b""
    timeout_s: float | None = None
    answer_encoding: bytes = b""
    bare: bool = False
    strict: bool = False
    caller: Caller = NOBODY
    address: str = ""
    request_id: bytes = b""
    path: str = ""
    trace: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the log calls it."""
        return self.method.name if self.method else "?"


Answer: TypeAlias = Callable[[bytes, Head, Reply], "Withdraw | None"]
"""Message and head in, the pieces of its answer to a reply that is called once, unless what this returns withdraws the call before."""
Talk: TypeAlias = Callable[[Speaker, Head], Conversation]
