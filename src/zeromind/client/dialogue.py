"""What is said to a server, and when again: every method of the clients as steps that a transport does, awaited or not."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from zeromind.client import faults, value
from zeromind.client.ask import Terms
from zeromind.client.faults import ClientError, InvalidInput, ModelNotFound
from zeromind.client.model import ModelInfo, ModelStatus, ServerInfo
from zeromind.client.prediction import Prediction
from zeromind.client.step import Deliver, Garbled, Lost, Open, Pause, Question, Receive, Reply, Request, Send, Steps
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Interface

T = TypeVar("T")

_MOST_INTERFACES = 1024
_FIRST_PAUSE_S = 0.1
_MOST_PAUSE_S = 5.0
_MOST_TIMEOUT_S = 1e8  # three years; more is no time to the system
_LOOK_S = 0.05  # between two looks whether a model has gone
_RETRIED = frozenset({ErrorKind.BUSY, ErrorKind.SHUTTING_DOWN, ErrorKind.MODEL_UNAVAILABLE})
_UNREADABLE = (Garbled, ZeroMindError, ValueError, KeyError, TypeError, IndexError, AttributeError)


class Parts(Protocol):
    """Reads the parts of an answer."""

    def feed(self, data: bytes) -> Iterator[Prediction]:
        """The responses that are complete now. Raises the fault that one says."""


class Wire(Protocol):
    """A dialect: how to ask, and what answers mean."""

    replaces: bool

    def predict(
        self, model: str, inputs: tuple[value.Input, ...], terms: Terms, interface: Interface, seconds: float
    ) -> Question[Prediction]:
        """Ask a model."""

    def stream(self, model: str, inputs: Any, terms: Terms, interface: Interface, seconds: float) -> tuple[Request, Parts]:
        """Ask a model for all its answers."""

    def interface(self, model: str) -> Question[Interface]:
        """What a model takes and gives."""

    def models(self) -> Question[tuple[ModelStatus, ...]]:
        """Which models there are."""

    def info(self) -> Question[ServerInfo]:
        """What the server is."""

    def ready(self, model: str | None) -> Question[bool]:
        """Whether it answers."""

    def statistics(self, model: str | None) -> Question[list[dict[str, Any]]]:
        """What models have done."""

    def load(self, task: Mapping[str, Any]) -> Question[None]:
        """Load a task."""

    def drop(self, model: str) -> Question[None]:
        """Drop a model."""

    def fault(self, reply: Reply) -> ClientError | None:
        """What went wrong."""


class Dialogue:
    """With one server. ``retries`` is how often a request is sent again at most."""

    def __init__(self, wire: Wire, url: str, timeout_s: float, retries: int, clock: Callable[[], float] = time.monotonic) -> None:
        if not timeout_s > 0 or retries < 0:
            raise ValueError(f"timeout_s is {timeout_s!r} and retries {retries!r}: seconds above 0 and a number from 0 on are expected")
        self._wire = wire
        self._url = url
        self._timeout_s = timeout_s
        self._retries = retries
        self._clock = clock
        self._interfaces: dict[str, Interface] = {}

    def predict(self, model: str, inputs: Any, terms: Terms) -> Steps[Prediction]:
        """Ask a model. A model that was loaded anew is noticed by its refusal of what the last one took."""
        until = self._until(terms.timeout_s)

        def ask(interface: Interface) -> Steps[Prediction]:
            told = interface if terms.filters else interface.bare
            return self._ask(self._wire.predict(model, value.tensors(inputs, told), terms, told, until[1]), until)

        return self._known(model, ask, until)

    def stream(self, model: str, inputs: Any, terms: Terms) -> Steps[None]:
        """Ask a model for all its answers, and deliver each."""
        until = self._until(terms.timeout_s)

        def ask(interface: Interface) -> Steps[None]:
            told = interface if terms.filters else interface.bare
            return self._read(lambda: self._wire.stream(model, inputs, terms, told, until[1]), until)

        return self._known(model, ask, until)

    def model(self, name: str, timeout_s: float | None) -> Steps[ModelInfo]:
        """A model's interface, as it is now."""
        return ModelInfo.of(name, (yield from self._look(name, self._until(timeout_s))))

    def models(self, timeout_s: float | None) -> Steps[tuple[ModelStatus, ...]]:
        """Which models there are."""
        return self._ask(self._wire.models(), self._until(timeout_s))

    def info(self, timeout_s: float | None) -> Steps[ServerInfo]:
        """What the server is."""
        return self._ask(self._wire.info(), self._until(timeout_s))

    def statistics(self, model: str | None, timeout_s: float | None) -> Steps[list[dict[str, Any]]]:
        """What models have done."""
        return self._ask(self._wire.statistics(model), self._until(timeout_s))

    def ready(self, model: str | None, timeout_s: float | None) -> Steps[bool]:
        """Whether the server, or a model, answers; asked once."""
        try:
            return (yield from self._ask(self._wire.ready(model), self._until(timeout_s), 0))
        except (InvalidInput, ModelNotFound, faults.Unavailable, faults.Busy):
            return False

    def load(self, task: Mapping[str, Any], timeout_s: float | None) -> Steps[ModelInfo]:
        """Load a task, and tell its interface."""
        until, name = self._until(timeout_s), str(task.get("id", ""))
        if self._wire.replaces and any(one.name == name and one.ready for one in (yield from self._ask(self._wire.models(), until))):
            raise faults.AlreadyLoaded(
                ErrorKind.ALREADY_LOADED, f"the model {name!r} is loaded: drop it first, or give the task another id"
            )
        yield from self._ask(self._wire.load(task), until)
        return ModelInfo.of(name, (yield from self._look(name, until)))

    def drop(self, name: str, timeout_s: float | None) -> Steps[None]:
        """Drop a model; done when it has gone."""
        until = self._until(timeout_s)
        self._interfaces.pop(name, None)
        yield from self._ask(self._wire.drop(name), until)
        while self._wire.replaces and any(
            one.name == name and one.state == "UNLOADING" for one in (yield from self._ask(self._wire.models(), until))
        ):
            yield Pause(min(_LOOK_S, self._left(until)))

    # the parts of it

    def _until(self, timeout_s: float | None) -> tuple[float, float]:
        """When the time is up, and how much it was."""
        seconds = self._timeout_s if timeout_s is None else timeout_s
        if not seconds > 0:
            raise faults.refused(f"timeout_s is {seconds!r}: seconds above 0 are expected")
        seconds = min(seconds, _MOST_TIMEOUT_S)
        return self._clock() + seconds, seconds

    def _left(self, until: tuple[float, float]) -> float:
        left = until[0] - self._clock()
        if left <= 0:
            raise faults.late(until[1])
        return left

    def _look(self, model: str, until: tuple[float, float]) -> Steps[Interface]:
        interface = yield from self._ask(self._wire.interface(model), until)
        if len(self._interfaces) >= _MOST_INTERFACES:
            self._interfaces.clear()
        self._interfaces[model] = interface
        return interface

    def _known(self, model: str, ask: Callable[[Interface], Steps[T]], until: tuple[float, float]) -> Steps[T]:
        """Ask by the interface that is known; once more by that of now, if the model refuses and is not the one that was known."""
        known = self._interfaces.get(model)
        if known is None:
            return (yield from ask((yield from self._look(model, until))))
        try:
            return (yield from ask(known))
        except (InvalidInput, ModelNotFound):
            self._interfaces.pop(model, None)
            now = yield from self._look(model, until)
            if now == known:
                raise
        return (yield from ask(now))

    def _ask(self, question: Question[T], until: tuple[float, float], retries: int | None = None) -> Steps[T]:
        """The answer to a question, asked again where that is allowed and may help."""
        request = question.request
        left = self._retries if retries is None else retries
        pauses = _pauses()
        while True:
            try:
                reply: Reply = yield Send(request, self._left(until))
                error = self._wire.fault(reply)
                if error is None:
                    return self._meaning(question, reply)
                again = request.repeated and error.kind in _RETRIED
                pause = _told(reply)
            except Lost as lost:
                error, pause = faults.unreachable(self._url, lost.reason), 0.0
                again = not lost.lasting and (request.repeated or not lost.sent)
            except TimeoutError:
                raise faults.late(until[1]) from None
            except Garbled as garbled:
                raise faults.strange(self._url, garbled) from None
            yield from self._again(error, again and left > 0, max(pause, next(pauses)), until)
            left -= 1

    def _meaning(self, question: Question[T], reply: Reply) -> T:
        """What a good answer says. Raises ServerFailed for one that cannot be read."""
        try:
            return question.read(reply)
        except _UNREADABLE as strange:
            raise faults.strange(self._url, strange) from None

    def _responses(self, parts: Parts, data: bytes) -> Iterator[Prediction]:
        """What a part of an answer says. Raises likewise, and the fault that one says."""
        try:
            yield from parts.feed(data)
        except ClientError:
            raise
        except _UNREADABLE as strange:
            raise faults.strange(self._url, strange) from None

    def _again(self, error: ClientError, again: bool, pause: float, until: tuple[float, float]) -> Steps[None]:
        """Wait, before something is tried again. Raises the error, if it shall not be, or there is no time for it."""
        if not again or pause >= until[0] - self._clock():
            raise error
        yield Pause(pause)

    def _read(self, begin: Callable[[], tuple[Request, Parts]], until: tuple[float, float]) -> Steps[None]:
        """Deliver the parts of an answer; asked again as long as nothing of it has come."""
        left, pauses = self._retries, _pauses()
        while True:
            request, parts = begin()
            begun, source = False, None
            try:
                source = yield Open(request, self._left(until))
                while (part := (yield Receive(source, self._left(until)))) is not None:
                    if isinstance(part, Reply):
                        error = self._wire.fault(part) or faults.strange(self._url, "it answers no stream")
                        break
                    begun = True
                    for response in self._responses(parts, part):
                        yield Deliver(response)
                else:
                    return
                again, pause = not begun and error.kind in _RETRIED, _told(part)
            except Lost as lost:
                error, pause = faults.unreachable(self._url, lost.reason), 0.0
                again = not lost.lasting and not begun
            except TimeoutError:
                raise faults.late(until[1]) from None
            except Garbled as garbled:
                raise faults.strange(self._url, garbled) from None
            finally:
                if source is not None:
                    source.close()
            yield from self._again(error, again and left > 0, max(pause, next(pauses)), until)
            left -= 1


def _pauses() -> Generator[float, None, None]:
    """How long to wait before each try: twice as long each time, and not in step with others who were refused."""
    pause = _FIRST_PAUSE_S
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret
        pause = min(2 * pause, _MOST_PAUSE_S)


def _told(reply: Reply) -> float:
    """How long the server says to wait."""
    text = reply.fields.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0
