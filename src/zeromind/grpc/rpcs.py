"""Makes methods of plain functions: a message in, the fields of the answer out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from zeromind.codecs import protobuf
from zeromind.grpc.entrance import Entrance, Need
from zeromind.grpc.messages import Messages
from zeromind.grpc.method import Head, Method, Reply, Withdraw
from zeromind.grpc.status import Code, Fault
from zeromind.limits import MESSAGES

Fields: TypeAlias = Mapping[str, Any]


class Rpcs:
    """The unary methods of one service, by name. ``package`` is that of its messages, ``XRequest`` and ``XResponse`` of a method X."""

    def __init__(self, messages: Messages, package: str, entrance: Entrance) -> None:
        self._messages = messages
        self._entrance = entrance
        self._package = package
        self.methods: dict[str, Method] = {}

    def at_once(self, name: str, work: Callable[[Any, Head], Fields], need: Need, message: str = "") -> None:
        """Serve a method whose answer is there at once, to those who have what it needs.

        ``message`` is its messages' common name, unless that is the method's.
        """
        asked, answered = self._names(message or name)

        def answer(data: bytes, head: Head, reply: Reply) -> None:
            if len(data) > MESSAGES.plain:
                raise Fault(Code.RESOURCE_EXHAUSTED, f"the message has {len(data)} bytes, {name} takes up to {MESSAGES.plain}")
            message = self._parse(asked, data)
            noting = self._entrance.deed(need, name, message, head, reply)
            try:
                pieces = [self._messages.write(answered, work(message, head))]
            except Exception as error:
                noting(error)
            else:
                noting(pieces)

        self.methods[name] = Method(name, need.known, answer)

    def in_time(self, name: str, work: Callable[[Any, Head], Awaitable[Fields]], need: Need) -> None:
        """Serve a method whose answer takes time, likewise."""
        asked, answered = self._names(name)

        def answer(data: bytes, head: Head, reply: Reply) -> Withdraw:
            async def run() -> None:
                try:
                    fields = await work(message, head)
                    noting([self._messages.write(answered, fields)])
                except asyncio.CancelledError:  # what has begun goes on
                    noting(Fault(Code.CANCELLED, "the client did not wait for the answer"))
                    raise
                except Exception as error:
                    noting(error)

            message = self._parse(asked, data)
            noting = self._entrance.deed(need, name, message, head, reply)
            return asyncio.get_running_loop().create_task(run()).cancel

        self.methods[name] = Method(name, need.known, answer)

    def _parse(self, name: str, data: bytes) -> Any:
        """The message. Raises Fault, also for one of so many fields that it would need many times its bytes."""
        if len(data) > MESSAGES.uncounted:
            try:
                protobuf.count(data, {}, MESSAGES.plain_fields)
            except ValueError as error:
                raise Fault(Code.INVALID_ARGUMENT, f"the message is refused: {error}") from None
        return self._messages.parse(name, data)

    def _names(self, message: str) -> tuple[str, str]:
        return f"{self._package}.{message}Request", f"{self._package}.{message}Response"
