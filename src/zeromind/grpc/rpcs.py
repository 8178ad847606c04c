"""Makes methods of plain functions: a message in, the fields of the answer out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from zeromind.grpc.messages import Messages
from zeromind.grpc.method import Head, Method, Reply, Withdraw

Fields: TypeAlias = Mapping[str, Any]


class Rpcs:
    """The unary methods of one service, by name. ``package`` is that of its messages, ``XRequest`` and ``XResponse`` of a method X."""

    def __init__(self, messages: Messages, package: str) -> None:
        self._messages = messages
        self._package = package
        self.methods: dict[str, Method] = {}

    def at_once(self, name: str, work: Callable[[Any, Head], Fields], message: str = "") -> None:
        """Serve a method whose answer is there at once. ``message`` is its messages' common name, unless that is the method's."""
        asked, answered = self._names(message or name)

        def answer(data: bytes, head: Head, reply: Reply) -> None:
            reply([self._messages.write(answered, work(self._messages.parse(asked, data), head))])

        self.methods[name] = Method(name, answer)

    def in_time(self, name: str, work: Callable[[Any, Head], Awaitable[Fields]]) -> None:
        """Serve a method whose answer takes time."""
        asked, answered = self._names(name)

        def answer(data: bytes, head: Head, reply: Reply) -> Withdraw:
            async def run() -> None:
                try:
                    fields = await work(message, head)
                    reply([self._messages.write(answered, fields)])
                except Exception as error:
                    reply(error)

            message = self._messages.parse(asked, data)
            return asyncio.get_running_loop().create_task(run()).cancel

        self.methods[name] = Method(name, answer)

    def _names(self, message: str) -> tuple[str, str]:
        return f"{self._package}.{message}Request", f"{self._package}.{message}Response"
