"""What a dispatcher moves: requests on their way, the batches that they form, the lanes that these run in."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from zeromind.errors import ZeroMindError
from zeromind.observe.timing import Work
from zeromind.scheduler.queue import Waiting
from zeromind.tensors import InferRequest, InferResponse, Interface, Run

_log = logging.getLogger(__name__)

Answer: TypeAlias = "InferResponse | ZeroMindError"
Outcome: TypeAlias = "Sequence[Answer] | ZeroMindError"

_LEAST_S, _TIMES = 1.0, 4.0
KILL_GRACE_S = 2.0
"""How much longer than its requests may take a batch may run before its worker is ended."""


@dataclasses.dataclass(eq=False, slots=True)
class Entry(Waiting):
    """A request on its way. ``reply`` is called exactly once; the arrays of an answer are its to read until it returns."""

    request: InferRequest
    reply: Callable[[Answer], None]
    owner: Owner
    came: float
    """When it reached the server."""
    open: bool = True
    deaths: int = 0
    """How many workers died with it."""
    stream: Batch | None = None
    """Where a decoupled model makes its responses."""

    def work(self, run: Run) -> Work:
        """What was done for this request, whose answer is being given and has come from a run."""
        batch = self.owner.answering
        assert batch is not None, "it is being answered"  # noqa: S101 - a fault of ours
        rows, infer_s, input_s, output_s = run
        input_s += batch.handed_s
        return batch.arrived - input_s - infer_s - output_s, input_s, infer_s, output_s, rows, batch.lane.worker

    def settle(self, answer: Answer) -> None:
        """Give the answer, or the last of them, if none was given yet."""
        if not self.open:
            return
        self.open = False
        try:
            self.reply(answer)
        except Exception:
            _log.exception("an answer could not be delivered")

    def deliver(self, answer: Answer) -> None:
        """Give one of several answers, which is not the last."""
        try:
            self.reply(answer)
        except Exception:
            _log.exception("a response could not be delivered")

    def withdraw(self) -> None:
        """Forget it: its client has left, and it must not reach the model."""
        if self.open:
            self.open = False
            self.owner.withdrawn(self)

    def go_on(self) -> None:
        """Have the next response made; to be asked once for each that came and is not final."""
        if self.stream is not None:
            self.stream.go_on(self.open)


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a model is asked.

    ``interface`` is the model's, where it is known: of a uniform one any two requests are joined, and nobody need look. ``timeout_s`` is
    how long it gives a request that names no time; with ``retry`` what a dying worker leaves behind is run again.
    """

    interface: Interface | None = None
    timeout_s: float = 0.0
    retry: bool = True


class Owner(Protocol):
    """Who sees to it that a request is answered."""

    answering: Batch | None
    """Whose answers are being given."""

    def withdrawn(self, entry: Entry) -> None:
        """Nobody waits for it any more."""


class Worker(Protocol):
    """What batches are sent to."""

    @property
    def pid(self) -> int | None:
        """Its process, while it has one."""

    @property
    def room(self) -> bool:
        """Whether it lives and takes one more."""

    def send(self, batch: Sequence[InferRequest], rows: Sequence[int], answered: Callable[[Outcome], None], until: float) -> None:
        """Run a batch, unless it would begin after ``until``; ``answered`` is called with an answer per request or the fault of them all.

        That never happens from within.

        It is called once; for a decoupled model, whose batches are one request each, once for each response, the last of which is final.
        """

    def go_on(self, wanted: bool) -> None:
        """Make the next response of the stream that runs, or no more of them; asked once for each that is not final."""

    def kill(self) -> None:
        """End what runs: it hangs."""


@dataclasses.dataclass(eq=False, slots=True)
class Lane:
    """A worker and the batches in it, the one that runs first."""

    worker: Worker
    batches: list[Batch] = dataclasses.field(default_factory=list)

    rows: int = 0
    """Of its batches."""


@dataclasses.dataclass(eq=False, slots=True)
class Batch:
    """Requests that are in a worker together."""

    lane: Lane
    entries: list[Entry]
    rows: int
    begun: float
    """Since when it is the first of its worker."""
    handed_s: float = 0.0
    """How long it took to hand it over, its tensors copied to where the worker reads them."""
    arrived: float = 0.0
    """When the last answer came."""
    uniform: bool = False
    """Whether its requests are run as one."""
    responses: int = 0
    """How many came that are not final."""
    awaiting: bool = False
    """Whether the worker waits to be told whether it shall make the next."""

    def go_on(self, wanted: bool) -> None:
        """Tell the worker of a stream whether another response is wanted, if it waits for that."""
        if self.awaiting:
            self.awaiting = False
            self.lane.worker.go_on(wanted)

    def hung(self, usual_s: float, timeout_s: float) -> float:
        """The time at which it must have ended.

        That is soon after the least patient of its requests, but not before several times what a batch took until now (``usual_s``, 0 =
        none did), nor, where that is not known, before all the time that the model gives a request: a client in a hurry must not end
        the worker of a slow model.
        """
        limits = [entry.deadline - entry.since for entry in self.entries]
        patience_s = max(min(limits), _LEAST_S, _TIMES * usual_s) if usual_s else max(*limits, timeout_s)
        return self.begun + min(patience_s, max(*limits, timeout_s)) + KILL_GRACE_S
