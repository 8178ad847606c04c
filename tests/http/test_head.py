"""A head that is known is told as it was when it was read; and what a handler does to its request is gone with it."""

import copy
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tornado import httputil
from tornado.web import Application, RequestHandler, stream_request_body

from zeromind.http import head as heads
from zeromind.http.exchange import Context
from zeromind.http.head import Head
from zeromind.limits import HttpLimits as Limits

HOST = b" HTTP/1.1\r\nHost: x\r\n"
FORM = b"a=1&a=2&b=%20"


def known(method, target, pairs, version="HTTP/1.1"):
    return Head(httputil.RequestStartLine(method, target, version), pairs, dict(pairs), 0, True, False, kept=True)


def tornados(head, connection):
    headers = httputil.HTTPHeaders()
    for name, value in head.pairs:
        headers.add(name, value)
    return httputil.HTTPServerRequest(connection=connection, server_connection="server", start_line=head.start_line, headers=headers)


def told(request):
    """All that a request is made of, and what its methods make of that."""
    parts = {name: value for name, value in vars(request).items() if name not in ("_start_time", "headers")}
    parts |= {"headers": list(request.headers.get_all()), "url": request.full_url(), "repr": repr(request), "type": type(request)}
    parts["cookies"] = {name: morsel.value for name, morsel in request.cookies.items()}
    return copy.deepcopy({name: value for name, value in parts.items() if name not in ("connection", "server_connection", "_cookies")})


def spoil(request):
    """Change whatever can be changed, in place where that is possible."""
    request.headers.add("Host", "evil")
    request.headers["Content-Type"] = "evil/evil"
    del request.headers["Host"]
    for arguments in (request.arguments, request.query_arguments, request.body_arguments, request.files):
        for values in arguments.values():
            values.append(b"evil")
        arguments["evil"] = [b"evil"]
    request.cookies["evil"] = "evil"
    for name in ("method", "uri", "path", "query", "version", "host", "host_name", "remote_ip", "protocol", "body"):
        setattr(request, name, "evil")
    request.evil = True


class Connection(httputil.HTTPConnection):
    """One over TLS."""

    context = Context(None)
    context.protocol = "https"


text = st.text(string.ascii_letters + string.digits + "-._~%/+&=;?", max_size=20)
hosts = st.sampled_from(["x", "X.Example:80", "[::1]:8888", "127.0.0.1", "x,y", "x y", ""])
names = st.sampled_from(["Cookie", "Content-Type", "X-A", "If-None-Match"])
ways = st.sampled_from(["add", "set", "del"])
values = st.sampled_from(["", "a=b; c=d", "text/plain", "\xe9", "application/x-www-form-urlencoded"])


@settings(max_examples=200, deadline=None)
@given(text, hosts, st.lists(st.tuples(names, values), max_size=4), st.booleans())
@example("?" + "&".join("abcdefgh" * 200), "x", [], True)
def test_a_request_is_as_tornado_makes_it_every_time(target, host, pairs, spoils):
    head, connection = known("GET", "/" + target, [("Host", host), *pairs]), Connection()
    for _ in range(3):
        try:
            theirs = tornados(head, connection)
        except httputil.HTTPInputError:
            with pytest.raises(httputil.HTTPInputError):
                head.request("server", connection, head.headers())
            continue
        ours = head.request("server", connection, head.headers())
        assert ours.connection is connection
        assert ours.server_connection == "server"
        assert 0 <= ours.request_time() < 60
        assert told(ours) == told(theirs)
        if spoils:
            spoil(ours)


@pytest.mark.parametrize("layout_known", [True, False])
def test_a_tornado_that_we_do_not_know_makes_them_itself(monkeypatch, layout_known):
    assert heads._LAYOUT_KNOWN
    monkeypatch.setattr(heads, "_LAYOUT_KNOWN", layout_known)
    head = known("GET", "/a?b=c", [])
    with pytest.raises(httputil.HTTPInputError):
        head.request("server", Connection(), head.headers())
    old = known("GET", "/a?b=c", [], "HTTP/1.0")
    for _ in range(3):
        request = old.request("server", Connection(), old.headers())
        assert (request.host, request.query_arguments) == ("127.0.0.1", {"b": [b"c"]})
        assert (old._sound is not None) == layout_known


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(names, values), max_size=5), st.lists(st.tuples(ways, names, values), max_size=4))
def test_headers_are_found_as_tornado_finds_them(pairs, changes):
    head = known("GET", "/", pairs)
    theirs = httputil.HTTPHeaders()
    for name, value in pairs:
        theirs.add(name, value)
    ours = head.headers()
    for how, name, value in [("", "", ""), *changes]:
        for headers in (ours, theirs):
            if how == "add":
                headers.add(name, value)
            elif how == "set":
                headers[name.lower()] = value
            elif how == "del" and name in headers:
                del headers[name]
        assert list(ours.get_all()) == list(theirs.get_all())
        for sought in ("Cookie", "content-type", "X-A", "IF-NONE-MATCH", "Other", ""):
            assert (sought in ours) == (sought in theirs)
            assert ours.get(sought) == theirs.get(sought)
            assert ours.get(sought, default=5) == theirs.get(sought, default=5)
            assert ours.get_list(sought) == theirs.get_list(sought)
        for headers in (ours, theirs):
            with pytest.raises(AttributeError):
                headers.get(5)
    assert list(head.headers().get_all()) == list(known("GET", "/", pairs).headers().get_all())


# over connections


class Spoiler(RequestHandler):
    """Says what it was asked, and spoils it."""

    def prepare(self):
        connection, told_ = self.request.connection, told(self.request)
        assert connection.context.remote_ip == self.request.remote_ip
        self.finish(repr(sorted(told_.items())))
        connection.start_line = None
        spoil(self.request)


@stream_request_body
class Line(RequestHandler):
    """Leaves HTTP before its body has been read."""

    async def prepare(self):
        stream = self.detach()
        await stream.write((await stream.read_bytes(4))[::-1])
        stream.close()

    def data_received(self, chunk):
        raise AssertionError("HTTP has ended")

    post = RequestHandler.get


@stream_request_body
class Upload(RequestHandler):
    def prepare(self):
        self.request.connection.set_max_body_size(5)
        self.size = 0

    async def data_received(self, chunk):
        self.size += len(chunk)

    def post(self):
        self.finish(str(self.size))


@pytest.fixture(scope="module")
def served(serve):
    return serve(Application([("/line", Line), ("/upload", Upload), ("/.*", Spoiler)]), Limits(body_bytes=100))


REQUESTS = {
    "plain": b"GET /" + HOST + b"\r\n",
    "query": b"GET /a?b=c&b=d&e=" + HOST + b"Cookie: a=b\r\n\r\n",
    "repeated": b"GET /" + HOST + b"Cookie: a=b\r\nCookie: c=d\r\n\r\n",
    "form": b"POST /a?a=0" + HOST + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 13\r\n\r\n" + FORM,
    "absolute": b"GET http://y:81/a HTTP/1.1\r\nHost: x\r\n\r\n",
    "old": b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
}


@pytest.mark.parametrize("data", REQUESTS.values(), ids=REQUESTS)
def test_what_a_handler_does_to_its_request_is_seen_by_no_other(served, data):
    heard = set()
    for _ in range(2):
        with served.connect() as client:
            for _ in range(3):
                client.send(data)
                heard.add(client.answer()[1])
            client.send(data + data[:20])
            heard.add(client.answer()[1])
            client.send(data[20:] + data + data)
            heard |= {client.answer()[1] for _ in range(3)}
    assert len(heard) == 1
    assert b"evil" not in heard.pop()


def test_each_connection_has_its_own_address(served):
    for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
        with served.connect(address) as client:
            for _ in range(2):
                client.send(REQUESTS["plain"])
                assert f"('remote_ip', '{address}')".encode() in client.answer()[1]


def test_a_known_head_of_a_new_body(served):
    """What the head says is known; the body is what came this time."""
    start, _, body = REQUESTS["form"].partition(b"\r\n\r\n")
    for sent in (body, body.replace(b"1", b"9"), body):
        with served.connect() as client:
            client.send(start + b"\r\n\r\n" + sent)
            assert f"('body', {sent!r})".encode() in client.answer()[1]


def test_a_known_head_is_refused_as_it_was(served):
    too_long = b"POST /" + HOST + b"Content-Length: 101\r\n\r\n" + bytes(101)
    no_host = b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n"
    for _ in range(3):
        assert served.ask(too_long).startswith(b"HTTP/1.1 413 ")
        assert served.ask(no_host).startswith(b"HTTP/1.1 400 ")


def test_a_handlers_own_limit_holds_for_a_known_head(served):
    with served.connect() as client:
        for _ in range(3):
            client.send(b"POST /upload" + HOST + b"Content-Length: 5\r\n\r\n12345")
            assert client.answer()[1] == b"5"
    for _ in range(3):
        assert served.ask(b"POST /upload" + HOST + b"Content-Length: 6\r\n\r\n123456").startswith(b"HTTP/1.1 413 ")


def test_what_came_behind_a_known_head_belongs_to_who_detaches(served):
    for _ in range(3):
        assert served.ask(b"POST /line" + HOST + b"Content-Length: 4\r\n\r\nabcd") == b"dcba"


def test_heads_are_kept_that_come_again_and_are_not_long_and_have_no_chunks_behind_them(serve, loop_thread):
    served = serve(Application([("/.*", Upload)]))
    site = served.listener._site

    async def kept():
        return list(site.heads)

    def keeps(data, times=2):
        with served.connect() as client:
            for _ in range(times):
                client.send(data)
                client.answer()
        return any(data.startswith(head) for head in loop_thread.run(kept()))

    post = b"POST /" + HOST
    assert not keeps(post + b"Content-Length: 0\r\n\r\n", 1)
    assert keeps(post + b"Content-Length: 0\r\n\r\n", 1)
    assert not keeps(post + b"Content-Length: 0\r\nA: " + b"b" * 2048 + b"\r\n\r\n")
    assert not keeps(post + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert len(loop_thread.run(kept())) == 1
