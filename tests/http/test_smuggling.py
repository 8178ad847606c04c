"""What two parsers could read in two ways is refused with 400 and the connection closed; what RFC 9112 asks to accept is accepted."""

import time

import pytest
from tornado.web import Application, RequestHandler

from zeromind.limits import HttpLimits as Limits

pytestmark = pytest.mark.proves("T16")

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = b"Upgrade: h2c\r\nConnection: Upgrade\r\n"

REFUSED = {
    # request line
    "http/0.9": b"GET /a\r\n\r\n",
    "http/0.9 with fields": b"GET /a\r\nHost: x\r\n\r\n",
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http/2.0": b"GET /a HTTP/2.0\r\nHost: x\r\n\r\n",
    "http/1.2": b"GET /a HTTP/1.2\r\nHost: x\r\n\r\n",
    "http/01.1": b"GET /a HTTP/01.1\r\nHost: x\r\n\r\n",
    "lower-case protocol": b"GET /a http/1.1\r\nHost: x\r\n\r\n",
    "other protocol": b"SOURCE /a ICE/1.0\r\nHost: x\r\n\r\n",
    "rtsp": b"DESCRIBE /a RTSP/1.0\r\nHost: x\r\n\r\n",
    "two spaces": b"GET  /a HTTP/1.1\r\nHost: x\r\n\r\n",
    "tab": b"GET\t/a HTTP/1.1\r\nHost: x\r\n\r\n",
    "space behind version": b"GET /a HTTP/1.1 \r\nHost: x\r\n\r\n",
    "space before method": b" GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    "two empty lines before": b"\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    "target with control": b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    "target with del": b"GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
    "target with nul": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "target beyond ascii": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: x\r\n\r\n",
    "method with delimiter": b"G(T /a HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "binary": bytes(range(256)),
    # line ends
    "lf only": b"GET /a HTTP/1.1\nHost: x\n\n",
    "lf behind a field": GET + b"A: b\nC: d\r\n\r\n",
    "lf behind the request line": b"GET /a HTTP/1.1\nHost: x\r\n\r\n",
    "lf for the empty line": b"GET /a HTTP/1.1\r\nHost: x\r\n\n",
    "cr inside a value": GET + b"A: b\rContent-Length: 5\r\n\r\n",
    "cr cr lf": GET + b"A: b\r\r\n\r\n",
    # fields
    "space before colon": GET + b"A : b\r\n\r\n",
    "tab before colon": GET + b"A\t: b\r\n\r\n",
    "folded value": GET + b"A: b\r\n c\r\n\r\n",
    "folded with tab": GET + b"A: b\r\n\tc\r\n\r\n",
    "folded first field": b"GET /a HTTP/1.1\r\n Host: x\r\n\r\n",
    "folded transfer coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "no colon": GET + b"abc\r\n\r\n",
    "no name": GET + b": b\r\n\r\n",
    "delimiter in name": GET + b"a(b: c\r\n\r\n",
    "nul in name": GET + b"a\0b: c\r\n\r\n",
    "name beyond ascii": GET + b"\xc3\xa9: c\r\n\r\n",
    "nul in value": GET + b"A: b\0c\r\n\r\n",
    "control in value": GET + b"A: b\x01c\r\n\r\n",
    "del in value": GET + b"A: b\x7fc\r\n\r\n",
    # Host
    "no host": b"GET /a HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: y\r\n\r\n",
    "two equal hosts": GET + b"Host: x\r\n\r\n",
    "two hosts in one": b"GET /a HTTP/1.1\r\nHost: x, y\r\n\r\n",
    "host with space": b"GET /a HTTP/1.1\r\nHost: x y\r\n\r\n",
    "host with path": b"GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n",
    # Content-Length
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "two equal lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "plus": POST + b"Content-Length: +3\r\n\r\nabc",
    "minus": POST + b"Content-Length: -3\r\n\r\nabc",
    "hexadecimal": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "underscore": POST + b"Content-Length: 1_0\r\n\r\nabcdefghij",
    "inner space": POST + b"Content-Length: 1 0\r\n\r\nabcdefghij",
    "fraction": POST + b"Content-Length: 3.0\r\n\r\nabc",
    "empty length": POST + b"Content-Length: \r\n\r\nabc",
    "digits beyond ascii": POST + "Content-Length: \N{ARABIC-INDIC DIGIT THREE}\r\n\r\nabc".encode(),
    "superscript": POST + b"Content-Length: \xb3\r\n\r\nabc",
    "length of 2**64 + 3": POST + b"Content-Length: 18446744073709551619\r\n\r\nabc",
    "quoted": POST + b'Content-Length: "3"\r\n\r\nabc',
    # Transfer-Encoding
    "both": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "both, turned": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "both in upgrade": POST + UPGRADE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked, chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with parameter": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "quoted chunked": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "no-break space": POST + b"Transfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n",
    "empty coding": POST + b"Transfer-Encoding: \r\n\r\n0\r\n\r\n",
    "chunked in http/1.0": b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked on get, identity": GET + b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc",
    # chunks
    "lf behind size": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "lf behind chunk": CHUNKED + b"3\r\nabc\n0\r\n\r\n",
    "lf behind last chunk": CHUNKED + b"3\r\nabc\r\n0\n\n",
    "any two bytes behind chunk": CHUNKED + b"3\r\nabcXX0\r\n\r\n",
    "size 0x3": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "size +3": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "size -3": CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "size 1_0": CHUNKED + b"1_0\r\nabcdefghijklmnop\r\n0\r\n\r\n",
    "size of other digits": CHUNKED + "\N{ARABIC-INDIC DIGIT THREE}\r\nabc\r\n0\r\n\r\n".encode(),
    "size overflow": CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "empty size": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "space before size": CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
    "space behind size": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "lf in extension": CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "cr in extension": CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "nul in extension": CHUNKED + b"3;a\0b\r\nabc\r\n0\r\n\r\n",
    "long extension": CHUNKED + b"3;" + b"a" * 5000 + b"\r\nabc\r\n0\r\n\r\n",
    "many extensions": CHUNKED + b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\na\r\n" * 200 + b"0\r\n\r\n",
    "many trailers": CHUNKED + b"0\r\n" + b"A: b\r\n" * 30 + b"\r\n",
    "long trailer": CHUNKED + b"0\r\nA: " + b"b" * 5000 + b"\r\n\r\n",
    "length in trailer": CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n",
    "coding in trailer": CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "folded trailer": CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n",
    "lf in trailer": CHUNKED + b"0\r\nA: b\n\r\n",
    "space before trailer's colon": CHUNKED + b"0\r\nA : b\r\n\r\n",
}

ACCEPTED = {
    "plain": (GET + b"\r\n", b"GET /a "),
    "one empty line before": (b"\r\n" + GET + b"\r\n", b"GET /a "),
    "no space behind colon": (b"GET /a HTTP/1.1\r\nHost:x\r\n\r\n", b"GET /a "),
    "space around value": (b"GET /a HTTP/1.1\r\nhOsT: \t x\t \r\n\r\n", b"GET /a "),
    "value beyond ascii": (GET + b"A: \xc3\xa9\r\n\r\n", b"GET /a "),
    "empty value": (GET + b"A:\r\n\r\n", b"GET /a "),
    "repeated field": (GET + b"A: 1\r\nA: 2\r\n\r\n", b"GET /a "),
    "http/1.0": (b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"GET /a "),
    "absolute form": (b"GET http://y:80/a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /a?b=c "),
    "absolute form without path": (b"GET http://y HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / "),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"OPTIONS * "),
    "method that llhttp does not know": (b"FROB /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", b"FROB /a abc"),
    "length": (POST + b"Content-Length: 3\r\n\r\nabc", b"POST /a abc"),
    "length with zeros": (POST + b"Content-Length: 003\r\n\r\nabc", b"POST /a abc"),
    "no body": (POST + b"\r\n", b"POST /a "),
    "body of get": (GET + b"Content-Length: 3\r\n\r\nabc", b"GET /a abc"),
    "chunks": (CHUNKED + b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", b"POST /a abc0123456789"),
    "capital Chunked": (POST + b"transfer-encoding: Chunked\r\n\r\n03\r\nabc\r\n000\r\n\r\n", b"POST /a abc"),
    "extensions": (CHUNKED + b'3;a=b;c="d;e"\r\nabc\r\n0;f\r\n\r\n', b"POST /a abc"),
    "trailers": (CHUNKED + b"3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n", b"POST /a abc"),
    "chunk that looks like an end": (CHUNKED + b"15\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n0\r\n\r\n", b"POST /a 0\r\n\r\nGET / HTTP/1.1\r\n"),
    "upgrade without body": (GET + UPGRADE + b"\r\n", b"GET /a "),
    "upgrade with body": (POST + UPGRADE + b"Content-Length: 3\r\n\r\nabc", b"POST /a abc"),
    "upgrade with chunks": (POST + UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"POST /a abc"),
}


class Echo(RequestHandler):
    SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "FROB")
    seen: list[str] = []  # noqa: RUF012 - one list for the one class

    def prepare(self):
        self.seen.append(self.request.uri)
        self.finish(f"{self.request.method} {self.request.uri} ".encode() + self.request.body)


@pytest.fixture(scope="module")
def served(serve):
    return serve(Application([(r".*", Echo)]), Limits(head_bytes=4096, header_count=20, header_s=5.0))


def healthy(served):
    with served.connect() as client:
        client.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        return client.answer()[1] == b"GET /health "


def check_refused(served, answer):
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), answer
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert b"\r\nConnection: close\r\n" in answer
    assert "/smuggled" not in Echo.seen
    assert healthy(served)


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_and_closed(served, name):
    check_refused(served, served.ask(REFUSED[name]))


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_byte_by_byte(served, name):
    with served.connect() as client:
        data = REFUSED[name]
        step = 1 if len(data) < 500 else len(data) // 50
        for start in range(0, len(data), step):
            try:
                client.send(data[start : start + step])
            except ConnectionError:  # refused before its end, and lingered for long enough
                break
        check_refused(served, client.rest())


@pytest.mark.parametrize("name", [name for name, data in REFUSED.items() if not data.startswith((b"\r", b"\x16"))])
def test_is_refused_behind_a_good_request(served, name):
    """The good one is answered, the bad one refused, nothing behind it is looked at."""
    answer = served.ask(POST + b"Content-Length: 3\r\n\r\nabc" + REFUSED[name] + SMUGGLED)
    first, _, second = answer.partition(b"POST /a abc")
    assert first.startswith(b"HTTP/1.1 200 ")
    check_refused(served, second)


@pytest.mark.parametrize("step", [10**6, 1, 7])
@pytest.mark.parametrize("name", ACCEPTED)
def test_is_accepted_and_the_connection_lives(served, name, step):
    data, body = ACCEPTED[name]
    with served.connect() as client:
        for _ in range(2):
            for start in range(0, len(data), step):
                client.send(data[start : start + step])
            assert client.answer()[1] == body
        client.send(data + data)
        assert [client.answer()[1], client.answer()[1]] == [body, body]


def test_a_client_that_waits_is_not_waited_for(served):
    """What cannot become a request is refused at once, not when the time for a head is over."""
    for data in (b"\x16\x03\x01", b"GET /\r\n", b"GET / HTTP/1.1\nHost: x\n", b"GET / HTTP/1.1\r\nHost: x\n", b"{", b"GET / HTTP/3.0\r\n"):
        began = time.monotonic()
        check_refused(served, served.ask(data))
        assert time.monotonic() - began < 2


def test_the_host_of_an_absolute_target_counts(serve):
    class Host(RequestHandler):
        def get(self):
            self.finish(self.request.host)

    served = serve(Application([(r".*", Host)]))
    with served.connect() as client:
        client.send(b"GET http://y:81/a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.answer()[1] == b"y:81"
