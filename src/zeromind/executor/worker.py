"""The program of a worker process, once ``zeromind.executor.__main__`` has confined it.

It reads frames from the inherited socket: one order, then batches, whose tensors lie in the inherited arena; it ends when the socket
does, so that it never outlives the server.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import logging
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
from typing import Any, TypeAlias

import numpy as np

from zeromind import importing
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor import confinement, frames, layout
from zeromind.executor.arena import SLOT_BYTES, Arena
from zeromind.executor.group import Group
from zeromind.executor.layout import Layout
from zeromind.executor.order import Order
from zeromind.executor.pulse import BEAT_S
from zeromind.executor.responses import Responses
from zeromind.executor.skill import Skill
from zeromind.executor.wire import NoRoomError, Wire, signalled
from zeromind.tensors import Run

_log = logging.getLogger(__name__)

_GRACE_S = 2.0
"""How long a skill may take to close once the server has let go of it."""
_READ_BYTES = 1 << 16
_Signals: TypeAlias = "queue.SimpleQueue[bool]"
"""Whether a stream's next answer is wanted, once for each."""
_MORE = "what the worker may use beyond its model is said by 'reads', 'writes' and 'network' of its task"
_TOO_LATE = ZeroMindError(ErrorKind.DEADLINE, "the request's time ran out before the model could begin")
_Prepared: TypeAlias = "tuple[int, list[concurrent.futures.Future[Group]], int]"


def main(link_descriptor: int, arena_descriptor: int) -> None:
    """Serve one skill over the inherited socket and arena."""
    # The terminal's Ctrl-C goes to the server, which lets accepted requests finish before it ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A framework that prints must not write where the server's own output goes.
    os.dup2(2, 1)
    with socket.socket(fileno=link_descriptor) as link:
        serve(link, Arena(arena_descriptor))


def serve(link: socket.socket, arena: Arena) -> None:
    """Answer frames until the other side closes the socket."""
    threading.Thread(target=_watch, args=(link.fileno(), arena), daemon=True).start()
    try:
        order = Order.from_json(frames.unpack(_read(link, frames.unpack_prefix(_read(link, frames.PREFIX.size)))))
        level = logging.DEBUG if order.debug else logging.WARNING
        logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
        skill = _loaded(link, order)
        if skill is not None:
            try:
                _kind(skill)(link, arena, skill, order.threads).run()
            finally:
                skill.close()
    except (EOFError, ConnectionError):
        return


def _kind(skill: Skill) -> type[_Loop]:
    """The way of working that a skill needs."""
    if skill.interface.decoupled:
        return _Stream
    return _Pipeline if skill.filters_inputs else _Loop


def _loaded(link: socket.socket, order: Order) -> Skill | None:
    """The skill, or nothing once the other side has been told why there is none."""
    try:
        skill = Skill(order, functools.partial(_admit, order), lambda stage: link.sendall(frames.pack({"stage": stage})))
    except ZeroMindError as error:
        known = error
        if _confined(order, error.__cause__):
            _log.error("%s; %s", error, _MORE)
    except OSError as error:
        _log.error("a file of the model cannot be read: %s%s", error, f"; {_MORE}" if _confined(order, error) else "")
        known = ZeroMindError(
            ErrorKind.LOAD_FAILED, f"a file of the model cannot be read ({error.strerror}): are its files whole, and no links?"
        )
        known.__cause__ = error
    except Exception as error:
        _log.exception("loading failed")
        known = ZeroMindError(ErrorKind.LOAD_UNKNOWN, "the model failed to load for an unknown reason; see the server's log")
        known.__cause__ = error
    else:
        link.sendall(frames.pack({"interface": skill.interface.to_json(), "free": confinement.found()}))
        return skill
    link.sendall(frames.pack({"fault": frames.fault_to_json(known), "trace": importing.traced(known)}))
    return None


def _confined(order: Order, cause: BaseException | None) -> bool:
    """Whether it may be for its confinement that something failed."""
    return isinstance(cause, PermissionError) and order.confine != "off"


def _admit(order: Order, code: bool) -> None:
    """What has no code has no use for a network, even where code would be allowed."""
    if order.confine != "off" and order.network == "auto" and not code:
        confinement.close_network(confinement.uses_gpu(order.task))


class _Loop:
    """One batch after the other."""

    def __init__(self, link: socket.socket, arena: Arena, skill: Skill, threads: int) -> None:
        self._link = link
        self._arena = arena
        self._skill = skill
        self._threads = threads
        self._batches = Wire(skill.interface, inputs=True)
        self._answers = Wire(skill.interface, inputs=False)
        self._layout = Layout(skill.interface, arena.slots)
        self._stream = frames.Stream()

    def run(self) -> None:
        """Answer batches. Raises EOFError when the other side has gone."""
        while True:
            for frame in self._receive():
                laid = layout.unpack(frame)
                if laid is None:
                    slot, groups, end = self._batches.read(memoryview(frame)[frames.PREFIX.size :], self._arena.slots)
                    self._answer(slot, _late(groups) or self._skill.run(groups), end)
                else:
                    slot, run = laid
                    self._answer_laid(slot, *run[:2])

    def _receive(self) -> list[bytes]:
        data = self._link.recv(_READ_BYTES)
        if not data:
            raise EOFError
        return self._stream.cut(data)

    def _answer_laid(self, slot: int, rows: int, until: float) -> None:
        """Run the model on what lies where the interface says; its answer goes there, too."""
        places = self._layout.places(slot, rows)
        if places is None:
            raise frames.FrameError(f"{rows} rows do not fit into a slot")
        start = time.perf_counter()
        inputs, outputs, end = places
        if time.monotonic() > until:
            self._answer(slot, [Group([rows], {}, _TOO_LATE)], end)
            return
        try:
            answer, infer_s = self._skill.infer(inputs)
        except ZeroMindError as fault:
            self._answer(slot, [Group([rows], {}, fault)], end)
            return
        if not layout.fits(answer, outputs):  # not what the file promised: the answer itself has to tell
            self._answer(slot, [Group([rows], answer, None, Run(rows, infer_s))], end)
            return
        for name, place in outputs.items():
            np.copyto(place, answer[name])
        self._link.sendall(layout.pack(slot, rows, infer_s, 0.0, max(0.0, time.perf_counter() - start - infer_s)))

    def _answer(self, slot: int, groups: list[Group], end: int, more: bool = False) -> bool:
        """Send answers; their tensors go behind those of the batch, at which they may still look.

        False if they have no room there: then a fault was sent, after which nothing may follow. Where the model cannot answer any more,
        the process ends instead: another one may.
        """
        if any(group.fault for group in groups) and self._skill.lost:
            _log.error("what the model computes on does nothing more for this process, which ends so that another takes its place")
            os._exit(1)  # a GPU that is lost may keep its libraries from ending in an orderly way
        view = self._arena.slots[slot]
        try:
            frame, _ = self._answers.write(slot, view, groups, end, more)
            fitted = True
        except NoRoomError as error:
            fitted = False
            fault = ZeroMindError(ErrorKind.PREDICTION_FAILED, f"the answer is too large to be handed over: {error}")
            self._arena.give_back(slot, SLOT_BYTES)
            frame, _ = self._answers.write(slot, view, [Group([count for group in groups for count in group.rows], {}, fault)])
        self._link.sendall(frame)
        return fitted


class _Stream(_Loop):
    """One request after the other, each with any number of answers. The next answer is made while the server reads the last one."""

    def run(self) -> None:
        """Answer batches. Raises EOFError when the other side has gone."""
        ready: queue.SimpleQueue[tuple[int, Group, int, _Signals] | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(ready,), daemon=True).start()
        while True:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            self._answer_all(*item)

    def _answer_all(self, slot: int, group: Group, end: int, signals: _Signals) -> None:
        unread = False
        if late := _late([group]):
            self._answer(slot, late, end)
            return
        with contextlib.closing(Responses(self._skill, group)) as responses:
            for response in responses:
                if unread and not signals.get():  # not before: it would be written where the server still reads
                    unread = False
                    break
                if not self._answer(slot, [response], end, more=True):
                    return
                unread = True
            if unread:
                signals.get()
            self._answer(slot, [responses.last], end)

    def _read(self, ready: queue.SimpleQueue[tuple[int, Group, int, _Signals] | BaseException]) -> None:
        signals: dict[int, _Signals] = {}
        try:
            while True:
                for frame in self._receive():
                    signal_ = signalled(frame)
                    if signal_ is not None:
                        signals[signal_[0]].put(signal_[1])
                        continue
                    slot, (group,), end = self._batches.read(memoryview(frame)[frames.PREFIX.size :], self._arena.slots)
                    signals[slot] = queue.SimpleQueue()  # what is said of an earlier stream does not concern this one
                    ready.put((slot, group, end, signals[slot]))
        except BaseException as error:  # whatever it is, the thread that answers must end as well
            for waiting in signals.values():
                waiting.put(False)
            ready.put(error)


class _Pipeline(_Loop):
    """The input filters of the next batch beside the model's run of this one."""

    def run(self) -> None:
        """Answer batches. Raises EOFError when the other side has gone."""
        ready: queue.SimpleQueue[_Prepared | BaseException] = queue.SimpleQueue()
        with concurrent.futures.ThreadPoolExecutor(max(2, self._threads), thread_name_prefix="filters") as pool:
            threading.Thread(target=self._read, args=(pool, ready), daemon=True).start()
            while True:
                item = ready.get()
                if isinstance(item, BaseException):
                    raise item
                slot, preparing, end = item
                groups = [future.result() for future in preparing]
                self._answer(slot, _late(groups) or self._skill.predict(groups), end)

    def _read(self, pool: concurrent.futures.Executor, ready: queue.SimpleQueue[_Prepared | BaseException]) -> None:
        try:
            while True:
                for frame in self._receive():
                    slot, groups, end = self._batches.read(memoryview(frame)[frames.PREFIX.size :], self._arena.slots)
                    ready.put((slot, [pool.submit(self._skill.prepare, group) for group in groups], end))
        except BaseException as error:  # whatever it is, the thread that answers must end as well
            ready.put(error)


def _late(groups: list[Group]) -> list[Group]:
    """What to answer a batch for which nobody waits any more; nothing if somebody does."""
    now = time.monotonic()
    if any(group.run is None or group.run.infer_s >= now for group in groups):
        return []
    return [dataclasses.replace(group, values={}, fault=_TOO_LATE) for group in groups]


def _watch(descriptor: int, arena: Arena) -> None:
    """Show that this process lives, and end it soon after the server has gone, even while a model loads or hangs."""
    poll = select.poll()
    poll.register(descriptor, 0)  # a hang-up is reported unasked
    while not poll.poll(1000 * BEAT_S):
        arena.beat()
    time.sleep(_GRACE_S)
    os._exit(1)


def _read(link: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view: Any = memoryview(data)
    while view:
        count = link.recv_into(view)
        if not count:
            raise EOFError
        view = view[count:]
    return data
