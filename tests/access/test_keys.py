"""Keys, and the file that keeps them."""

import datetime as dt
import json
import os
import stat
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeromind.access import key_file, keys
from zeromind.access.keys import Key, Keys, digest, dump, mint, moment, parse
from zeromind.access.scope import ANYONE, GRANTED, NOBODY, Scope
from zeromind.errors import ErrorKind, ZeroMindError

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", fullmatch=True)
PATTERNS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}\*?|\*", fullmatch=True)
TIMES = st.integers(0, 250_000_000_000).map(lambda seconds: dt.datetime.fromtimestamp(seconds, dt.timezone.utc))
KEYS = st.builds(
    Key,
    NAMES,
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.sets(st.sampled_from(GRANTED), min_size=1).map(frozenset),
    st.none() | st.lists(PATTERNS, min_size=1, max_size=4).map(tuple),
    TIMES,
    st.none() | TIMES,
)
LISTS = st.lists(KEYS, max_size=6, unique_by=(lambda key: key.name, lambda key: key.digest))
GOOD = {"name": "a", "sha256": "0" * 64, "scopes": ["read"], "created": "2026-01-01T00:00:00Z"}
BORN = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)


@given(LISTS)
def test_what_is_written_is_read(some):
    assert parse(dump(Keys(some))).all == tuple(some)


@given(LISTS.filter(bool), st.data())
@settings(max_examples=200)
def test_a_damaged_file_is_never_read_as_other_keys_than_it_had(some, data):
    written = dump(Keys(some))
    place = data.draw(st.integers(0, len(written) - 1))
    cut = written[:place] + data.draw(st.binary(max_size=3))
    try:
        found = parse(cut)
    except ValueError:
        return
    assert {key.digest for key in found.all} <= {key.digest for key in some}


ANYTHING = st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(ANYTHING)
def test_any_other_json_is_refused_with_a_sentence(value):
    with pytest.raises(ValueError, match=r"it must be an object|keys\["):
        parse(json.dumps({"keys": [value]} if not isinstance(value, dict) else value).encode())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": 1}, "name must be a string"),
        ({"name": "a b"}, "name"),
        ({"sha256": "f" * 63}, "64 digits"),
        ({"sha256": "F" * 64}, "64 digits"),
        ({"scopes": []}, "scopes"),
        ({"scopes": "read"}, "list of strings"),
        ({"scopes": ["open"]}, "there are predict, read, manage"),
        ({"scopes": ["any"]}, "there are predict, read, manage"),
        ({"models": []}, "no model at all"),
        ({"models": ["../a"]}, "no model's id"),
        ({"models": ["a*b"]}, "no model's id"),
        ({"created": "yesterday"}, "no time"),
        ({"expires": "2026-13-01"}, "no time"),
        ({"expires": ""}, "no time"),
        ({"expires": 0}, "expires must be a string"),
        ({"models": 0}, "models must be a list"),
        ({"models": {}}, "models must be a list"),
        ({"expire": "2026-01-01"}, "nothing else"),
    ],
)
def test_what_is_wrong_with_a_key_is_told(change, reason):
    assert parse(json.dumps({"keys": [GOOD]}).encode()).all[0].name == "a"
    with pytest.raises(ValueError, match=reason.replace("[", r"\[")):
        parse(json.dumps({"keys": [{**GOOD, **change}]}).encode())


def test_two_keys_do_not_share_a_name_or_a_digest():
    for other in ({**GOOD, "sha256": "1" * 64}, {**GOOD, "name": "b"}):
        with pytest.raises(ValueError, match="same name or the same digest"):
            parse(json.dumps({"keys": [GOOD, other]}).encode())


def test_a_key_is_256_bits_and_no_part_of_its_digest():
    texts = {mint() for _ in range(100)}
    assert len(texts) == 100
    assert all(text.startswith(keys.PREFIX) and len(text) >= 43 + len(keys.PREFIX) for text in texts)
    assert all(text not in digest(text) for text in texts)


def test_a_key_is_found_by_its_text_alone():
    text = mint()
    here = Keys([Key("a", digest(text), frozenset({Scope.READ}), None, BORN)])
    assert here.find(text).name == "a"
    for wrong in ("", text[:-1], text + " ", text.lower(), digest(text), "\udc80", "ключ"):
        assert here.find(wrong) is None


@pytest.mark.parametrize("text", ["2027-01-31", "2027-01-31T00:00:00Z", "2027-01-31T00:00:00", "2027-01-31T02:00:00+02:00"])
def test_times_are_utc_unless_they_say_otherwise(text):
    assert moment(text) == dt.datetime(2027, 1, 31, tzinfo=dt.timezone.utc)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_is_its_owners_alone(tmp_path):
    path = tmp_path / "keys.json"
    key_file.change(path, lambda here: here.with_one(Key("a", "0" * 64, frozenset({Scope.READ}), None, BORN)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert key_file.read(path).all[0].name == "a", "a digest may be read: it is of no use"
    for mode in (0o620, 0o602):
        path.chmod(mode)
        with pytest.raises(ValueError, match="chmod 600"):
            key_file.read(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_a_change_by_root_leaves_the_file_to_the_server_that_reads_it(tmp_path):
    file = tmp_path / "keys.json"
    key_file.change(file, lambda here: here.with_one(Key("a", "0" * 64, frozenset({Scope.READ}), None, BORN)))
    os.chown(file, 12345, 54321)
    file.chmod(0o640)
    key_file.change(file, lambda here: here.with_one(Key("b", "1" * 64, frozenset({Scope.READ}), None, BORN)))
    found = file.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 54321, 0o640)
    assert len(key_file.read(file).all) == 2


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "keys.json"
    path.write_bytes(dump(Keys()))
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="there is no key"):
        key_file.change(path, lambda here: here.without("a"))
    assert (path.read_bytes(), [one.name for one in tmp_path.iterdir()]) == (before, ["keys.json"])


def test_changes_at_the_same_time_are_all_kept(tmp_path):
    path = tmp_path / "keys.json"

    def add(number):
        new = Key(f"k{number}", digest(mint()), frozenset({Scope.READ}), None, BORN)
        key_file.change(path, lambda here: here.with_one(new))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {key.name for key in key_file.read(path).all} == {f"k{number}" for number in range(12)}


def test_a_caller_may_what_its_key_may():
    caller = Key("a", "0" * 64, frozenset({Scope.READ}), ("iris", "price-*"), BORN).caller
    caller.check_scope(Scope.READ)
    caller.check_scope(Scope.ANY)
    assert caller.visible(["iris", "iris2", "price-1", "price", "x"]) == ["iris", "price-1"]
    for refused in (lambda: caller.check_scope(Scope.MANAGE), lambda: caller.check_model("x"), caller.check_all):
        with pytest.raises(ZeroMindError) as error:
            refused()
        assert error.value.kind is ErrorKind.PERMISSION_DENIED
    with pytest.raises(ZeroMindError) as error:
        NOBODY.check_scope(Scope.ANY)
    assert error.value.kind is ErrorKind.UNAUTHENTICATED
    NOBODY.check_scope(Scope.OPEN)
    for scope in Scope:
        ANYONE.check_scope(scope)
