"""How faults travel."""

import urllib.parse

from hypothesis import given
from hypothesis import strategies as st

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.grpc.status import TABLE, Code, Fault, quoted
from zeromind.limits import ANSWERS


def test_every_kind_has_a_code():
    assert set(TABLE) == set(ErrorKind)
    assert Code.OK not in TABLE.values()
    assert Fault.of(ZeroMindError(ErrorKind.BUSY, "later")).code is Code.UNAVAILABLE


@given(st.text(max_size=300))
def test_a_sentence_comes_back_from_its_field(text):
    data = quoted(text)
    assert all(0x20 <= byte < 0x7F for byte in data)
    assert urllib.parse.unquote(data.decode()) == text.encode("utf-8", "replace").decode()


def test_endless_sentences_are_cut():
    for text in ("x" * 100_000, "🙂" * 100_000, "%" * 2000):
        assert len(quoted(text)) <= ANSWERS.message + 20
