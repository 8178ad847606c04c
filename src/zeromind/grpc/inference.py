"""ModelInfer and ModelStreamInfer."""

from __future__ import annotations

from zeromind.access.scope import Scope
from zeromind.engine import Engine
from zeromind.errors import ZeroMindError
from zeromind.grpc.asked import Reader
from zeromind.grpc.messages import Messages
from zeromind.grpc.method import Head, Method, Reply, Speaker, Withdraw
from zeromind.grpc.talk import Talk
from zeromind.scheduler.entry import Answer


class Inference:
    """Answers requests for inference."""

    def __init__(self, engine: Engine, messages: Messages) -> None:
        self._engine = engine
        self._reader = Reader(messages, engine.regions)

    @property
    def methods(self) -> dict[str, Method]:
        """The two."""
        return {
            "ModelInfer": Method("ModelInfer", Scope.PREDICT, self.infer),
            "ModelStreamInfer": Method("ModelStreamInfer", Scope.PREDICT, talk=self._talk),
        }

    def _talk(self, speaker: Speaker, head: Head) -> Talk:
        return Talk(self._engine, self._reader, speaker, head)

    def infer(self, data: bytes, head: Head, reply: Reply) -> Withdraw | None:
        """One request, one answer."""
        asked = self._reader.read(data, head)
        if head.caller.models is not None:
            head.caller.check_model(asked.model)

        def answered(answer: Answer) -> None:
            if isinstance(answer, ZeroMindError):
                reply(answer, asked.model)
                return
            try:
                pieces = asked.encode(answer)
            except Exception as error:
                reply(error, asked.model)
            else:
                reply(pieces, asked.model, (submitted, answer.run))

        try:
            submitted = self._engine.submit(asked.model, asked.decode, answered, nbytes=len(data))
        except ZeroMindError as error:
            reply(error, asked.model)
            return None
        return submitted.withdraw
