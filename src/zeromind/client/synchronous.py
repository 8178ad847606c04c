"""The client for threads: its methods wait."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from zeromind.client.ask import Terms
from zeromind.client.dialogue import Dialogue
from zeromind.client.model import ModelInfo, ModelStatus, ServerInfo
from zeromind.client.place import Place
from zeromind.client.prediction import Prediction
from zeromind.client.step import Deliver, Open, Pause, Receive, Send, Step, Steps, Transport
from zeromind.tensors import Parameter

T = TypeVar("T")


class Client:
    """Asks a server, over HTTP or gRPC.

    ``url`` is ``http://``, ``https://``, ``grpc://`` or ``grpcs://host:port``; ``key`` an API key. ``timeout_s`` bounds each call as a
    whole, its connection, retries and pauses; ``retries`` is how often a request is sent again that found no server, or a busy one: loads
    and drops are never, once they may have been received. ``verify`` is False to trust any certificate, or the file of the
    authorities to trust; ``certificate`` the files of the client's own certificate and its key. No proxies are used.

    May be shared by threads. A process that forks may go on using it in both processes over HTTP; over gRPC, make it after the fork.
    Constructor: ValueError for a URL, a key or a number that is none, OSError for a file that cannot be read, ImportError without grpcio.
    Every method raises ClientError, in one of the classes of ``zeromind.client``.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        url: str = "http://127.0.0.1:5885",
        *,
        key: str | None = None,
        timeout_s: float = 60.0,
        retries: int = 2,
        verify: bool | str | Path = True,
        certificate: tuple[str | Path, str | Path] | None = None,
    ) -> None:
        place = Place.of(url, key, verify, certificate)
        self._dialogue = Dialogue(place.wire(), url, timeout_s, retries)
        self._transport = place.transport()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()

    def predict(  # noqa: PLR0913 - each says something else of the request
        self,
        model: str,
        inputs: Any,
        *,
        parameters: Mapping[str, Parameter] | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
        outputs: Sequence[str] | None = None,
        filters: bool = True,
        priority: int | None = None,
    ) -> Prediction:
        """Ask a model for one answer.

        ``inputs`` is ``{name: value}``, or the value of the only input: an array, numbers, text or lists of them, of the input's type and
        shape (a single sample without the batch's dimension will do); for an input with filters a sample or a list of them, each a
        picture (a Path, a Picture, a Pillow image) or anything that JSON has a form for. ``outputs`` names those that are wanted,
        ``parameters`` go to the model, ``priority`` is a level from 1, the most urgent, on. Without ``filters`` all values are tensors.
        """
        terms = Terms.of(
            parameters=parameters, timeout_s=timeout_s, request_id=request_id, outputs=outputs, filters=filters, priority=priority
        )
        return self._run(self._dialogue.predict(model, inputs, terms))

    def stream(  # noqa: PLR0913 - each says something else of the request
        self,
        model: str,
        inputs: Any,
        *,
        parameters: Mapping[str, Parameter] | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
        outputs: Sequence[str] | None = None,
        filters: bool = True,
        priority: int | None = None,
    ) -> Stream:
        """Ask a model for all its answers, to iterate over as they come; arguments as of ``predict``.

        Nothing is asked before the first is wanted. Whoever stops early closes the stream, or forgets it, and the model stops.
        """
        terms = Terms.of(
            parameters=parameters, timeout_s=timeout_s, request_id=request_id, outputs=outputs, filters=filters, priority=priority
        )
        return Stream(self._dialogue.stream(model, inputs, terms), self._transport)

    def models(self, *, timeout_s: float | None = None) -> tuple[ModelStatus, ...]:
        """The models that are here or can be loaded by their name."""
        return self._run(self._dialogue.models(timeout_s))

    def model(self, name: str, *, timeout_s: float | None = None) -> ModelInfo:
        """A model's interface; waits for one that is loading."""
        return self._run(self._dialogue.model(name, timeout_s))

    def load(self, task: Mapping[str, Any], *, timeout_s: float = 600.0) -> ModelInfo:
        """Load the task, and tell the model's interface. Raises AlreadyLoaded, LoadFailed."""
        return self._run(self._dialogue.load(task, timeout_s))

    def drop(self, name: str, *, timeout_s: float | None = None) -> None:
        """Drop a model; returns when it has gone."""
        self._run(self._dialogue.drop(name, timeout_s))

    def ready(self, name: str | None = None, *, timeout_s: float | None = None) -> bool:
        """Whether the server, or the model, answers; False where no server does."""
        return self._run(self._dialogue.ready(name, timeout_s))

    def info(self, *, timeout_s: float | None = None) -> ServerInfo:
        """The server's name, version and extensions."""
        return self._run(self._dialogue.info(timeout_s))

    def statistics(self, name: str | None = None, *, timeout_s: float | None = None) -> list[dict[str, Any]]:
        """What the model has done, or each: counts and nanoseconds, as the Open Inference Protocol's statistics have them."""
        return self._run(self._dialogue.statistics(name, timeout_s))

    def _run(self, steps: Steps[T]) -> T:
        _, value = _go(steps, self._transport)
        result: T = value
        return result


class Stream:
    """A model's answers, in the order in which they come."""

    def __init__(self, steps: Steps[None], transport: Transport) -> None:
        self._steps = steps
        self._transport = transport

    def __iter__(self) -> Iterator[Prediction]:
        return self

    def __next__(self) -> Prediction:
        """The next answer. Raises ClientError."""
        over, value = _go(self._steps, self._transport)
        if over:
            raise StopIteration
        answer: Prediction = value
        return answer

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Take no more: the model stops."""
        self._steps.close()


def _go(steps: Steps[Any], transport: Transport) -> tuple[bool, Any]:
    """Do steps until they are over or one delivers something: whether they are, and what they came to."""
    try:
        step = next(steps)
        while not isinstance(step, Deliver):
            try:
                done = _do(step, transport)
            except BaseException as error:  # a call that is broken off ends what it had begun, too
                step = steps.throw(error)
            else:
                step = steps.send(done)
    except StopIteration as end:
        return True, end.value
    return False, step.value


def _do(step: Step, transport: Transport) -> Any:
    if isinstance(step, Send):
        return transport.send(step.request, step.seconds)
    if isinstance(step, Receive):
        return transport.receive(step.source, step.seconds)
    if isinstance(step, Open):
        return transport.open(step.request, step.seconds)
    if isinstance(step, Pause):
        time.sleep(step.seconds)
    return None
