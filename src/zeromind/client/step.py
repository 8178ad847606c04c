"""What a dialogue with a server is made of: it says what to do next, a transport does it, and says what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from zeromind.codecs.oip_raw import Bytes

T = TypeVar("T")


class Request(NamedTuple):  # made in a third of the time of a frozen dataclass, as some below
    """``target`` is a path of HTTP's, or a method of gRPC's; the ``pieces`` together are the body, or the message.

    One that may be ``repeated`` does no harm if it is done twice.
    """

    target: str
    pieces: tuple[Bytes, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    method: str = "POST"
    repeated: bool = True


class Reply(NamedTuple):
    """The status and the fields, their names in lower case, and the body or the message; of a fault over gRPC, its sentence."""

    status: int
    fields: Mapping[str, str]
    body: memoryview


@dataclasses.dataclass(slots=True)
class Question(Generic[T]):
    """A request, and what its good answer means."""

    request: Request
    read: Callable[[Reply], T]


class Lost(Exception):  # noqa: N818 - a fact, of which the dialogue makes an error
    """There is no connection, or it broke before anything was answered; ``sent``: the server may have the request.

    ``lasting`` is what will be so the next time, too.
    """

    def __init__(self, reason: object, sent: bool, lasting: bool = False) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.sent = sent
        self.lasting = lasting


class Garbled(Exception):  # noqa: N818 - likewise
    """What came is no answer."""


class Source(Protocol):
    """Where the parts of an answer come from."""

    def close(self) -> None:
        """Take no more: the server stops making them."""


class Send(NamedTuple):
    """Send a request, within so many seconds; gives its Reply. Raises Lost, Garbled or TimeoutError, as the others do."""

    request: Request
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Open:
    """Send a request whose answer comes in parts; gives their Source."""

    request: Request
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Receive:
    """Wait for the next part of a source; gives its bytes, a Reply that is a fault, or None at its end."""

    source: Any
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Deliver:
    """Give a part to whoever reads."""

    value: Any


Step: TypeAlias = Send | Open | Receive | Pause | Deliver
Steps: TypeAlias = Generator[Step, Any, T]


class Transport(Protocol):
    """Does the steps of a dialogue, one after the other; may be shared by threads."""

    def send(self, request: Request, seconds: float) -> Reply:
        """The reply to a request."""

    def open(self, request: Request, seconds: float) -> Source:
        """Where the parts of an answer come from."""

    def receive(self, source: Any, seconds: float) -> bytes | Reply | None:
        """The next part."""

    def close(self) -> None:
        """Close every connection."""


class AsyncTransport(Protocol):
    """The same, awaited, in one event loop."""

    async def send(self, request: Request, seconds: float) -> Reply:
        """The reply to a request."""

    async def open(self, request: Request, seconds: float) -> Source:
        """Where the parts of an answer come from."""

    async def receive(self, source: Any, seconds: float) -> bytes | Reply | None:
        """The next part."""

    async def close(self) -> None:
        """Close every connection."""
