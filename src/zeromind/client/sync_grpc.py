"""gRPC by grpcio, for threads; messages go and come as bytes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc
from zeromind.client.credentials import Credentials
from zeromind.client.faults import closed
from zeromind.client.step import Lost, Reply, Request

OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_retries", 0),  # the dialogue does that, within its deadline
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class Responses:
    """A Source: a call that goes on answering."""

    def __init__(self, call: Any) -> None:
        self.call = call

    def close(self) -> None:
        """End the call."""
        self.call.cancel()


class GrpcTransport:
    """A Transport to one ``host:port``; ``always`` is metadata of every call."""

    def __init__(self, target: str, always: tuple[tuple[str, str], ...], credentials: Credentials | None) -> None:
        self._always = always
        self._channel = (
            grpc.secure_channel(target, channel_credentials(credentials), OPTIONS)
            if credentials is not None
            else grpc.insecure_channel(target, OPTIONS)
        )
        self._methods: dict[str, Callable[..., Any]] = {}
        self._closed = False

    def send(self, request: Request, seconds: float) -> Reply:
        """The reply to a request."""
        self._check()
        method = self._methods.get(request.target)
        if method is None:
            method = self._methods[request.target] = self._channel.unary_unary(request.target).with_call
        try:
            message, call = method(b"".join(request.pieces), timeout=seconds, metadata=(*self._always, *request.fields))
        except grpc.RpcError as error:
            self._check()
            return refusal(error)
        return Reply(0, _Metadata(call), memoryview(message))

    def open(self, request: Request, seconds: float) -> Responses:
        """Where the parts of an answer come from; the call has one request, and a deadline."""
        self._check()
        method = self._channel.unary_stream(request.target)
        return Responses(method(b"".join(request.pieces), timeout=seconds, metadata=(*self._always, *request.fields)))

    def receive(self, source: Responses, seconds: float) -> bytes | Reply | None:
        """The next part, before the call's own deadline."""
        del seconds
        try:
            found: bytes | None = next(source.call, None)
        except grpc.RpcError as error:
            self._check()
            return refusal(error)
        return found

    def close(self) -> None:
        """End every call, and close the connection."""
        self._closed = True
        self._channel.close()

    def _check(self) -> None:
        if self._closed:
            raise closed()


class _Metadata(Mapping[str, str]):
    """A call's metadata, which few look at and which cost something to get."""

    def __init__(self, call: Any) -> None:
        self._call = call

    @functools.cached_property
    def _found(self) -> Mapping[str, str]:
        return fields(self._call.initial_metadata(), self._call.trailing_metadata())

    def __getitem__(self, name: str) -> str:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def channel_credentials(credentials: Credentials) -> Any:
    """Those of TLS, as grpcio has them."""
    return grpc.ssl_channel_credentials(credentials.authorities, credentials.key, credentials.certificate)


def refusal(error: Any) -> Reply:
    """The reply in a call's failure. Raises Lost where no server answered, TimeoutError where none did in time."""
    code, told = error.code(), fields(error.initial_metadata(), error.trailing_metadata())
    sentence = error.details() or code.name
    if code is grpc.StatusCode.UNAVAILABLE and not told:
        raise Lost(sentence, sent=True) from None
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and not told:
        raise TimeoutError from None
    return Reply(code.value[0], told, memoryview(sentence.encode()))


def fields(*metadata: Any) -> Mapping[str, str]:
    """A call's metadata as text by name."""
    return {name: text for part in metadata if part for name, text in part if isinstance(text, str)}
