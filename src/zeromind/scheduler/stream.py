"""The responses of a decoupled model, for whoever reads them one by one, and for whoever can take only one."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.scheduler.entry import Answer, Entry
from zeromind.tensors import InferResponse

_AHEAD = 8
"""How many responses are made before their reader has taken them."""


class Submitted(Protocol):
    """A request on its way."""

    def withdraw(self) -> None:
        """Forget it."""

    def go_on(self) -> None:
        """Have the next response made."""


class Stream:
    """Iterates over the responses to one request, each with arrays of its own; raises the request's fault.

    ``submit`` sends it on its way, with the function that takes each answer. ``aclose`` withdraws it.
    """

    def __init__(self, submit: Callable[[Callable[[Answer], None]], Submitted]) -> None:
        self._answers: collections.deque[Answer] = collections.deque()
        self._come = asyncio.Event()
        self._done = False
        self._owed = False
        self._submitted = submit(self._reply)

    def __aiter__(self) -> AsyncIterator[InferResponse]:
        return self

    async def __anext__(self) -> InferResponse:
        if self._done and not self._answers:
            raise StopAsyncIteration
        while not self._answers:
            self._come.clear()
            await self._come.wait()
        answer = self._answers.popleft()
        if self._owed and len(self._answers) < _AHEAD:
            self._owed = False
            self._submitted.go_on()
        if isinstance(answer, ZeroMindError):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Withdraw the request, if it is not answered in full."""
        if not self._done:
            self._done = True
            self._submitted.withdraw()

    def _reply(self, answer: Answer) -> None:
        self._come.set()
        if isinstance(answer, ZeroMindError):
            self._answers.append(answer)
            self._done = True
            return
        self._answers.append(answer.copy())
        self._done = answer.final
        if not answer.final:
            if len(self._answers) < _AHEAD:
                self._submitted.go_on()
            else:
                self._owed = True


class Single:
    """Gives ``reply`` the only response of a stream that has one, or else a fault."""

    def __init__(self, model: str, reply: Callable[[Answer], None]) -> None:
        self._model = model
        self._reply = reply
        self._kept: InferResponse | None = None
        self.submitted: Entry | None = None

    def answer(self, answer: Answer) -> None:
        """Take one answer of the request."""
        if isinstance(answer, ZeroMindError):
            self._reply(answer)
        elif answer.final:
            kept = self._kept
            self._reply(self._fault("gave no response") if kept is None else InferResponse(kept.outputs, answer.run))
        elif self._kept is not None:
            assert self.submitted is not None, "it has been submitted"  # noqa: S101 - a fault of ours
            self.submitted.withdraw()
            self._reply(self._fault("gives several responses"))
        else:
            self._kept = answer.copy()
            assert self.submitted is not None, "it has been submitted"  # noqa: S101 - a fault of ours
            self.submitted.go_on()

    def _fault(self, what: str) -> ZeroMindError:
        text = f"model {self._model!r} {what}, and this way of asking takes exactly one: ask over generate_stream or ModelStreamInfer"
        return ZeroMindError(ErrorKind.INVALID_INPUT, text, self._model)
