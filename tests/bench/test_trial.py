"""Which request is taken."""

import pytest

from zeromind.bench.sample import Sample
from zeromind.bench.served import Served
from zeromind.bench.trial import first_answered, given
from zeromind.errors import ErrorKind, ZeroMindError

SERVED = Served("m", ())
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("protocol", "body", "media", "path"),
    [
        (None, b'{"inputs": []}', "application/json", SERVED.infer),
        (None, b'{"inputs": {"nested": 1}}', "application/json", SERVED.predict),
        (None, b'{"x": [1]}', "application/json", SERVED.predict),
        (None, b"no JSON", "application/json", SERVED.predict),
        (None, b'{"inputs": []}', "image/png", SERVED.predict),
        ("0mind", b'{"inputs": []}', "application/json", SERVED.predict),
        ("v2", b'{"x": [1]}', "application/json", SERVED.infer),
    ],
)
def test_a_given_body_goes_where_its_form_belongs(protocol, body, media, path):
    sample = given(SERVED, protocol, body, media)
    assert (sample.path, sample.body, sample.media) == (path, body, media)


def candidates(*names):
    return [Sample(f"/{name}", b"body", "text/plain", f"a {name}") for name in names]


def refusal(text):
    return b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)


def test_the_first_that_gets_a_good_answer(scripted):
    with scripted(lambda number: OK if number == 1 else refusal(b"")) as server:
        call, sample = first_answered(server.address, candidates("cat", "dog", "bird"), {"X-Key": "k"}, 10)
    assert (call.path, sample.about) == ("/dog", "a dog")
    assert len(server.requests) == 2
    assert b"X-Key: k\r\n" in call.wire()


def test_none_does_and_the_reason_of_the_last_is_told(scripted):
    with (
        scripted(lambda _: refusal(b'{"error": "not this"}')) as server,
        pytest.raises(ZeroMindError, match="400 to a dog: not this") as caught,
    ):
        first_answered(server.address, candidates("cat", "dog"), {}, 10)
    assert caught.value.kind is ErrorKind.INVALID_INPUT
