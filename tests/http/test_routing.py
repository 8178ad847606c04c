"""Tornado's routers, whichever way they are asked."""

import pytest
from tornado import httputil
from tornado.routing import AnyMatches, PathMatches, Router, Rule, RuleRouter
from tornado.web import Application, RequestHandler

HOST = b" HTTP/1.1\r\nHost: x\r\n"


class Hello(RequestHandler):
    def get(self):
        self.finish(f"hello {type(self.request.connection).__name__}")


class Message(httputil.HTTPMessageDelegate):
    """Answers with the path of its request."""

    def __init__(self, request):
        self.request = request

    def finish(self):
        body = self.request.path.encode()
        self.request.connection.write_headers(
            httputil.ResponseStartLine("", 200, "OK"), httputil.HTTPHeaders({"Content-Length": str(len(body))}), body
        )
        self.request.connection.finish()


class Own(Router):
    """A router of somebody's own, which knows some paths."""

    def find_handler(self, request, **kwargs):
        if request.path == "/error":
            raise httputil.HTTPInputError("not this one")
        return None if request.path == "/none" else Message(request)


class Outer(httputil.HTTPServerConnectionDelegate):
    """Gives an application a connection that it has put something around."""

    class Wrapped(httputil.HTTPConnection):
        def __init__(self, inner):
            self.inner, self.context = inner, inner.context

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def write_headers(self, start_line, headers, chunk=None):
            headers["X-Outer"] = "1"
            return self.inner.write_headers(start_line, headers, chunk)

        def finish(self):
            self.inner.finish()

    def __init__(self, inner):
        self.inner = inner

    def start_request(self, server_conn, request_conn):
        return self.inner.start_request(server_conn, self.Wrapped(request_conn))


def asked(served, target, times=3):
    """The answers to the same request, by whole segments on one connection."""
    with served.connect() as client:
        for _ in range(times):
            client.send(b"GET " + target + HOST + b"\r\n")
            yield client.answer()


def test_a_router_of_ones_own(serve):
    served = serve(Own())
    assert [body for _, body in asked(served, b"/a?b=c")] == [b"/a"] * 3
    for _ in range(3):
        assert served.ask(b"GET /error" + HOST + b"\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("router", [Own(), RuleRouter([Rule(PathMatches("/some"), Own())])])
def test_what_no_router_knows_is_not_found(serve, router):
    served = serve(router)
    for _ in range(3):
        assert served.ask(b"GET /none" + HOST + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 404 ")


def test_routers_within_routers(serve):
    application = Application([("/hello", Hello)])
    served = serve(RuleRouter([Rule(PathMatches("/own/.*"), Own()), Rule(AnyMatches(), application)]))
    assert [body for _, body in asked(served, b"/own/a")] == [b"/own/a"] * 3
    assert [body for _, body in asked(served, b"/hello")] == [b"hello Exchange"] * 3
    assert all(head.startswith(b"HTTP/1.1 404 ") for head, _ in asked(served, b"/other"))


def test_a_connection_that_somebody_has_wrapped_stays_wrapped(serve):
    for head, body in asked(serve(Outer(Application([("/hello", Hello)]))), b"/hello"):
        assert body == b"hello Wrapped"
        assert b"\r\nX-Outer: 1\r\n" in head


def test_rules_that_come_later_count_at_once(serve, loop_thread):
    application = Application([("/hello", Hello)])
    served = serve(application)
    assert all(head.startswith(b"HTTP/1.1 404 ") for head, _ in asked(served, b"/later"))

    async def add():
        application.add_handlers(".*", [("/later", Hello)])

    loop_thread.run(add())
    assert all(body == b"hello Exchange" for _, body in asked(served, b"/later"))
