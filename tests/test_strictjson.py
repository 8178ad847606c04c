"""JSON as its specification has it."""

import json

import pytest

from zeromind import strictjson


@pytest.mark.parametrize(
    ("text", "reason"),
    [('{"a": 1, "a": 2}', "'a' stands twice"), ('{"a": {"b": 1, "c": 2, "b": 3}}', "'b'"), ("NaN", "NaN"), ("[" * 9**6, "deep")],
)
def test_what_the_standard_library_takes_and_json_is_not(text, reason):
    with pytest.raises(ValueError, match=reason):
        strictjson.loads(text)


def test_constants_where_a_protocol_has_them():
    assert strictjson.loads('{"a": [Infinity, -Infinity]}', constants=True) == {"a": [float("inf"), -float("inf")]}


def test_a_key_that_stands_twice_is_found_at_once_among_many():
    text = json.dumps({f"k{at}": 0 for at in range(200_000)})[:-1] + ', "k199999": 1}'
    with pytest.raises(ValueError, match="k199999"):
        strictjson.loads(text)
