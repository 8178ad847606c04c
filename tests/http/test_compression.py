"""What an Accept-Encoding chooses, and that what is packed can be expanded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.http import compression


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("deflate, gzip", "deflate"),
        ("GZIP ; q=0.2 , deflate;Q=0.3", "deflate"),
        ("*", "gzip"),
        ("*;q=0", ""),
        ("gzip;q=0, *", "deflate"),
        ("identity", ""),
        ("identity;q=0.5, deflate;q=1.0", "deflate"),
        ("br, zstd", ""),
        ("gzip;q=x", "gzip"),
        ("gzip;level=3;q=0", ""),
        (",;q=1,", ""),
    ],
)
def test_what_is_chosen(accepted, coding):
    assert compression.chosen(accepted) == coding


@given(st.binary(max_size=2000), st.sampled_from(["gzip", "deflate"]))
def test_what_is_packed_can_be_expanded(body, coding):
    assert compression.expanded(compression.packed(body, coding), coding, len(body)) == body


def test_of_an_endless_header_the_beginning_counts():
    assert compression.chosen("gzip" + ",x" * 30_000) == "gzip"
    assert compression.chosen("x," * 30_000 + "gzip") == ""
