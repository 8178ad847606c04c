"""gRPC by grpcio, in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc.aio

import grpc
from zeromind.client.credentials import Credentials
from zeromind.client.faults import closed
from zeromind.client.step import Reply, Request
from zeromind.client.sync_grpc import OPTIONS, Responses, channel_credentials, fields, refusal


class GrpcTransport:
    """An AsyncTransport to one ``host:port``; ``always`` is metadata of every call."""

    def __init__(self, target: str, always: tuple[tuple[str, str], ...], credentials: Credentials | None) -> None:
        self._always = always
        self._target = target
        self._credentials = None if credentials is None else channel_credentials(credentials)
        self._channel: Any = None
        self._methods: dict[str, Callable[..., Any]] = {}
        self._closed = False

    async def send(self, request: Request, seconds: float) -> Reply:
        """The reply to a request."""
        self._check()
        method = self._methods.get(request.target)
        if method is None:
            method = self._methods[request.target] = self._opened().unary_unary(request.target)
        call = method(b"".join(request.pieces), timeout=seconds, metadata=(*self._always, *request.fields))
        try:
            message = await call
        except grpc.aio.AioRpcError as error:
            return refusal(error)
        except asyncio.CancelledError:
            self._check()
            raise
        return Reply(0, fields(await call.initial_metadata(), await call.trailing_metadata()), memoryview(message))

    async def open(self, request: Request, seconds: float) -> Responses:
        """Where the parts of an answer come from; the call has one request, and a deadline.

        So the library sees no stream of requests in it, of which it sends the first by itself: refused before that, it says INTERNAL.
        """
        self._check()
        method = self._opened().unary_stream(request.target)
        return Responses(method(b"".join(request.pieces), timeout=seconds, metadata=(*self._always, *request.fields)))

    async def receive(self, source: Responses, seconds: float) -> bytes | Reply | None:
        """The next part, before the call's own deadline."""
        del seconds
        try:
            found: Any = await source.call.read()
        except grpc.aio.AioRpcError as error:
            return refusal(error)
        except asyncio.CancelledError:
            self._check()
            raise
        return None if found is grpc.aio.EOF else found

    async def close(self) -> None:
        """End every call, and close the connection."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    def _check(self) -> None:
        if self._closed:
            raise closed() from None

    def _opened(self) -> Any:
        """The channel, which belongs to the loop that is running when it is made."""
        if self._channel is None:
            if self._credentials is None:
                self._channel = grpc.aio.insecure_channel(self._target, OPTIONS)
            else:
                self._channel = grpc.aio.secure_channel(self._target, self._credentials, OPTIONS)
        return self._channel
