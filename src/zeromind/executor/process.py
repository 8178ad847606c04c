"""The front's side of a worker process: start it, hand it batches, notice its death, measure it, end it."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor import environment, frames, layout
from zeromind.executor.arena import KEPT_BYTES, SLOT_BYTES, SLOTS, Arena
from zeromind.executor.child import Child, ending, unstartable
from zeromind.executor.confinement import Confinement
from zeromind.executor.diary import Diary
from zeromind.executor.group import Answer, Group, cut, grouped, outcome
from zeromind.executor.layout import Layout, Places
from zeromind.executor.link import Link
from zeromind.executor.order import Order
from zeromind.executor.pulse import LOST_TICKS, STILL_TICKS, Pulse
from zeromind.executor.wire import NoRoomError, Wire, is_partial, signal
from zeromind.scratch import remove
from zeromind.tensors import InferRequest, InferResponse, Interface

_log = logging.getLogger(__name__)

Answered: TypeAlias = "Callable[[Sequence[Answer] | ZeroMindError], None]"

_STOP_GRACE_S = 2.0
_CEASED_S = 5.0
"""How long no large batch came when their memory goes back: to have it anew costs several times what it takes to fill it."""


@dataclasses.dataclass(slots=True)
class _Running:
    rows: Sequence[int]
    end: int
    """Of what lies in the slot."""
    answered: Answered
    places: Places | None


class ProcessExecutor:
    """One worker process. ``on_room`` is called when it can take another batch, ``on_death`` once if it ends unasked."""

    def __init__(self, order: Order, on_room: Callable[[], None], on_death: Callable[[], None], diary: Diary | None = None) -> None:
        self._order = order
        self._diary = diary or Diary()
        self._on_room = on_room
        self._on_death = on_death
        self._child: Child | None = None
        self._link: Link | None = None
        self._arena: Arena | None = None
        self._pulse: Pulse | None = None
        self._scratch: Path | None = None
        self._stopping = self._killed = self._still = self._unread = False
        self._layout: Layout | None = None
        self._free = list(range(SLOTS))
        self._running: dict[int, _Running] = {}
        self._large: dict[int, int] = {}  # how much of a slot large batches used
        self._lately: set[int] = set()
        self._giving_back: asyncio.TimerHandle | None = None
        self.alive = False
        self.served = False
        """Whether it has answered anything."""
        self.fault: ZeroMindError | None = None
        """Why it died."""
        self.free: Mapping[str, bool] = {}
        """What the process can do that a confined one cannot (``confinement.found``)."""

    async def start(self, timeout_s: float) -> Interface:
        """Start the process and load the model. Raises what loading raised, LOAD_FAILED if the process died or took too long."""
        try:
            link = self._spawn()
            message = await asyncio.wait_for(link.load(self._order.to_json(), self._diary.reach), timeout_s)
        except BaseException as error:
            dying = isinstance(error, (EOFError, OSError, frames.FrameError)) and self._child is not None
            if dying and self._child is not None:
                await self._child.wait(_STOP_GRACE_S)  # by itself, so that its own end is told, not ours
            await self.stop()
            if isinstance(error, asyncio.TimeoutError):
                raise ZeroMindError(ErrorKind.LOAD_FAILED, f"the model did not load within {timeout_s:g} s ('load_timeout_s')") from None
            if dying:
                raise self._epitaph("while it loaded the model", ErrorKind.LOAD_FAILED) from None
            if isinstance(error, OSError):
                raise unstartable(error) from error
            raise
        if "fault" in message:
            await self.stop()
            fault = frames.fault_from_json(message["fault"])
            fault.trace = str(message.get("trace", ""))[-frames.MOST_WORDS :]
            raise fault
        self._interface = Interface.from_json(message["interface"])
        self.free = message["free"]
        self._batches = Wire(self._interface, inputs=True)
        self._answers = Wire(self._interface, inputs=False)
        assert self._arena is not None, "it has started"  # noqa: S101 - a fault of ours
        self._layout = Layout(self._interface, self._arena.slots) if Layout.decides(self._interface) else None
        self.alive = True
        link.listen(self._readable)
        self._pulse = Pulse(self._arena.beats, self._felt)
        self._live_child.ended.add_done_callback(self._died)
        return self._interface

    @property
    def under_way(self) -> int:
        """How many batches it has."""
        return len(self._running)

    @property
    def room(self) -> bool:
        """Whether it lives and takes one more batch."""
        return self.alive and bool(self._free) and not self._still

    def send(self, batch: Sequence[InferRequest], rows: Sequence[int], answered: Answered, until: float = math.inf) -> None:
        """Hand over a batch of requests that agree; ``answered`` is called later, its arrays valid until it returns.

        It is not begun after the time ``until`` of the monotonic clock, but answered DEADLINE.

        It is called once; for a decoupled model, to which a batch is one request, once for each response, the last of which is final.
        """
        arena = self._arena
        assert arena is not None, "room says that it has started"  # noqa: S101 - a fault of the caller
        slot = self._free[-1]
        total = sum(rows)
        places = self._layout.places(slot, total) if self._layout else None
        try:
            if places is not None:
                frame, end = self._lay(slot, batch, total, places, until)
            else:
                frame, end = self._batches.write(slot, arena.slots[slot], grouped(batch, rows, self._interface, until))
        except NoRoomError as error:
            arena.give_back(slot, SLOT_BYTES)
            fault = ZeroMindError(ErrorKind.BODY_TOO_LARGE, f"the request's tensors are too large to be handed over: {error}")
            asyncio.get_running_loop().call_soon(answered, fault)
            return
        self._free.pop()
        self._running[slot] = _Running(rows, end, answered, places)
        self._live_link.write(frame)

    def go_on(self, wanted: bool) -> None:
        """Have the stream under way make its next response, or no more of them; asked once for each that came and is not final."""
        for slot in self._running:
            if self._link is not None:
                self._link.write(signal(slot, wanted))

    def kill(self) -> None:
        """End the process at once; its batches are answered with WORKER_CRASHED."""
        self.alive = False
        if self._child is not None and self._child.code is None:  # else it has ended by itself, and that is told
            self._killed = True
            self._child.kill()

    async def stop(self) -> None:
        """End the process and wait until it is gone; its memory is free then."""
        self._stopping = True
        if not self.alive:
            self.kill()  # what has not loaded, or has hung, has nothing to close
        self.alive = False
        self._disconnect()
        if self._child is not None and not await self._child.wait(_STOP_GRACE_S):
            self.kill()
            await self._child.wait()
        if self._scratch is not None:
            await asyncio.to_thread(remove, self._scratch)
        self._fail(ZeroMindError(ErrorKind.WORKER_CRASHED, "the model's worker was ended before it answered"))

    def memory(self) -> int:
        """The worker's memory in bytes, as ``Child.memory`` tells it."""
        return self._child.memory() if self._child else 0

    @property
    def pid(self) -> int | None:
        """The process's id, None before the start."""
        return self._child.pid if self._child else None

    @property
    def _live_child(self) -> Child:
        assert self._child is not None, "it has started"  # noqa: S101 - a fault of ours
        return self._child

    @property
    def _live_link(self) -> Link:
        assert self._link is not None, "it has started"  # noqa: S101 - a fault of ours
        return self._link

    def _spawn(self) -> Link:
        mine, theirs = socket.socketpair()
        try:
            with theirs:
                self._arena = Arena.create()
                descriptors = theirs.fileno(), self._arena.descriptor
                self._scratch = Path(tempfile.mkdtemp(prefix="worker-", dir=self._order.scratch or None)).resolve()
                cell = Confinement.of(self._order, self._scratch).to_json()
                command = sys.executable, *environment.PROGRAM, *map(str, descriptors), cell
                surroundings = environment.of_worker(self._order, self._scratch)
                self._child = Child(str(self._order.task["id"]), command, descriptors, surroundings, self._diary)
        except BaseException:
            mine.close()
            raise
        self._link = Link(mine)
        return self._link

    def _readable(self) -> bool:
        """Deliver what has come; whether more may come."""
        try:
            received = self._live_link.receive()
            for frame in received or ():
                self._deliver(frame)
        except EOFError:
            self._disconnect()
            asyncio.get_running_loop().call_later(_STOP_GRACE_S, self.kill)  # it may have let go by itself, and go on
            return False
        except frames.FrameError:
            _log.exception("the worker of model %r gave no readable answer and is ended", self._order.task["id"])
            self._disconnect()
            self.kill()
            return False
        return received is not None and self._link is not None

    def _lay(self, slot: int, batch: Sequence[InferRequest], rows: int, places: Places, until: float) -> tuple[bytes, int]:
        inputs, _, end = places
        for name, place in inputs.items():
            if len(batch) == 1:
                place[...] = batch[0].inputs[name]
            else:
                values: list[Any] = [request.inputs[name] for request in batch]
                np.concatenate(values, out=place)
        return layout.pack(slot, rows, until), end

    def _deliver(self, frame: bytes) -> None:
        arena = self._arena
        assert arena is not None, "it has started"  # noqa: S101 - a fault of ours
        laid = layout.unpack(frame)
        if laid is not None:
            slot, run = laid
            running = self._running.get(slot)
            if running is None or running.places is None or run.rows != sum(running.rows):
                raise frames.FrameError(f"an answer of {run.rows} rows for slot {slot}, where they are not awaited")
            frames.check_run(run)
            del self._running[slot]
            running.answered(cut(running.places[1], running.rows, run))
            end = running.end
        else:
            slot, groups, end = self._answers.read(memoryview(frame)[frames.PREFIX.size :], arena.slots)
            running = self._running.get(slot)
            if running is not None and running.places is not None and [group.rows for group in groups] == [[sum(running.rows)]]:
                groups[0].rows = list(running.rows)  # the worker knew of their sum only
            if running is None or sum(len(group.rows) for group in groups) != len(running.rows):
                raise frames.FrameError(f"an answer for slot {slot}, in which {len(running.rows) if running else 0} requests run")
            if self._interface.decoupled and is_partial(frame):
                running.end = max(running.end, end)
                self._deliver_partial(running, groups)
                return
            del self._running[slot]
            running.answered(outcome(groups))
            del groups  # the arrays must not see what comes into the slot next
        self.served = True
        self._used(slot, max(running.end, end))
        self._free.append(slot)
        if self.alive:
            self._on_room()

    def _deliver_partial(self, running: _Running, groups: Sequence[Group]) -> None:
        """One of several responses."""
        answers = outcome(groups)
        if isinstance(answers, ZeroMindError) or len(answers) != 1 or not isinstance(answers[0], InferResponse):
            raise frames.FrameError("a response of a stream that is none")
        answers[0].final = False
        running.answered(answers)

    def _used(self, slot: int, size: int) -> None:
        """Note what a batch used, for what is beyond the usual to be given back."""
        if size > KEPT_BYTES:
            self._large[slot] = max(size, self._large.get(slot, 0))
            self._lately.add(slot)
            if self._giving_back is None:
                self._giving_back = asyncio.get_running_loop().call_later(_CEASED_S, self._give_back)

    def _give_back(self) -> None:
        """Return the memory of slots that no large batch has used since the last time, and come again if there are others."""
        self._giving_back = None
        if self._arena is None:
            return
        for slot in (self._large.keys() & set(self._free)) - self._lately:
            self._arena.give_back(slot, self._large.pop(slot))
        self._lately.clear()
        if self._large:
            self._giving_back = asyncio.get_running_loop().call_later(_CEASED_S, self._give_back)

    def _felt(self, still: int) -> None:
        """The worker's pulse has stood still for so many looks."""
        if still and self._live_child.stopped():
            self._give_up("was halted by a signal")
        elif still >= LOST_TICKS and not self._running:
            self._give_up("does not respond, though it has nothing to do,")
        if self._still != (still >= STILL_TICKS):
            self._still = not self._still
            if self.room:
                self._on_room()

    def _give_up(self, why: str) -> None:
        if self.alive:
            _log.error("the worker of model %r (process %d) %s and is ended", self._order.task["id"], self._live_child.pid, why)
            self.kill()

    def _died(self, _ended: object) -> None:
        if self._stopping:
            return
        while self._link is not None and self._readable():  # what it answered before it died
            pass
        self._disconnect()
        self.fault = self._epitaph("during this request")
        self._fail(self.fault)
        self._on_death()

    def _epitaph(self, when: str, kind: ErrorKind = ErrorKind.WORKER_CRASHED) -> ZeroMindError:
        """What clients hear of the worker's death; the operator finds its last words in the log."""
        child = self._live_child
        words = "".join(f"\n    {line}" for line in child.words.last)
        _log.error(
            "the worker of model %r (process %d) %s %s%s",
            self._order.task["id"],
            child.pid,
            ending(child.code),
            when,
            words and f"; its last words:{words}",
        )
        if child.starved and not self._killed:
            kind = ErrorKind.OUT_OF_MEMORY if kind is ErrorKind.WORKER_CRASHED else kind
            return ZeroMindError(kind, f"the system ended the model's worker {when}, because memory ran out", kind.name)
        how = "took too long and was ended" if self._killed else ending(child.code)
        return ZeroMindError(kind, f"the model's worker {how} {when}", kind.name)

    def _fail(self, fault: ZeroMindError) -> None:
        running, self._running = self._running, {}
        for batch in reversed(running.values()):  # who puts them back into a queue restores their order
            if self._unread:  # the last one was sent to a dead process
                self._unread = False
                batch.answered(_unbegun(fault))
            else:
                batch.answered(fault)

    def _disconnect(self) -> None:
        """Let go of the socket and the memory. Answers that were received before are delivered already."""
        link, self._link = self._link, None
        if link is not None:
            self._unread = link.unread
            link.close()
        self.alive = False
        if self._pulse is not None:
            self._pulse.stop()
        self._layout = self._pulse = None  # they look at the memory
        if self._giving_back is not None:
            self._giving_back.cancel()
            self._giving_back = None
        arena, self._arena = self._arena, None
        if arena is not None:
            arena.close()


def _unbegun(fault: ZeroMindError) -> ZeroMindError:
    """The same for what the dead worker had not begun with."""
    spared = ZeroMindError(fault.kind, fault.message, *fault.params)
    spared.begun = False
    return spared
