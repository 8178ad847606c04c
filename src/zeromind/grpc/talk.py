"""ModelStreamInfer: one conversation, its requests and their turns."""

from __future__ import annotations

import collections

from zeromind.codecs import oip_fault
from zeromind.codecs import oip_grpc as codec
from zeromind.codecs.protobuf import field, varint
from zeromind.engine import Engine
from zeromind.errors import ZeroMindError
from zeromind.grpc.asked import Asked, Reader
from zeromind.grpc.method import Head, Pieces, Speaker
from zeromind.grpc.status import Fault
from zeromind.limits import ANSWERS
from zeromind.scheduler.entry import Answer
from zeromind.scheduler.stream import Submitted


def _parameter(name: str, value: bool) -> bytes:
    """An entry of an answer's ``parameters``."""
    return field(4, field(1, name.encode()) + field(2, b"\x08\x01" if value else b"\x08\x00"))


_FINAL = _parameter("triton_final_response", True)
_NOT_FINAL = _parameter("triton_final_response", False)


class Turn:
    """A request of a stream, and its answers."""

    __slots__ = ("_asked", "_owed", "_submitted", "_talk", "done", "fatal", "kept")

    def __init__(self, talk: Talk, asked: Asked) -> None:
        self._talk = talk
        self._asked = asked
        self._submitted: Submitted | None = None
        self._owed = False
        self.done = False
        self.fatal: Exception | None = None
        """What ends the stream, in its turn."""
        self.kept: list[Pieces] = []
        """Answers that wait for those of the requests before."""

    @property
    def ordered(self) -> bool:
        """Whether its answer has to wait for those of the requests before."""
        return not self._asked.decoupled

    def begin(self, engine: Engine) -> None:
        """Have it answered."""
        try:
            asked = self._asked
            self._submitted = engine.submit(asked.model, asked.decode, self.answer, streaming=True, nbytes=asked.nbytes)
        except (ZeroMindError, Fault) as error:
            self._fail(error)

    def answer(self, answer: Answer) -> None:
        """Send an answer on."""
        asked = self._asked
        if isinstance(answer, ZeroMindError):
            self._fail(answer)
            return
        if not answer.final or not asked.decoupled:
            try:
                self._talk.say(self, _streamed(asked.encode(answer), _FINAL if answer.final else _NOT_FINAL))
            except Exception as error:
                self.withdraw()
                self._fail(error)
                return
        elif asked.empty_final:
            self._talk.say(self, _streamed(codec.empty_response(asked.model, asked.id), _FINAL))
        if answer.final:
            self._talk.finished(self)
        else:
            self._owed = True
            self.go_on()

    def go_on(self) -> None:
        """Have the next response made, if that is due and its client takes them."""
        if self._owed and self._submitted is not None and not self._talk.crowded:
            self._owed = False
            self._submitted.go_on()

    def withdraw(self) -> None:
        """Nobody waits for it any more."""
        if self._submitted is not None and not self.done:
            self._submitted.withdraw()

    def _fail(self, error: Exception) -> None:
        self._talk.fail(self, self._asked.id, error)


class Talk:
    """One ModelStreamInfer: each request is answered in the order in which they came, but those of decoupled models as answers come."""

    def __init__(self, engine: Engine, reader: Reader, speaker: Speaker, head: Head) -> None:
        self._engine = engine
        self._reader = reader
        self._speaker = speaker
        self._head = head
        self._turns: collections.deque[Turn] = collections.deque()
        self._ended = False

    @property
    def pending(self) -> int:
        """Requests that are not answered in full."""
        return len(self._turns)

    @property
    def crowded(self) -> bool:
        """Whether the client is slower than the answers."""
        return self._speaker.crowded

    def hear(self, message: bytes) -> None:
        """Have a request answered. Raises Fault for what is none."""
        try:
            asked = self._reader.read(message, self._head)
            if self._head.caller.models is not None:
                self._head.caller.check_model(asked.model)
        except ZeroMindError as error:
            self._say_error("", error)
            return
        turn = Turn(self, asked)
        self._turns.append(turn)
        turn.begin(self._engine)

    def ended(self) -> None:
        """The client has said all."""
        self._ended = True
        if not self._turns:
            self._speaker.end()

    def eased(self) -> None:
        """The client has taken something."""
        for turn in list(self._turns):
            turn.go_on()

    def withdraw(self) -> None:
        """The client has left."""
        turns, self._turns = self._turns, collections.deque()
        for turn in turns:
            turn.withdraw()

    def say(self, turn: Turn, pieces: Pieces) -> None:
        """Send an answer, now or in its turn."""
        if turn.ordered and self._first is not turn:
            turn.kept.append(pieces)
        else:
            self._speaker.say(pieces)

    def fail(self, turn: Turn, request_id: str, error: Exception) -> None:
        """Answer a request with what went wrong; or the whole stream, where its client wants that."""
        if self._head.strict or not isinstance(error, (ZeroMindError, Fault)):
            turn.fatal = error
        else:
            self.say(turn, _failed(request_id, error))
        self.finished(turn)

    def finished(self, turn: Turn) -> None:
        """A request is answered: it may be the next one's turn."""
        turn.done = True
        if not turn.ordered and turn in self._turns:
            self._turns.remove(turn)
            if turn.fatal is not None:
                self._speaker.end(turn.fatal)
                return
        while (first := self._first) is not None:
            for pieces in first.kept:
                self._speaker.say(pieces)
            first.kept.clear()
            if not first.done:
                break
            if first.fatal is not None:
                self._speaker.end(first.fatal)
                return
            self._turns.remove(first)
        if self._ended and not self._turns:
            self._speaker.end()
        else:
            self._speaker.ready()

    @property
    def _first(self) -> Turn | None:
        """Whose answer is the next of those that keep their order."""
        return next((turn for turn in self._turns if turn.ordered), None)

    def _say_error(self, request_id: str, error: ZeroMindError) -> None:
        if self._head.strict:
            raise error
        self._speaker.say(_failed(request_id, error))


def _failed(request_id: str, error: ZeroMindError | Fault) -> list[bytes]:
    """A ``ModelStreamInferResponse`` that says what went wrong with a request."""
    sentence = error.message if isinstance(error, Fault) else oip_fault.sentence(error)
    inner = (field(3, request_id.encode()) if request_id else b"") + _FINAL
    if isinstance(error, ZeroMindError):
        inner += field(4, field(1, b"error_kind") + field(2, field(3, error.kind.name.encode())))
    return [field(1, sentence[: ANSWERS.message].encode("utf-8", "replace")) + field(2, inner)]


def _streamed(pieces: list[bytes], parameter: bytes) -> list[bytes]:
    """A ``ModelStreamInferResponse`` around a ``ModelInferResponse``."""
    return [b"\x12" + varint(sum(map(len, pieces)) + len(parameter)), parameter, *pieces]
