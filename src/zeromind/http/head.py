"""Heads of requests, which clients send again and again: one that is known is told anew for less than it is read."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import TypeAlias

from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest, RequestStartLine

from zeromind.http import fields
from zeromind.http.exchange import Exchange
from zeromind.observe import request_id

Answering: TypeAlias = "Callable[[Exchange, bytes], None]"


@dataclasses.dataclass(frozen=True, slots=True)
class _Sound:
    """What Tornado has found in a request line and a Host; of this nothing is changed."""

    start_line: RequestStartLine
    host: str
    host_name: str
    path: str
    query: str
    arguments: dict[str, list[bytes]]

    def request(self, server: object, connection: HTTPConnection, headers: HTTPHeaders) -> HTTPServerRequest:
        """What HTTPServerRequest's constructor would make, for a fifth of the price."""
        request = HTTPServerRequest.__new__(HTTPServerRequest)
        request.method, request.uri, request.version = self.start_line
        request.headers = headers
        request.body = b""
        context = getattr(connection, "context", None)
        request.remote_ip = getattr(context, "remote_ip", None)
        request.protocol = getattr(context, "protocol", "http")
        request.host = self.host
        request.host_name = self.host_name
        request.files = {}
        request.connection = connection
        request.server_connection = server
        request._start_time = time.time()  # noqa: SLF001 - the constructor's work is done here
        request._finish_time = None  # noqa: SLF001 - as above
        request.path = self.path
        request.query = self.query
        if self.arguments:
            request.arguments = {name: values.copy() for name, values in self.arguments.items()}
            request.query_arguments = {name: values.copy() for name, values in self.arguments.items()}
        else:
            request.arguments, request.query_arguments = {}, {}
        request.body_arguments = {}
        return request


@dataclasses.dataclass(slots=True, eq=False)
class Head:
    """The head of a request, found well-formed."""

    start_line: RequestStartLine
    pairs: list[tuple[str, str]]
    """Canonical field names and values, in their order."""
    fields: dict[str, str]
    """The same; of a field that is repeated, the last value."""
    length: int | None
    """Body bytes that it announces; None when the body is chunked."""
    keep_alive: bool
    """Whether the client wants the connection to live on."""
    expects_continue: bool
    """Whether the client waits for 100 Continue."""
    kept: bool = False
    """Whether it is going to be asked for more than one request."""
    admitted: bool = False
    """Whether the application lets requests with it in."""
    also: bytes = b""
    """Header lines that belong into every answer to it."""
    answering: Answering | None = None
    """What answers every such request by a short way, given its body; where there is none the application is asked as ever."""
    modern: bool = dataclasses.field(init=False)
    """Whether it is of HTTP/1.1."""
    request_id: bytes = dataclasses.field(init=False)
    """What the client calls the request; empty if nothing that is fit to be told."""
    _sound: _Sound | None = None

    def __post_init__(self) -> None:
        self.modern = self.start_line.version == "HTTP/1.1"
        self.request_id = request_id.own(self.fields.get("X-Request-Id", ""))

    def headers(self) -> HTTPHeaders:
        """The fields, for one request to keep."""
        return fields.headers(self.fields.copy(), self.pairs)

    def request(self, server: object, connection: HTTPConnection, headers: HTTPHeaders) -> HTTPServerRequest:
        """As Tornado makes it. Raises HTTPInputError for a Host that is none, or a query with too many arguments."""
        if self._sound is not None:
            return self._sound.request(server, connection, headers)
        request = HTTPServerRequest(server_connection=server, connection=connection, start_line=self.start_line, headers=headers)
        if self.kept and _LAYOUT_KNOWN:
            self._sound = _sound(self.start_line, request)
        return request


def _sound(start_line: RequestStartLine, request: HTTPServerRequest) -> _Sound:
    arguments = {name: values.copy() for name, values in request.arguments.items()}
    return _Sound(start_line, request.host, request.host_name, request.path, request.query, arguments)


def _layout_known() -> bool:
    """Whether this Tornado's requests are made of what ``_Sound`` puts there."""
    start_line, headers, connection = RequestStartLine("GET", "/a?b=c", "HTTP/1.1"), HTTPHeaders({"Host": "d:1"}), HTTPConnection()
    theirs = HTTPServerRequest(server_connection=connection, connection=connection, start_line=start_line, headers=headers)
    ours = _sound(start_line, theirs).request(connection, connection, headers)
    return {**vars(theirs), "_start_time": 0} == {**vars(ours), "_start_time": 0}


_LAYOUT_KNOWN = _layout_known()
