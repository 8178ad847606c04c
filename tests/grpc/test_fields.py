"""Header fields: which requests are well-formed, and ours as hpack reads them."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.grpc.fields import check, literal

HEAD = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/a/b"), (b"te", b"trailers")]


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.binary(max_size=300)), max_size=5))
def test_hpack_reads_what_is_written(fields):
    block = b"".join(literal(*field) for field in fields)
    assert [tuple(field) for field in hpack.Decoder().decode(block, raw=True)] == fields


def test_a_request_is_its_fields():
    assert check(HEAD) == dict(HEAD)


@pytest.mark.parametrize(
    "fields",
    [
        HEAD[1:],
        HEAD[:2] + HEAD[3:],
        [*HEAD, (b":authority", b"a")],
        [*HEAD[:3], HEAD[0]],
        [(b":status", b"200"), *HEAD],
        [*HEAD, (b"Upper", b"")],
        [*HEAD, (b"", b"")],
        [*HEAD, (b"a b", b"")],
        [*HEAD, (b"a", b"x\r\ny")],
        [*HEAD, (b"connection", b"close")],
        [*HEAD[:3], (b"te", b"gzip")],
        [(b":path", b""), *HEAD[:2]],
    ],
)
def test_malformed_requests(fields):
    assert check(fields) is None
