"""Whatever the segments in which bytes come, the requests are the same; whatever the bytes, the answer is none of 5xx."""

import asyncio
import itertools
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tornado import httputil
from tornado.web import Application, RequestHandler

from zeromind.http import fields
from zeromind.http.site import Site
from zeromind.http.transport import HTTPProtocol
from zeromind.limits import HttpLimits as Limits


class Memory(asyncio.Transport):
    """A transport that writes into a list."""

    def __init__(self):
        super().__init__()
        self.written, self.closed, self.paused = [], False, False

    def write(self, data):
        assert not self.closed
        self.written.append(bytes(data))

    def get_write_buffer_size(self):
        return 0

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.closed = True

    def close(self):
        self.closed = True

    abort = close

    def pause_reading(self):
        assert not self.paused
        self.paused = True

    def resume_reading(self):
        assert self.paused
        self.paused = False


class Collector(httputil.HTTPServerConnectionDelegate):
    """Writes down every request, and answers it at once or when the loop turns."""

    def __init__(self, late):
        self.requests, self.late = [], late

    def start_request(self, server_conn, request_conn):
        return Message(self, request_conn)


class Message(httputil.HTTPMessageDelegate):
    def __init__(self, collector, connection):
        self.collector, self.connection, self.body = collector, connection, b""

    def headers_received(self, start_line, headers):
        self.start_line, self.headers = start_line, headers

    def data_received(self, chunk):
        assert chunk
        self.body += chunk
        return asyncio.sleep(0) if self.collector.late else None

    def finish(self):
        self.collector.requests.append((*self.start_line, list(self.headers.get_all()), self.body))
        if self.collector.late:
            asyncio.get_running_loop().call_soon(self.answer)
        else:
            self.answer()

    def answer(self):
        self.connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), httputil.HTTPHeaders({"Content-Length": "2"}), b"ok")
        self.connection.finish()


async def talk(application, segments, limits, patient=False):
    """What is written in answer to segments, each of which comes when there is room for it; or when the one before it is answered."""
    protocol, transport = HTTPProtocol(Site(application, limits, asyncio.get_running_loop())), Memory()
    protocol.connection_made(transport)
    for segment in segments:
        for _ in range(10_000):
            if transport.closed or not (transport.paused or (patient and protocol._blocked())):
                break
            await asyncio.sleep(0)
        if transport.closed:
            break
        protocol.data_received(segment)
    for _ in range(20_000):  # a body in pieces of three bytes, each of which is waited for, takes its turns
        await asyncio.sleep(0)
        if transport.closed or (protocol._exchange is None and not protocol._inbox.data):
            break
    for _ in range(20):
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    return b"".join(transport.written)


token = st.text("abcdefXYZ019-_", min_size=1, max_size=8)
value = st.text("abc xyz=;,\"'\xe9", max_size=12).map(lambda text: text.strip(" "))
body = st.binary(max_size=40) | st.sampled_from([b"0\r\n\r\n", b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n0\r\n\r\n" * 3])


@st.composite
def requests(draw):
    """The bytes of a valid request, and what a delegate should hear of it."""
    method, path = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "FROB"])), "/" + draw(token)
    pairs = [("Host", "x")] + [("X-" + name, text) for name, text in draw(st.lists(st.tuples(token, value), max_size=4))]
    content, framing = b"", b""
    how = draw(st.sampled_from(["none", "length", "chunks", "upgrade", "upgraded chunks"]))
    if "upgrade" in how:
        pairs += [("Upgrade", "h2c"), ("Connection", "upgrade")]
    if how in ("length", "upgrade"):
        content = framing = draw(body)
        pairs.append(("Content-Length", str(len(content))))
    elif "chunks" in how:
        pairs.append(("Transfer-Encoding", "chunked"))
        chunks = draw(st.lists(body.filter(bool), max_size=4))
        content = b"".join(chunks)
        extension = draw(st.sampled_from([b"", b";a", b';a="b"']))
        framing = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
        framing += draw(st.sampled_from([b"0\r\n\r\n", b"000\r\n\r\n", b"0;z\r\nA: b\r\nC: d\r\n\r\n"]))
    head = "".join(f"{name}: {text}\r\n" for name, text in pairs)
    headers = httputil.HTTPHeaders()
    for name, text in pairs:
        headers.add(name, text)
    return (
        f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin1") + framing,
        (method, path, "HTTP/1.1", list(headers.get_all()), content),
    )


def cut(data, places):
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if end > start]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(requests(), min_size=1, max_size=4), st.lists(st.integers(0, 5000), max_size=12), st.booleans(), st.sampled_from([3, 262_144])
)
def test_segments_do_not_matter(stream, places, late, piece):
    data = b"".join(raw for raw, _ in stream)
    collector = Collector(late)
    written = asyncio.run(talk(collector, cut(data, places), Limits(piece_bytes=piece)))
    assert collector.requests == [expected for _, expected in stream]
    assert written.count(b"HTTP/1.1 200 OK") == len(stream)


@settings(max_examples=60, deadline=None)
@given(requests(), st.booleans())
def test_nor_do_single_bytes(request, late):
    raw, expected = request
    collector = Collector(late)
    asyncio.run(talk(collector, [raw[i : i + 1] for i in range(len(raw))], Limits()))
    assert collector.requests == [expected]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(requests(), min_size=1, max_size=3), st.lists(st.integers(0, 5000), max_size=3), st.booleans(), st.sampled_from([3, 262_144])
)
def test_nor_does_it_matter_that_a_head_is_known(stream, places, late, piece):
    """The same requests whole, again and again, then in segments, then all at once."""
    data = b"".join(raw for raw, _ in stream)
    collector = Collector(late)
    segments = [raw for raw, _ in stream] * 3 + cut(data, places) + [data]
    written = asyncio.run(talk(collector, segments, Limits(piece_bytes=piece), patient=True))
    assert collector.requests == [expected for _, expected in stream] * 5
    assert written.count(b"HTTP/1.1 200 OK") == 5 * len(stream)


def test_nor_does_any_pair_of_cuts_around_an_end():
    """The end of a chunked body is found wherever it is cut, and the request behind it is not swallowed."""
    raw = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    framing = b"2\r\n\r\n\r\n0;a\r\nB: c\r\nD: e\r\n\r\n"
    behind = b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n"

    async def all_pairs():
        data = raw + framing + behind
        for first in range(len(raw) - 2, len(raw + framing) + 2):
            for second in range(first, len(raw + framing) + 2):
                collector = Collector(late=False)
                protocol = HTTPProtocol(Site(collector, Limits(), asyncio.get_running_loop()))
                protocol.connection_made(Memory())
                for segment in cut(data, [first, second]):
                    protocol.data_received(segment)
                assert [(request[1], request[4]) for request in collector.requests] == [("/a", b"\r\n"), ("/b", b"")]
                protocol.connection_lost(None)

    asyncio.run(all_pairs())


def test_a_known_request_waits_for_its_client_to_take_the_last_answer():
    async def talk_on():
        protocol, transport, raw = (
            HTTPProtocol(Site(Collector(False), Limits(), asyncio.get_running_loop())),
            Memory(),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        )
        protocol.connection_made(transport)
        for _ in range(3):
            protocol.data_received(raw)
        protocol.pause_writing()
        protocol.data_received(raw)
        assert len(transport.written) == 3
        protocol.resume_writing()
        assert len(transport.written) == 4
        protocol.connection_lost(None)

    asyncio.run(talk_on())


class Hurried(Collector):
    """Has a short way for every request."""

    def shortcut(self, start_line, headers):
        return self.quick

    def quick(self, exchange, body):
        exchange.respond(200, b"", body)


def test_only_so_many_heads_are_kept_and_a_short_way_as_long_as_its_head():
    async def many():
        site = Site(Hurried(False), Limits(), asyncio.get_running_loop())
        protocol, transport = HTTPProtocol(site), Memory()
        protocol.connection_made(transport)
        for number in [*range(2000), 0]:
            for _ in range(5):
                protocol.data_received(b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na" % number)
        assert len(site.heads) == 1024
        assert all(head.answering for head in site.heads.values())
        # The first two of each took the long way, and one more of the head that had been forgotten but was seen.
        assert len(site.application.requests) == 4001
        for number in range(1000):
            protocol.data_received(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % (number // 2))
        assert len(site.heads) == 1024
        assert sum(1 for head in site.heads.values() if head.answering) == 524
        for number in range(10_000, 20_000):
            protocol.data_received(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
        assert len(site.heads) == 1024
        assert len(site._seen) <= 4096
        protocol.connection_lost(None)

    asyncio.run(many())


class Echo(RequestHandler):
    def prepare(self):
        self.finish(self.request.body)


def check_statuses(data, places, before=()):
    application = Application([(r"/.*", Echo)], log_function=lambda handler: None)
    limits = Limits(head_bytes=300, header_count=5, body_bytes=100, chunk_count=5)
    written = asyncio.run(talk(application, [*before, *cut(data, places)], limits, patient=True))
    statuses = re.findall(rb"(?:^|\n)HTTP/1\.1 (\d+) ", written)
    assert not [status for status in statuses if status[:1] == b"5"], written
    assert statuses.count(b"400") <= 1 + written.count(b"HTTP/1.1 2")


NASTY = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b":",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"Host: y\r\n",
    b"0\r\n\r\n",
    b"\xff",
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(requests(), min_size=1, max_size=2),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 3), st.sampled_from(NASTY) | st.binary(max_size=3)), max_size=4),
    st.lists(st.integers(0, 5000), max_size=6),
)
def test_a_spoilt_request_is_never_the_servers_fault(stream, spoils, places):
    data = b"".join(raw for raw, _ in stream)
    for place, lost, gained in spoils:
        at = place % (len(data) + 1)
        data = data[:at] + gained + data[at + lost :]
    check_statuses(data, places)
    check_statuses(data, places, before=[raw for raw, _ in stream] * 3)  # their heads are known


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=400) | st.lists(st.sampled_from([b"GET ", b"/ ", b"HTTP/1.1", b"Host: x", b"\r\n", *NASTY])).map(b"".join),
    st.lists(st.integers(0, 400), max_size=6),
)
@example(b"GET /a HTTP/1.1\r\n\r\n", [])
def test_nor_are_random_bytes(data, places):
    check_statuses(data, places)


@pytest.mark.parametrize("layout_known", [True, False])
def test_headers_are_as_tornado_makes_them(monkeypatch, layout_known):
    """Ours are built past Tornado's checks: everything that it can do with them must come out the same, or the short cut is not taken."""
    assert fields._LAYOUT_KNOWN
    monkeypatch.setattr(fields, "_LAYOUT_KNOWN", layout_known)
    pairs = [("Host", "x"), ("Content-Type", "a/b")]
    ours, theirs = fields.headers(dict(pairs), pairs), httputil.HTTPHeaders(dict(pairs))
    for headers in (ours, theirs, ours.copy()):
        assert dict(headers) == dict(pairs)
        assert headers == theirs
        headers.add("host", "y")
        assert headers["HOST"] == "x,y"
        del headers["Host"]
        assert "Host" not in headers
        headers["a"] = "b"
        assert list(headers.get_all()) == [("Content-Type", "a/b"), ("A", "b")]
        headers["Host"] = "x"
        del headers["A"]
    assert fields.canonical(b"x-fOO-bar") == next(iter(httputil.HTTPHeaders({"x-fOO-bar": ""})))
