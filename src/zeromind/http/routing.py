"""Requests for Tornado's routers, made from heads that are known."""

from __future__ import annotations

from typing import Any, cast

from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPMessageDelegate
from tornado.routing import Router

from zeromind.http.head import Head

_ROUTED = type(Router().start_request(None, HTTPConnection()))


def found(delegate: HTTPMessageDelegate, head: Head, headers: HTTPHeaders) -> HTTPMessageDelegate:
    """What a router finds for a request, where a router is asked by ``delegate``; any other delegate as it is."""
    if type(delegate) is not _ROUTED:
        return delegate
    routed = cast("Any", delegate)
    target = routed.router.find_handler(head.request(routed.server_conn, routed.request_conn, headers))
    return delegate if target is None else cast("HTTPMessageDelegate", target)
